"""The clock, and forks."""

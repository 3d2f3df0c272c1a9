"""The clock, forks, the logger and the version. Private."""

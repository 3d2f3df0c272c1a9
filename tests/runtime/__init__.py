"""Tests of the clocks and of process forks."""

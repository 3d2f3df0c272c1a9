"""Clocks, fork handling, the logger and the version. Private."""

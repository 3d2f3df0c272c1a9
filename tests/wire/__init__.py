"""Tests of the readers of request headers and forms."""

"""Tests of ``hookkey_verify.testing``."""

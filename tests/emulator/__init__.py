"""Tests of the emulator's modules."""

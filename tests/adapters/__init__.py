"""The framework adapters."""

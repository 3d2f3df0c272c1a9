"""The key sources and their cache."""

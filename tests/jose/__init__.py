"""Tokens, keys and claims."""

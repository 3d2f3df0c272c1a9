"""Strict reading of bearer headers, form bodies and scopes. Private; performs no I/O."""

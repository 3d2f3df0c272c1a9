"""Strict reading of JSON Web Signatures, JSON Web Keys and claims. Private; performs no I/O."""

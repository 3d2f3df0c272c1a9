"""Where public keys come from: an Okta org's hook keys, an authorization server, or a file."""

from .first_of import first_of

__all__ = ["first_of"]

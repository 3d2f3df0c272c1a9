"""The error responses of token endpoints. Pure."""

from __future__ import annotations

__all__ = ["OAuthError", "invalid_client"]


class OAuthError(Exception):
    """An error response of the token endpoint (RFC 6749 section 5.2)."""

    def __init__(self, status: int, code: str, description: str, nonce: str = "") -> None:
        super().__init__(description)
        self.status = status
        self.headers = {"dpop-nonce": nonce} if nonce else {}
        self._body = {"error": code, "error_description": description}

    def body(self) -> dict[str, str]:
        """Return the error object."""
        return dict(self._body)


def invalid_client(description: str) -> OAuthError:
    """Return the error for a client that did not authenticate (RFC 6749 section 5.2)."""
    return OAuthError(401, "invalid_client", description)

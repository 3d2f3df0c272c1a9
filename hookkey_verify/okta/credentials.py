"""Credentials for Okta's management API.

Each is an auth object of requests, which sets ``Authorization`` on a prepared request. They do not
show their secret in repr and cannot be pickled or copied.
Source: https://developer.okta.com/docs/api/openapi/okta-management/guides/overview/ (security).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .._arguments import text
from ..errors import ConfigurationError

if TYPE_CHECKING:
    from requests import PreparedRequest

__all__ = ["ApiToken", "BearerToken", "Credentials"]

_SECRET = re.compile(r"[\x21-\x7e]+")


class Credentials(ABC):
    """Base class of the credentials for Okta's management API."""

    _scheme: str

    @abstractmethod
    def _secret(self) -> str: ...

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Set ``Authorization`` on a prepared request (the protocol of ``requests.auth``)."""
        request.headers["Authorization"] = f"{self._scheme} {self._secret()}"
        return request

    def bind(self, org_url: str) -> None:  # noqa: B027 - a token alone does not know its org
        """Raise ``ConfigurationError`` if these credentials are not for this org."""

    def prepare(self, deadline: float, now: float) -> None:  # noqa: B027 - most need nothing
        """Prepare for the next request before ``deadline`` (same clock as ``now``)."""

    def refused(self, headers: Mapping[str, str]) -> bool:  # noqa: ARG002
        """Handle a 401; return whether another attempt may succeed."""
        return False

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    def __reduce__(self) -> Any:
        kind = type(self).__name__
        raise ConfigurationError(f"{kind} contains a secret and cannot be pickled or copied")


class ApiToken(Credentials):
    """An Okta API token (Security > API > Tokens), sent as ``Authorization: SSWS …``."""

    _scheme = "SSWS"

    def __init__(self, token: str) -> None:
        """Create credentials. Raises ``ConfigurationError`` if this cannot be a token."""
        self._token = _checked("token", token)

    def _secret(self) -> str:
        return self._token


class BearerToken(Credentials):
    """An OAuth 2.0 access token with the scope okta.inlineHooks.read.

    It is a string or a function that returns one. The function is called for every request, so it
    can renew the token, and once more after a 401.
    """

    _scheme = "Bearer"

    def __init__(self, token: str | Callable[[], str]) -> None:
        """Create credentials. Raises ``ConfigurationError`` if this cannot be a token."""
        self._token = token if callable(token) else _checked("token", token)

    def refused(self, headers: Mapping[str, str]) -> bool:  # noqa: ARG002
        """Return True for a function, which is then called again."""
        return callable(self._token)

    def _secret(self) -> str:
        return (
            _checked("the result of token()", self._token())
            if callable(self._token)
            else self._token
        )


def _checked(name: str, token: object) -> str:
    token = text(name, token)
    if set("{}<>") & set(token):
        raise ConfigurationError(
            f"{name} still contains a placeholder; replace it with your own value"
        )
    if token.lower().startswith(("ssws ", "bearer ")):
        raise ConfigurationError(f"{name} must be the token alone, without SSWS or Bearer")
    if not _SECRET.fullmatch(token):
        raise ConfigurationError(f"{name} must be printable ASCII without white space")
    return token

"""Credentials for Okta's management API.

Each sets ``Authorization`` on an outgoing request. They do not show their secret in repr and cannot
be pickled or copied.
Source: https://developer.okta.com/docs/api/openapi/okta-management/guides/overview/ (security).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from .._arguments import text
from ..errors import ConfigurationError

__all__ = ["ApiToken", "BearerToken", "Credentials", "OutgoingRequest"]

_SECRET = re.compile(r"[\x21-\x7e]+")


class OutgoingRequest:
    """A request that is about to be sent. Credentials set its headers.

    ``method``: the request method.
    ``url``: the absolute URL.
    ``headers``: the request headers by name.

    For example:

    >>> from hookkey_verify.okta import OutgoingRequest
    >>> request = OutgoingRequest("GET", "https://acme.okta.com/api/v1/hook-keys", {})
    >>> request.headers["Authorization"] = "SSWS a-token"
    >>> request.method
    'GET'
    """

    __slots__ = ("headers", "method", "url")

    def __init__(self, method: str, url: str, headers: dict[str, str]) -> None:
        self.method = method
        self.url = url
        self.headers = headers


class Credentials(ABC):
    """Base class of the credentials for Okta's management API.

    For example:

    >>> from hookkey_verify import ApiToken
    >>> from hookkey_verify.okta import Credentials, OutgoingRequest
    >>> request = OutgoingRequest("GET", "https://acme.okta.com/api/v1/hook-keys", {})
    >>> credentials: Credentials = ApiToken("a-token")
    >>> credentials(request)
    >>> request.headers
    {'Authorization': 'SSWS a-token'}
    """

    _scheme: str

    @abstractmethod
    def _secret(self) -> str: ...

    def __call__(self, request: OutgoingRequest) -> None:
        """Set ``Authorization`` on a request."""
        request.headers["Authorization"] = f"{self._scheme} {self._secret()}"

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
    """An Okta API token (Security > API > Tokens), sent as ``Authorization: SSWS …``.

    For example:

    >>> from hookkey_verify import ApiToken
    >>> ApiToken("a-secret")
    ApiToken(…)
    """

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

    For example:

    >>> from hookkey_verify import BearerToken
    >>> BearerToken(lambda: "a token from your own cache")
    BearerToken(…)
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

"""Verifiers for Okta's other authentication methods: a secret in a header and Basic. Pure.

Use them in place of a ``HookVerifier``. Prefer OAuth with a hook key, because a secret that is sent
with every request is disclosed by a single one. Okta offers OAuth for inline hooks but not for
event hooks (https://developer.okta.com/docs/guides/common-hook-set-up-steps/).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode
from contextlib import nullcontext
from types import MappingProxyType
from typing import Any, Final

from ._wire.bearer import Headers, header_values
from .errors import ConfigurationError, WrongCredentialsError
from .events import OnEvent, Reporter, Verification
from .verifier import VerifiedHook

__all__ = [
    "BasicCredentials",
    "HeaderSecret",
    "basic_credentials",
    "is_among",
    "secret_digests",
]

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 section 5.6.2 token
_BASIC = re.compile(r"(?i:basic) +((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)")
_SENT_BY_BROWSERS = ("basic ", "digest ", "negotiate ", "ntlm ")
"""Authentication schemes whose credentials a browser sends automatically."""
_NOTHING: MappingProxyType[str, Any] = MappingProxyType({})


class HeaderSecret:
    """Verifies the secret that Okta sends in a request header, in constant time.

    In Okta, these are the "Authentication field" and "Authentication secret" of the hook.
    The ``VerifiedHook`` has no claims and no kid, and does not expire.

    For example:

    >>> from hookkey_verify.shared_secret import HeaderSecret
    >>> verifier = HeaderSecret("the-old-secret", "the-new-secret", header="X-Okta-Secret")
    >>> verifier.verify_headers({"X-Okta-Secret": "another"})
    Traceback (most recent call last):
        ...
    hookkey_verify.errors.WrongCredentialsError: The credentials are not the expected ones
    """

    def __init__(
        self, *secrets: str, header: str = "Authorization", on_event: OnEvent | None = None
    ) -> None:
        """Accept any of ``secrets`` (pass the old and the new one to change it) in ``header``.

        ``on_event``: a function that takes an ``Event`` for each request. Default None.

        Raises ``ConfigurationError`` naming the argument.
        """
        if not isinstance(header, str) or not _NAME.fullmatch(header):
            raise ConfigurationError("header must be the name of a request header")
        if not all(isinstance(each, str) and each.isascii() for each in secrets):
            raise ConfigurationError("a secret must be ASCII, as every header value must be")
        self.header = header
        self.sent_by_browsers = header.lower() == "cookie" or any(
            each.lower().startswith(_SENT_BY_BROWSERS) for each in secrets
        )
        self._digests = secret_digests("a secret", secrets)
        self._report = Reporter(type(self).__name__, on_event)

    def __repr__(self) -> str:
        return f"HeaderSecret(header={self.header!r})"

    def verify_headers(self, headers: Headers) -> VerifiedHook:
        """Verify that the header occurs once and equals one of the secrets.

        Raises ``WrongCredentialsError``. Its challenge has a scheme of our own, because a bare
        secret has no registered one.
        """
        values = header_values(headers, self.header.lower())
        return _verified(values, self._digests, "SharedSecret", self._report)

    async def averify_headers(self, headers: Headers) -> VerifiedHook:
        """Do the same as ``verify_headers``. It does not block."""
        return self.verify_headers(headers)


class BasicCredentials:
    """Verifies a user name and password (RFC 7617), in constant time.

    In Okta, enter them as one ``Authorization`` value. The ``VerifiedHook`` has no claims and no
    kid, and does not expire.

    For example:

    >>> from hookkey_verify.shared_secret import BasicCredentials
    >>> verifier = BasicCredentials("okta", "a-long-password")
    >>> _ = verifier.verify_headers({"Authorization": "Basic b2t0YTphLWxvbmctcGFzc3dvcmQ="})
    """

    sent_by_browsers: Final = True

    def __init__(self, username: str, *passwords: str, on_event: OnEvent | None = None) -> None:
        """Accept any of ``passwords``; pass the old and the new one to change it.

        ``on_event``: a function that takes an ``Event`` for each request. Default None.

        Raises ``ConfigurationError`` naming the argument.
        """
        if not isinstance(username, str) or not username or ":" in username:
            raise ConfigurationError("username must be a non-empty string without a colon")
        secret_digests("a password", passwords)
        self._digests = secret_digests("a user name", [f"{username}:{each}" for each in passwords])
        self._report = Reporter(type(self).__name__, on_event)

    def __repr__(self) -> str:
        return "BasicCredentials(…)"

    def verify_headers(self, headers: Headers) -> VerifiedHook:
        """Verify that these credentials were sent once. Raises ``WrongCredentialsError``."""
        values = [_decoded(value) for value in header_values(headers, "authorization")]
        challenge = 'Basic realm="hook", charset="UTF-8"'
        return _verified(values, self._digests, challenge, self._report)

    async def averify_headers(self, headers: Headers) -> VerifiedHook:
        """Do the same as ``verify_headers``. It does not block."""
        return self.verify_headers(headers)


def basic_credentials(value: str) -> tuple[str, str] | None:
    """Return the user name and password of an ``Authorization`` value (RFC 7617), or None."""
    username, colon, password = _decoded(value).partition(":")
    return (username, password) if colon else None


def secret_digests(name: str, secrets: Any) -> tuple[bytes, ...]:
    """Return digests for ``is_among``. Raises ``ConfigurationError`` naming the argument."""
    if not secrets or not all(isinstance(each, str) and each for each in secrets):
        raise ConfigurationError(f"{name} must be a non-empty string")
    if not all(each.isprintable() and each == each.strip() for each in secrets):
        raise ConfigurationError(
            f"{name} must be printable, without leading or trailing white space"
        )
    return tuple(_digest(each) for each in secrets)


def is_among(sent: str, digests: tuple[bytes, ...]) -> bool:
    """Return whether this is one of the secrets."""
    digest = _digest(sent)
    # All digests are compared, so that the time does not depend on which one matches.
    matches = [hmac.compare_digest(digest, each) for each in digests]
    return any(matches)


def _digest(value: str) -> bytes:
    """Return a digest of fixed length, so that a comparison does not reveal the secret's length."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()


def _decoded(value: str) -> str:
    match = _BASIC.fullmatch(value.strip())
    try:
        return b64decode(match[1]).decode() if match else ""
    except UnicodeDecodeError:
        return ""


def _verified(
    values: list[str], digests: tuple[bytes, ...], challenge: str, report: Reporter
) -> VerifiedHook:
    with Verification(report) if report.active else nullcontext():
        if len(values) != 1 or not is_among(values[0], digests):
            raise WrongCredentialsError(challenge)
    return VerifiedHook(_NOTHING, _NOTHING, kid="", key_thumbprint="")

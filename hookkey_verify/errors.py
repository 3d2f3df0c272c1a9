"""All errors of the package, grouped by the party that caused them.

::

    HookKeyError
    ├── ConfigurationError                ours: a wrong argument or setting            500
    ├── HookVerificationError             everything that verify() raises
    │   │                                 the sender's:
    │   ├── MissingTokenError             no credentials were sent                     401
    │   ├── MalformedTokenError           not a compact JWS of a JWT                   401
    │   │   ├── MultipleTokensError
    │   │   ├── TokenTooLargeError
    │   │   ├── UnsupportedHeaderError    crit, b64, enc or zip
    │   │   └── TokenTypeError            typ not allowed
    │   ├── AlgorithmError                alg not allowed, or not the key's            401
    │   ├── UnknownKeyError               the key source has no such key               401
    │   ├── SignatureError                                                             401
    │   ├── ClaimError                    .claim names it                              401
    │   │   ├── MissingClaimError
    │   │   ├── InvalidClaimError         wrong JSON type or out of range
    │   │   ├── IssuerError  AudienceError  SubjectError  ClientIdError
    │   │   ├── LifetimeError             valid for longer than allowed
    │   │   ├── IssuedInFutureError  TokenNotYetValidError  TokenExpiredError
    │   │   └── ReplayedTokenError        jti seen before
    │   ├── WrongCredentialsError         a shared secret, or user name and password   401
    │   ├── InsufficientScopeError        .scopes names what was needed                403
    │   │                                 the key source's:
    │   ├── KeyUnavailableError           unreachable; .retry_after in seconds         503
    │   │   ├── KeySourceThrottledError   the source told us to wait
    │   │   ├── KeyLookupLimitedError     too many unknown kids: our own limit
    │   │   └── ReplayStoreUnavailableError   the replay store cannot answer
    │   │                                 ours:
    │   ├── KeySourceConfigurationError   credentials, permissions or URL are wrong    500
    │   ├── ReplayStoreConfigurationError password, permissions, role or memory are wrong 500
    │   └── KeyRejectedError              the key document is weak, private or malformed 500
    │       └── KeyChangedError           a known kid has different key material
    ├── InvalidPayloadError               the body is not a hook request               400
    ├── InvalidReplyError                 ours: the reply breaks one of Okta's rules   500
    └── HookKeyApiError                   the management API refused or was unreachable
        ├── AuthenticationError  ForbiddenError  NotFoundError
        ├── ValidationFailedError  KeyInUseError  KeyLimitError
        ├── RotationStoppedError          going on could fail deliveries
        ├── RateLimitedError              .reset_at in epoch seconds
        └── TransportError                no usable response

``str(error)`` contains only fixed texts and values of your configuration, such as the expected
audience. It never contains parts of a token, key, credential or response body. If
``HOOKKEY_DOCS_URL`` is set, it ends with a link to the documentation of the reason. The configured
value is also in ``error.expected``; HTTP responses contain none of it except required scopes.

A key that cannot be fetched is answered with 503, because Okta retries once after 5xx but never
after 4xx (https://developer.okta.com/docs/concepts/inline-hooks/): a 401 would be final.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, ClassVar, Final, TypeAlias

__all__ = [
    "DOCS_URL",
    "AlgorithmError",
    "AudienceError",
    "AuthenticationError",
    "ClaimError",
    "ClientIdError",
    "ConfigurationError",
    "ForbiddenError",
    "HookKeyApiError",
    "HookKeyError",
    "HookVerificationError",
    "InsufficientScopeError",
    "InvalidClaimError",
    "InvalidPayloadError",
    "InvalidReplyError",
    "IssuedInFutureError",
    "IssuerError",
    "KeyChangedError",
    "KeyInUseError",
    "KeyLimitError",
    "KeyLookupLimitedError",
    "KeyRejectedError",
    "KeySourceConfigurationError",
    "KeySourceThrottledError",
    "KeyUnavailableError",
    "LifetimeError",
    "MalformedTokenError",
    "MissingClaimError",
    "MissingTokenError",
    "MultipleTokensError",
    "NotFoundError",
    "RateLimitedError",
    "Reason",
    "ReplayStoreConfigurationError",
    "ReplayStoreUnavailableError",
    "ReplayedTokenError",
    "RotationStoppedError",
    "SignatureError",
    "SubjectError",
    "TokenExpiredError",
    "TokenNotYetValidError",
    "TokenTooLargeError",
    "TokenTypeError",
    "TransportError",
    "UnknownKeyError",
    "UnsupportedHeaderError",
    "ValidationFailedError",
    "WrongCredentialsError",
    "documentation",
]


Expected: TypeAlias = str | float | tuple[str, ...] | None
"""A configured value: text, or a number of seconds or bytes.

One value of a tuple must match, but all required scopes must be granted.
"""


class Reason(StrEnum):
    """A stable, machine-readable name for a refusal, for logs, metrics and problem documents.

    Minor releases may add members; they never rename one.

    For example:

    >>> TokenExpiredError.reason is Reason.EXPIRED
    True
    >>> Reason.EXPIRED.value
    'expired'
    """

    MISSING_TOKEN = "missing_token"  # noqa: S105 - a reason, not a password
    MALFORMED_TOKEN = "malformed_token"  # noqa: S105
    MULTIPLE_TOKENS = "multiple_tokens"
    TOKEN_TOO_LARGE = "token_too_large"  # noqa: S105
    UNSUPPORTED_HEADER = "unsupported_header"
    TOKEN_TYPE_NOT_ALLOWED = "token_type_not_allowed"  # noqa: S105
    ALGORITHM_NOT_ALLOWED = "algorithm_not_allowed"
    UNKNOWN_KEY = "unknown_key"
    INVALID_SIGNATURE = "invalid_signature"
    MISSING_CLAIM = "missing_claim"
    INVALID_CLAIM = "invalid_claim"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    WRONG_SUBJECT = "wrong_subject"
    WRONG_CLIENT = "wrong_client"
    LIFETIME_TOO_LONG = "lifetime_too_long"
    ISSUED_IN_FUTURE = "issued_in_future"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    REPLAYED = "replayed"
    WRONG_CREDENTIALS = "wrong_credentials"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    KEY_UNAVAILABLE = "key_unavailable"
    KEY_SOURCE_THROTTLED = "key_source_throttled"
    KEY_LOOKUP_LIMITED = "key_lookup_limited"
    KEY_SOURCE_MISCONFIGURED = "key_source_misconfigured"
    KEY_REJECTED = "key_rejected"
    KEY_CHANGED = "key_changed"
    REPLAY_STORE_UNAVAILABLE = "replay_store_unavailable"
    REPLAY_STORE_MISCONFIGURED = "replay_store_misconfigured"
    UNSPECIFIED = "unspecified"
    CONFIGURATION = "configuration"
    INVALID_PAYLOAD = "invalid_payload"
    INVALID_REPLY = "invalid_reply"
    API_ERROR = "api_error"
    API_AUTHENTICATION_FAILED = "api_authentication_failed"
    API_FORBIDDEN = "api_forbidden"
    API_NOT_FOUND = "api_not_found"
    API_VALIDATION_FAILED = "api_validation_failed"
    API_KEY_IN_USE = "api_key_in_use"
    API_KEY_LIMIT = "api_key_limit"
    API_ROTATION_STOPPED = "api_rotation_stopped"
    API_RATE_LIMITED = "api_rate_limited"
    API_UNREACHABLE = "api_unreachable"


DOCS_URL: Final = "HOOKKEY_DOCS_URL"
"""The environment variable with the address of the documentation site. Without it, no error text
has a link."""
_ADDRESS: Final = re.compile(r"https?://[!\"$->@-~]{1,500}", re.ASCII)  # no query, no fragment


def documentation(reason: Reason) -> str | None:
    """Return the address of the documentation of a reason, or None if ``DOCS_URL`` is not set.

    A value that is not the address of a site counts as not set, and so does a reason that is none
    of ``Reason``.
    """
    site = os.environ.get(DOCS_URL, "")
    if not _ADDRESS.fullmatch(site) or not isinstance(reason, Reason):
        return None
    return f"{site.rstrip('/')}/runbook.html#{reason.replace('_', '-')}"


class HookKeyError(Exception):
    """Base class of all errors of this package.

    ``reason``: the machine-readable name; ``unspecified`` in your own subclasses that set none.
    ``status_code``: the HTTP status of the response.
    ``headers``: the response headers that go with it.
    ``retryable``: whether the same request may succeed later.

    For example:

    >>> print(HookKeyError("the cause"))
    The request could not be handled: the cause
    """

    reason: ClassVar[Reason] = Reason.UNSPECIFIED
    status_code: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    title: ClassVar[str] = "The request could not be handled"

    def __init__(self, detail: str = "") -> None:
        self.detail = detail  # args are set by BaseException.__new__

    def __str__(self) -> str:
        # The class has the reason; a property of the user's class can raise.
        text, link = self._text(), documentation(type(self).reason)
        return f"{text}; see {link}" if link else text

    def _text(self) -> str:
        return f"{self.title}: {self.detail}" if self.detail else self.title

    @property
    def headers(self) -> dict[str, str]:
        """Response headers for ``status_code``; a new dict on every call."""
        return {}


class ConfigurationError(HookKeyError):
    """An argument, environment variable or file is wrong; the message names it and the fix.

    For example:

    >>> print(ConfigurationError("audience must be text"))
    hookkey_verify is not configured correctly: audience must be text
    """

    reason = Reason.CONFIGURATION
    title = "hookkey_verify is not configured correctly"


class HookVerificationError(HookKeyError):
    """The token was not accepted. ``verify`` raises only subclasses of this.

    ``expected``: the configured value that the token did not match, or None. It never comes from
        the sender. HTTP responses do not contain it, except the scopes of an
        ``InsufficientScopeError`` (RFC 6750 section 3.1).

    For example:

    >>> print(HookVerificationError("the cause"))
    The credentials were not accepted: the cause
    """

    status_code = 401
    title = "The credentials were not accepted"

    def __init__(self, detail: str = "", *, expected: Expected = None) -> None:
        super().__init__(detail)
        self.expected = expected

    @property
    def headers(self) -> dict[str, str]:
        """``WWW-Authenticate`` with the error code of RFC 6750 section 3.1."""
        return {
            "WWW-Authenticate": f'Bearer error="invalid_token", error_description="{self.title}"'
        }


class MissingTokenError(HookVerificationError):
    """No bearer token was sent. The challenge has no error code (RFC 6750 section 3.1).

    For example:

    >>> print(MissingTokenError())
    No bearer token was sent
    """

    reason = Reason.MISSING_TOKEN
    title = "No bearer token was sent"

    @property
    def headers(self) -> dict[str, str]:
        """``WWW-Authenticate: Bearer`` without an error code."""
        return {"WWW-Authenticate": "Bearer"}


class MalformedTokenError(HookVerificationError):
    """The input is not a strictly encoded JWS compact serialization of a JWT (RFC 7515, 7519).

    For example:

    >>> print(MalformedTokenError())
    The token is malformed
    """

    reason = Reason.MALFORMED_TOKEN
    title = "The token is malformed"


class MultipleTokensError(MalformedTokenError):
    """The request has more than one credential, so it is ambiguous which one counts.

    For example:

    >>> print(MultipleTokensError())
    More than one token was sent
    """

    reason = Reason.MULTIPLE_TOKENS
    title = "More than one token was sent"


class TokenTooLargeError(MalformedTokenError):
    """The token is longer than ``max_token_bytes`` (``expected``).

    For example:

    >>> print(TokenTooLargeError(expected=16384))
    The token is too large
    """

    reason = Reason.TOKEN_TOO_LARGE
    title = "The token is too large"


class UnsupportedHeaderError(MalformedTokenError):
    """The header requires an unsupported extension: crit, b64, enc or zip.

    For example:

    >>> print(UnsupportedHeaderError())
    The token needs an extension that is not supported
    """

    reason = Reason.UNSUPPORTED_HEADER
    title = "The token needs an extension that is not supported"


class TokenTypeError(MalformedTokenError):
    """The header's ``typ`` is not in ``token_types`` (RFC 8725 section 3.11).

    For example:

    >>> print(TokenTypeError())
    The token is of a type that is not accepted
    """

    reason = Reason.TOKEN_TYPE_NOT_ALLOWED
    title = "The token is of a type that is not accepted"


class AlgorithmError(HookVerificationError):
    """The header's ``alg`` is not in ``algorithms`` or is not the key's (RFC 8725 section 3.1).

    For example:

    >>> print(AlgorithmError())
    The token is signed with an algorithm that is not accepted
    """

    reason = Reason.ALGORITHM_NOT_ALLOWED
    title = "The token is signed with an algorithm that is not accepted"


class UnknownKeyError(HookVerificationError):
    """The key source has no key with this ``kid``.

    ``age``: the seconds since another worker learned this from the source; 0 otherwise.

    For example:

    >>> print(UnknownKeyError())
    The token names a key that is not known
    """

    age: float = 0.0
    reason = Reason.UNKNOWN_KEY
    title = "The token names a key that is not known"


class SignatureError(HookVerificationError):
    """The signature does not match the key and the token's content.

    For example:

    >>> print(SignatureError())
    The token's signature is not valid
    """

    reason = Reason.INVALID_SIGNATURE
    title = "The token's signature is not valid"


class ClaimError(HookVerificationError):
    """A claim does not satisfy the policy. Raised only after the signature has been verified.

    ``claim``: the name of the claim.
    ``expected``: the value that is configured for it, or None.

    For example:

    >>> print(ClaimError("aud", expected="api://hooks"))
    The credentials were not accepted: expected aud "api://hooks"
    """

    advice: ClassVar[str] = "expected {claim} {expected}"

    def __init__(self, claim: str = "", detail: str = "", *, expected: Expected = None) -> None:
        super().__init__(detail, expected=expected)
        self.claim = claim
        self.args = (claim, detail)

    def _text(self) -> str:
        if self.expected is None:
            return super()._text()
        advice = self.advice.format(claim=self.claim, expected=_quoted(self.expected))
        return f"{self.title}: {advice}"


class MissingClaimError(ClaimError):
    """A required claim is absent.

    For example:

    >>> print(MissingClaimError("jti"))
    The token lacks a required claim: jti
    """

    reason = Reason.MISSING_CLAIM
    title = "The token lacks a required claim"
    advice = "{claim}, expected {expected}"

    def _text(self) -> str:
        return f"{self.title}: {self.claim}" if self.expected is None else super()._text()


class InvalidClaimError(ClaimError):
    """A claim has the wrong JSON type or is out of range (RFC 7519 section 4.1).

    For example:

    >>> print(InvalidClaimError("exp", "must be a number"))
    A claim of the token is not valid: exp must be a number
    """

    reason = Reason.INVALID_CLAIM
    title = "A claim of the token is not valid"

    def _text(self) -> str:
        return f"{self.title}: {self.claim} {self.detail}"


class IssuerError(ClaimError):
    """``iss`` is not the expected issuer.

    For example:

    >>> print(IssuerError("iss", expected="https://acme.okta.com/oauth2/default"))
    The token is from another issuer: expected iss "https://acme.okta.com/oauth2/default"
    """

    reason = Reason.WRONG_ISSUER
    title = "The token is from another issuer"


class AudienceError(ClaimError):
    """``aud`` contains none of the expected audiences.

    For example:

    >>> print(AudienceError("aud", expected="api://hooks"))
    The token is for another audience: expected aud "api://hooks"
    """

    reason = Reason.WRONG_AUDIENCE
    title = "The token is for another audience"


class SubjectError(ClaimError):
    """``sub`` is not the expected subject.

    For example:

    >>> print(SubjectError("sub", expected="0oa1"))
    The token has another subject: expected sub "0oa1"
    """

    reason = Reason.WRONG_SUBJECT
    title = "The token has another subject"


class ClientIdError(ClaimError):
    """``cid``, ``client_id`` or ``azp`` is not the expected client.

    For example:

    >>> print(ClientIdError("cid", expected="0oa1"))
    The token is for another client: expected cid "0oa1"
    """

    reason = Reason.WRONG_CLIENT
    title = "The token is for another client"


class LifetimeError(ClaimError):
    """The token is valid for longer than ``max_lifetime`` seconds (``expected``).

    For example:

    >>> print(LifetimeError("exp", expected=3600))
    The token is valid for too long: max_lifetime is 3600 seconds
    """

    reason = Reason.LIFETIME_TOO_LONG
    title = "The token is valid for too long"
    advice = "max_lifetime is {expected} seconds"


class IssuedInFutureError(ClaimError):
    """``iat`` is more than ``leeway`` seconds (``expected``) in the future.

    For example:

    >>> print(IssuedInFutureError("iat", expected=60))
    The token was issued in the future: iat is more than 60 seconds (leeway) ahead of th...
    """

    reason = Reason.ISSUED_IN_FUTURE
    title = "The token was issued in the future"
    advice = (
        "{claim} is more than {expected} seconds (leeway) ahead of this machine's clock; "
        "correct the clock that is wrong"
    )


class TokenNotYetValidError(ClaimError):
    """``nbf`` is more than ``leeway`` seconds (``expected``) in the future.

    For example:

    >>> print(TokenNotYetValidError("nbf", expected=60))
    The token is not yet valid: nbf is more than 60 seconds (leeway) ahead of this machi...
    """

    reason = Reason.NOT_YET_VALID
    title = "The token is not yet valid"
    advice = (
        "{claim} is more than {expected} seconds (leeway) ahead of this machine's clock; "
        "correct the clock that is wrong"
    )


class TokenExpiredError(ClaimError):
    """``exp`` is at least ``leeway`` seconds (``expected``) in the past.

    For example:

    >>> print(TokenExpiredError("exp", expected=60))
    The token has expired: exp is more than 60 seconds (leeway) behind this machine's cl...
    """

    reason = Reason.EXPIRED
    title = "The token has expired"
    advice = (
        "{claim} is more than {expected} seconds (leeway) behind this machine's clock; "
        "if new tokens are refused too, correct that clock"
    )


class ReplayedTokenError(ClaimError):
    """A token with this ``jti`` was accepted before.

    For example:

    >>> print(ReplayedTokenError("jti"))
    The token has been used before
    """

    reason = Reason.REPLAYED
    title = "The token has been used before"


class WrongCredentialsError(HookVerificationError):
    """The shared secret, or the user name and password, are missing or wrong.

    ``challenge``: the value of ``WWW-Authenticate`` (RFC 9110 section 11.6.1).

    For example:

    >>> print(WrongCredentialsError())
    The credentials are not the expected ones
    """

    reason = Reason.WRONG_CREDENTIALS
    title = "The credentials are not the expected ones"

    def __init__(self, challenge: str = "Basic") -> None:
        super().__init__()
        self.challenge = challenge
        self.args = (challenge,)

    @property
    def headers(self) -> dict[str, str]:
        """``WWW-Authenticate`` with ``challenge``."""
        return {"WWW-Authenticate": self.challenge}


class InsufficientScopeError(HookVerificationError):
    """The token lacks one of the required scopes (RFC 6750 section 3.1).

    ``scopes``: all required scopes, also in ``expected``.

    For example:

    >>> print(InsufficientScopeError(["hooks"]))
    The token lacks a required scope: needs hooks
    """

    reason = Reason.INSUFFICIENT_SCOPE
    status_code = 403
    title = "The token lacks a required scope"

    def __init__(self, scopes: Iterable[str] = ()) -> None:
        self.scopes = tuple(scopes)
        detail = f"needs {' '.join(self.scopes)}" if self.scopes else ""
        super().__init__(detail, expected=self.scopes or None)
        self.args = (self.scopes,)

    @property
    def headers(self) -> dict[str, str]:
        """``WWW-Authenticate`` with the required scopes."""
        scope = " ".join(self.scopes)
        return {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}


class KeyUnavailableError(HookVerificationError):
    """The key could not be fetched, so the token could not be judged. Try again later.

    Its subclasses tell other reasons why a token cannot be judged at the moment.

    For example:

    >>> print(KeyUnavailableError("the connection failed", retry_after=2.5))
    The verification key is not available at the moment: the connection failed
    """

    reason = Reason.KEY_UNAVAILABLE
    status_code = 503
    retryable = True
    title = "The verification key is not available at the moment"

    def __init__(self, detail: str = "", *, retry_after: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """``Retry-After`` in whole seconds, at least 1 (RFC 9110 section 10.2.3)."""
        return {"Retry-After": str(max(1, math.ceil(self.retry_after)))}


class KeySourceThrottledError(KeyUnavailableError):
    """The key source asked us to wait ``retry_after`` seconds (HTTP 429 or 503).

    ``whole_source``: True if this concerns all keys (429) and not only the requested one.

    For example:

    >>> print(KeySourceThrottledError(retry_after=7))
    The key source asks us to wait
    """

    reason = Reason.KEY_SOURCE_THROTTLED
    title = "The key source asks us to wait"

    def __init__(
        self, detail: str = "", *, retry_after: float = 1.0, whole_source: bool = False
    ) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.whole_source = whole_source


class KeyLookupLimitedError(KeyUnavailableError):
    """Too many unknown kids arrived, so the key source was not asked about this one.

    Tokens of other senders can cause this. Known keys are not affected. The options
    ``allowed_key_ids`` and ``directory`` of ``HookKeys`` prevent it.

    For example:

    >>> print(KeyLookupLimitedError(retry_after=10))
    Too many unknown keys were requested
    """

    reason = Reason.KEY_LOOKUP_LIMITED
    title = "Too many unknown keys were requested"


class ReplayStoreUnavailableError(KeyUnavailableError):
    """The replay store could not say whether the token was used before. Try again later.

    For example:

    >>> print(ReplayStoreUnavailableError("the connection was lost"))
    The replay store is not available at the moment: the connection was lost
    """

    reason = Reason.REPLAY_STORE_UNAVAILABLE
    title = "The replay store is not available at the moment"


class KeySourceConfigurationError(HookVerificationError):
    """The key source rejects our requests: credentials, permissions or URL are wrong.

    ``whole_source``: True if this concerns all keys (401) and not only the requested one.

    For example:

    >>> print(KeySourceConfigurationError("Okta does not accept the credentials"))
    The key source is not configured correctly: Okta does not accept the credentials
    """

    reason = Reason.KEY_SOURCE_MISCONFIGURED
    status_code = 500
    title = "The key source is not configured correctly"

    def __init__(self, detail: str = "", *, whole_source: bool = False) -> None:
        super().__init__(detail)
        self.whole_source = whole_source

    @property
    def headers(self) -> dict[str, str]:
        """Empty, because the sender cannot correct it."""
        return {}


class ReplayStoreConfigurationError(HookVerificationError):
    """The replay store refuses our commands: the message says which setting is wrong.

    For example:

    >>> print(ReplayStoreConfigurationError("the password is wrong"))
    The replay store is not configured correctly: the password is wrong
    """

    reason = Reason.REPLAY_STORE_MISCONFIGURED
    status_code = 500
    title = "The replay store is not configured correctly"

    @property
    def headers(self) -> dict[str, str]:
        """Empty, because the sender cannot correct it."""
        return {}


class KeyRejectedError(HookVerificationError):
    """A key document is weak, private, malformed or for another kid.

    For example:

    >>> print(KeyRejectedError("n must have 2048 bits or more"))
    The key document is not acceptable: n must have 2048 bits or more
    """

    reason = Reason.KEY_REJECTED
    status_code = 500
    title = "The key document is not acceptable"

    @property
    def headers(self) -> dict[str, str]:
        """Empty, because the sender cannot correct it."""
        return {}


class KeyChangedError(KeyRejectedError):
    """A known kid has different key material. It is refused; alert on it.

    Okta never changes a hook key (https://developer.okta.com/docs/api/openapi/okta-management/
    management/tag/HookKey/), so the response is not from Okta. Only ``invalidate(kid)`` accepts the
    new key.

    For example:

    >>> print(KeyChangedError())
    The key differs from the earlier key with this kid
    """

    reason = Reason.KEY_CHANGED
    title = "The key differs from the earlier key with this kid"


class InvalidPayloadError(HookKeyError):
    """The body of a request is not a JSON object, or is too large, so it is not from Okta.

    For example:

    >>> print(InvalidPayloadError("it is not a JSON object"))
    The body is not the request of a hook: it is not a JSON object
    """

    reason = Reason.INVALID_PAYLOAD
    status_code = 400
    title = "The body is not the request of a hook"


class InvalidReplyError(HookKeyError):
    """A reply breaks a rule that Okta documents, so Okta would ignore or refuse it.

    ``rule``: the name of the rule.
    ``path``: the JSON Pointer (RFC 6901) of the member that breaks it.
    ``fix``: what to do.

    For example:

    >>> print(InvalidReplyError("lifetime", "/commands/0", "use 300 to 86,400 seconds"))
    The reply to the hook is not valid: /commands/0: use 300 to 86,400 sec...
    """

    reason = Reason.INVALID_REPLY
    title = "The reply to the hook is not valid"

    def __init__(self, rule: str = "", path: str = "", fix: str = "") -> None:
        super().__init__(f"{path or 'the reply'}: {fix} ({rule})" if rule else fix)
        self.rule = rule
        self.path = path
        self.fix = fix
        self.args = (rule, path, fix)


_CODE = re.compile(r"E\d{1,9}", re.ASCII)


class HookKeyApiError(HookKeyError):
    """Okta's management API returned an error or no usable response.

    ``status``: the HTTP status, None without a response.
    ``error_code``, ``error_summary``, ``causes``, ``error_id``: Okta's error object
        (https://developer.okta.com/docs/reference/error-codes/).
    ``request_id``: the ``X-Okta-Request-Id``, which Okta's support asks for.

    ``str()`` contains only the status and the code.

    For example:

    >>> print(HookKeyApiError(status=500, error={"errorCode": "E0000009"}))
    The Okta management API refused the request (500 E0000009)
    """

    reason = Reason.API_ERROR
    title = "The Okta management API refused the request"

    def __init__(
        self,
        detail: str = "",
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        error: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        members = error or {}
        self.status = status
        self.error_code = _text(members.get("errorCode"))
        self.error_summary = _text(members.get("errorSummary"))
        self.error_id = _text(members.get("errorId"))
        self.causes = _causes(members.get("errorCauses"))
        self.request_id = (headers or {}).get("X-Okta-Request-Id", "")

    def _text(self) -> str:
        # The server chooses these characters, so only the format of Okta's codes is shown.
        code = self.error_code if _CODE.fullmatch(self.error_code) else ""
        facts = " ".join(str(fact) for fact in (self.status, code) if fact)
        return f"{super()._text()} ({facts})" if facts else super()._text()


class AuthenticationError(HookKeyApiError):
    """401: the API token or access token is wrong, expired or revoked.

    For example:

    >>> print(AuthenticationError(status=401, error={"errorCode": "E0000011"}))
    Okta does not accept the credentials (401 E0000011)
    """

    reason = Reason.API_AUTHENTICATION_FAILED
    title = "Okta does not accept the credentials"


class ForbiddenError(HookKeyApiError):
    """403: the credentials lack a permission or scope (okta.inlineHooks.read or .manage).

    Also 401 with Okta's error code E0000015: the org lacks the feature.

    For example:

    >>> print(ForbiddenError(status=403, error={"errorCode": "E0000006"}))
    The credentials lack a permission (403 E0000006)
    """

    reason = Reason.API_FORBIDDEN
    title = "The credentials lack a permission"


class NotFoundError(HookKeyApiError):
    """404 with Okta's error code E0000007: the resource does not exist.

    For example:

    >>> print(NotFoundError(status=404, error={"errorCode": "E0000007"}))
    Okta has no such resource (404 E0000007)
    """

    reason = Reason.API_NOT_FOUND
    title = "Okta has no such resource"


class ValidationFailedError(HookKeyApiError):
    """400: Okta rejected a value of the request.

    For example:

    >>> print(ValidationFailedError(status=400, error={"errorCode": "E0000001"}))
    Okta rejected a value of the request (400 E0000001)
    """

    reason = Reason.API_VALIDATION_FAILED
    title = "Okta rejected a value of the request"


class KeyInUseError(HookKeyApiError):
    """The key cannot be deleted, because an inline hook uses it.

    For example:

    >>> print(KeyInUseError(status=400))
    An inline hook still uses this key (400)
    """

    reason = Reason.API_KEY_IN_USE
    title = "An inline hook still uses this key"


class KeyLimitError(HookKeyApiError):
    """The org already has the maximum number of hook keys (50).

    For example:

    >>> print(KeyLimitError(status=400))
    The org already has the maximum number of hook keys (400)
    """

    reason = Reason.API_KEY_LIMIT
    title = "The org already has the maximum number of hook keys"


class RotationStoppedError(HookKeyApiError):
    """A rotation cannot go on without a risk for deliveries, such as a change that did not take.

    For example:

    >>> print(RotationStoppedError("Okta did not change the key of the hook"))
    The rotation stopped: Okta did not change the key of the hook
    """

    reason = Reason.API_ROTATION_STOPPED
    title = "The rotation stopped"


class RateLimitedError(HookKeyApiError):
    """429: ``reset_at`` is when the limit resets, in epoch seconds (0 if unknown).

    For example:

    >>> print(RateLimitedError(status=429))
    Okta's rate limit is exhausted (429)
    """

    reason = Reason.API_RATE_LIMITED
    status_code = 503
    retryable = True
    title = "Okta's rate limit is exhausted"
    reset_at: float = 0.0
    retry_after: float = 5.0


class TransportError(HookKeyApiError):
    """The connection failed, or the response was late, cut off, too large or not from Okta.

    ``retry_after``: the server's ``Retry-After`` in seconds, or None.
    ``sent``: False if the server cannot have received the request.

    For example:

    >>> print(TransportError("the connection failed"))
    The Okta management API is unreachable: the connection failed
    """

    reason = Reason.API_UNREACHABLE
    status_code = 503
    retryable = True
    title = "The Okta management API is unreachable"
    retry_after: float | None = None
    sent: bool = True


def _quoted(expected: Expected) -> str:
    """Return a configured value for an error message, with quotes around text."""
    if isinstance(expected, tuple):
        return " or ".join(map(_quoted, expected))
    return f'"{expected}"' if isinstance(expected, str) else f"{expected:.12g}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _causes(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(_text(c.get("errorSummary")) for c in value if isinstance(c, dict))

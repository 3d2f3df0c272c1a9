"""AnyOf accepts requests that one of several verifiers accepts, for a migration between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .._wire.bearer import Headers
from ..errors import (
    ConfigurationError,
    HookKeyError,
    MissingTokenError,
    WrongCredentialsError,
)
from ..events import ERROR, Attempts, Event, EventName, OnEvent, Reporter, reason_of
from ..guard import RequestVerifier
from ..verifier import VerifiedHook

if TYPE_CHECKING:
    from ..health import CombinedHealth

__all__ = ["AnyOf"]


class AnyOf:
    """Verifies requests with several verifiers, in order, until one accepts. Thread-safe.

    Use it while Okta changes from one way to authenticate to another, such as from a secret in a
    header to OAuth, and remove it afterwards: a request needs to pass only the weakest verifier.

    ::

        Hooks(AnyOf(HeaderSecret(old, on_event=metrics), HookVerifier.from_env(keys)))

    Each verifier reports what it accepts, so events show whether the old way is still used. A
    refusal is reported once, if all verifiers refuse.

    For example:

    >>> from hookkey_verify.hooks import AnyOf
    >>> from hookkey_verify.shared_secret import HeaderSecret
    >>> both = AnyOf(HeaderSecret("the-old-way", header="X-Secret"), HeaderSecret("the-new-way"))
    >>> _ = both.verify_headers({"Authorization": "the-new-way"})
    """

    def __init__(self, *verifiers: RequestVerifier, on_event: OnEvent | None = None) -> None:
        """Combine verifiers.

        ``verifiers``: what may accept a request. List verifiers that need no key source first,
            because each of the others may wait for its keys.
        ``on_event``: a function that takes an ``Event`` for each request that all verifiers refuse.
            Default None: the verifier whose error is raised reports it.

        Raises ``ConfigurationError`` naming the argument.
        """
        if not verifiers or not all(map(_verifies, verifiers)):
            raise ConfigurationError(
                "AnyOf takes one or more verifiers, such as HookVerifier and HeaderSecret, as "
                "separate arguments"
            )
        self.verifiers = verifiers
        self._report = Reporter(type(self).__name__, on_event)

    def __repr__(self) -> str:
        return f"AnyOf({', '.join(map(repr, self.verifiers))})"

    @property
    def sent_by_browsers(self) -> bool:
        """Whether browsers send the credentials of at least one verifier automatically."""
        return any(getattr(each, "sent_by_browsers", False) for each in self.verifiers)

    def verify_headers(self, headers: Headers) -> VerifiedHook:
        """Verify the credentials in these request headers.

        Raises the error of one verifier if all refuse: preferably one that means that the request
        may be valid (503, then 500), then the one that says most about the credentials.
        """
        headers, tried = _reusable(headers), _Tried(self._report)
        with Attempts() as attempts:
            for verifier in self.verifiers:
                try:
                    return verifier.verify_headers(headers)
                except Exception as error:
                    tried.add(verifier, error, attempts)
            tried.report(attempts)
        raise tried.error from None

    async def averify_headers(self, headers: Headers) -> VerifiedHook:
        """Do the same as ``verify_headers`` without blocking the event loop."""
        headers, tried = _reusable(headers), _Tried(self._report)
        with Attempts() as attempts:
            for verifier in self.verifiers:
                try:
                    return await verifier.averify_headers(headers)
                except Exception as error:
                    tried.add(verifier, error, attempts)
            tried.report(attempts)
        raise tried.error from None

    def health(self) -> CombinedHealth:
        """Return the condition of all key sources and replay stores, without asking them."""
        from ..health import CombinedHealth  # noqa: PLC0415 - not needed to verify

        return CombinedHealth.of(self.verifiers)


class _Tried:
    """The verifiers that refused a request.

    ``error``: the error to raise.
    """

    __slots__ = ("_began", "_rank", "_refused", "_report", "error")

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self._began = report.clock()
        self._rank = -1
        self._refused: tuple[Reporter, Event] | None = None
        self.error: Exception = ConfigurationError("no verifier was tried")

    def add(self, verifier: object, error: Exception, attempts: Attempts) -> None:
        """Add a refusal."""
        refused, attempts.refused = attempts.refused, None
        if not isinstance(error, HookKeyError):
            text = f"{type(verifier).__name__} raised {type(error).__name__}"
            self._report.log(ERROR, text)
        rank = _rank(error)
        if rank > self._rank:
            self._rank, self._refused, self.error = rank, refused, error

    def report(self, attempts: Attempts) -> None:
        """Report that all refused."""
        refused = self._refused
        if self._report.active:
            seconds = self._report.clock() - self._began
            source, reason = self._report.source, reason_of(self.error)
            kid = None if refused is None else refused[1].kid
            event = Event(EventName.VERIFY, source, "refused", reason, "", kid, seconds)
            attempts.report((self._report, event))
        elif refused is not None:
            attempts.report(refused)


def _verifies(verifier: object) -> bool:
    """Return whether this is a verifier, and not only its class."""
    return isinstance(verifier, RequestVerifier) and not isinstance(verifier, type)


def _rank(error: Exception) -> int:
    """Return how much an error matters. A request that may be valid must not be refused for good:
    Okta retries once after 5xx but never after 4xx
    (https://developer.okta.com/docs/concepts/inline-hooks/).
    """
    if not isinstance(error, HookKeyError):
        return 3
    if error.status_code == 503:
        return 4
    if error.status_code != 401:
        return 3 if error.status_code == 500 else 2
    return 0 if isinstance(error, MissingTokenError | WrongCredentialsError) else 1


def _reusable(headers: Headers) -> Headers:
    """Return headers that can be read more than once."""
    if not isinstance(headers, Iterator):
        return headers
    try:
        return [*headers]
    except Exception:  # noqa: S110 - a generator may raise anything, with a token in its text
        pass
    raise ConfigurationError("headers must be a mapping or an iterable of (name, value) pairs")

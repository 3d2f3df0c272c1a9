"""The error tree: stable reasons, statuses, headers and safe texts."""

from __future__ import annotations

import copy
import pickle
import re

import pytest

from hookkey_verify import errors
from hookkey_verify.errors import (
    AudienceError,
    HookKeyApiError,
    HookKeyError,
    HookVerificationError,
    InsufficientScopeError,
    InvalidClaimError,
    KeyUnavailableError,
    MissingClaimError,
    MissingTokenError,
    NotFoundError,
    RateLimitedError,
    Reason,
    TokenExpiredError,
    TransportError,
)


def _subclasses(kind: type[HookKeyError]) -> list[type[HookKeyError]]:
    """Return the package's subclasses; other tests define their own."""
    direct = [sub for sub in kind.__subclasses__() if sub.__module__ == errors.__name__]
    return [each for sub in direct for each in (sub, *_subclasses(sub))]


CONCRETE = _subclasses(HookKeyError)


def test_every_reason_belongs_to_exactly_one_class() -> None:
    """Each reason maps to one class, so a logged reason identifies the class."""
    reasons = [
        kind.__dict__["reason"] for kind in [HookKeyError, *CONCRETE] if "reason" in kind.__dict__
    ]
    assert sorted(reasons) == sorted(Reason)


def test_all_lists_every_class() -> None:
    """``__all__`` lists every class of the tree."""
    names = {kind.__name__ for kind in _subclasses(HookKeyError)}
    others = {"DOCS_URL", "HookKeyError", "Reason", "documentation"}
    assert names | others == set(errors.__all__)


def test_the_tree_in_the_module_docstring_names_every_class() -> None:
    """The tree that is drawn in the module docstring names every class."""
    drawn = set(re.findall(r"\b\w+Error\b", errors.__doc__ or ""))
    assert drawn == {kind.__name__ for kind in _subclasses(HookKeyError)} | {"HookKeyError"}


@pytest.mark.parametrize("kind", CONCRETE, ids=lambda kind: kind.__name__)
def test_every_class_is_complete(kind: type[HookKeyError]) -> None:
    """Every class has a text, status and headers without arguments, and survives pickling."""
    error = kind()
    assert error.title in str(error)
    assert error.status_code in (400, 401, 403, 500, 503)
    assert error.retryable == (error.status_code == 503)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(twin), str(twin), twin.headers) == (kind, str(error), error.headers)


@pytest.mark.parametrize("kind", CONCRETE, ids=lambda kind: kind.__name__)
def test_headers_are_printable_ascii_with_balanced_quotes(kind: type[HookKeyError]) -> None:
    """Headers have no quote or backslash that would break the grammar of the challenge."""
    for name, value in kind().headers.items():
        assert re.fullmatch(r"[A-Za-z-]+", name)
        assert re.fullmatch(r'(Bearer|Basic)( [a-z_]+="[^"\\]*"(, [a-z_]+="[^"\\]*")*)?|\d+', value)


def test_status_of_each_kind_of_fault() -> None:
    """The sender's faults are 401 or 403, outages are 503, and our own faults are 500."""
    statuses = {
        kind.__name__: kind.status_code
        for kind in CONCRETE
        if issubclass(kind, HookVerificationError) and kind.status_code != 401
    }
    assert statuses == {
        "InsufficientScopeError": 403,
        "KeyUnavailableError": 503,
        "KeySourceThrottledError": 503,
        "KeyLookupLimitedError": 503,
        "KeySourceConfigurationError": 500,
        "KeyRejectedError": 500,
        "KeyChangedError": 500,
        "ReplayStoreUnavailableError": 503,
        "ReplayStoreConfigurationError": 500,
    }


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (MissingTokenError(), {"WWW-Authenticate": "Bearer"}),
        (
            TokenExpiredError("exp"),
            {
                "WWW-Authenticate": 'Bearer error="invalid_token", '
                'error_description="The token has expired"'
            },
        ),
        (
            InsufficientScopeError(["a", "b"]),
            {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="a b"'},
        ),
        (KeyUnavailableError(retry_after=2.2), {"Retry-After": "3"}),
        (KeyUnavailableError(retry_after=0), {"Retry-After": "1"}),
        (errors.KeyRejectedError("n"), {}),
        (errors.KeySourceConfigurationError("x"), {}),
        (errors.ConfigurationError("x"), {}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_headers(error: HookKeyError, headers: dict[str, str]) -> None:
    """The challenge follows RFC 6750 section 3: no error= if no credentials were sent."""
    assert error.headers == headers


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MissingClaimError("exp"), "The token lacks a required claim: exp"),
        (InvalidClaimError("exp", "must be a JSON number"), "exp must be a JSON number"),
        (InsufficientScopeError(("a",)), "The token lacks a required scope: needs a"),
        (AudienceError("aud"), "The token is for another audience"),
        (NotFoundError(status=404, error={"errorCode": "E0000007"}), "(404 E0000007)"),
        (TransportError("no answer"), "is unreachable: no answer"),
    ],
)
def test_text(error: HookKeyError, text: str) -> None:
    """``str`` is a fixed sentence followed by the details."""
    assert text in str(error)


def test_api_error_keeps_oktas_summary_out_of_its_text() -> None:
    """Okta's summary may echo input, so it is an attribute and not in ``str`` or ``repr``."""
    error = HookKeyApiError(
        status=400,
        headers={"X-Okta-Request-Id": "req1"},
        error={
            "errorCode": "E0000001",
            "errorSummary": "Api validation failed: secret-name",
            "errorId": "oae1",
            "errorCauses": [{"errorSummary": "name: too long"}, "rubbish", {"errorSummary": 5}],
        },
    )
    assert (error.status, error.error_code, error.error_id) == (400, "E0000001", "oae1")
    assert error.error_summary == "Api validation failed: secret-name"
    assert error.causes == ("name: too long", "")
    assert error.request_id == "req1"
    assert "secret-name" not in str(error) + repr(error)


@pytest.mark.parametrize("members", [{}, {"errorCode": 5, "errorCauses": "x", "errorId": None}])
def test_api_error_survives_any_error_object(members: dict[str, object]) -> None:
    """Error objects of any form are accepted, because a proxy may send any JSON."""
    error = RateLimitedError(error=members)
    assert (error.error_code, error.causes, error.error_id) == ("", (), "")

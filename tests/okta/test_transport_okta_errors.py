"""OktaTransport: Okta's error responses and its rate limit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from hookkey_verify.errors import (
    AuthenticationError,
    ForbiddenError,
    HookKeyApiError,
    NotFoundError,
    RateLimitedError,
    TransportError,
    ValidationFailedError,
)

from ..faults import HTML, MARK, FaultServer, answer, json_answer, okta_error
from .exchanges import exchange, refusal


def test_codes_of_somebody_else_are_not_shown() -> None:
    """The error text shows only codes in Okta's format, so a response cannot control a terminal."""
    for code, shown in (("E0000006", "E0000006"), ("\x1b]0;x\x07 secret", ""), ("E" * 9_000, "")):
        with FaultServer(json_answer(403, {"errorCode": code})) as server:
            with pytest.raises(ForbiddenError) as caught:
                exchange(server.url)
        assert str(caught.value).endswith(f"(403 {shown})" if shown else "(403)")
        assert caught.value.error_code == code


@pytest.mark.parametrize(
    ("status", "code", "kind", "text"),
    [
        (400, "E0000001", ValidationFailedError, "Okta rejected a value of the request"),
        (401, "E0000011", AuthenticationError, "the token is wrong, expired or revoked"),
        (403, "E0000006", ForbiddenError, "okta.inlineHooks.read"),
        (404, "E0000007", NotFoundError, "Okta has no such resource"),
        (405, "E0000022", HookKeyApiError, "The Okta management API refused the request"),
        (429, "E0000047", RateLimitedError, "Okta's rate limit is exhausted"),
        (500, "E0000009", TransportError, "is unreachable"),
        (503, "E0000010", TransportError, "is unreachable"),
    ],
)
def test_okta_errors(status: int, code: str, kind: type[HookKeyApiError], text: str) -> None:
    """Each status has its error class; Okta's text is in its attributes and not in its message."""
    error = refusal(json_answer(status, okta_error(code), "X-Okta-Request-Id: req-1"))
    assert type(error) is kind
    assert (error.status, error.error_code) == (status, code)
    assert (error.error_id, error.request_id) == ("oaeFault", "req-1")
    assert (error.error_summary, error.causes) == (f"summary, {MARK}", (f"cause, {MARK}",))
    assert text in str(error)
    assert str(error).endswith(f"({status} {code})")
    assert MARK not in str(error) + repr(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AuthenticationError),
        (403, ForbiddenError),
        (429, RateLimitedError),
        (418, HookKeyApiError),
        (503, TransportError),
    ],
)
def test_a_status_counts_without_okta_body(status: int, kind: type[HookKeyApiError]) -> None:
    """The HTML page of a gateway raises the class of its status; 400 and 404 are the exceptions."""
    error = refusal(answer(status, HTML))
    assert (type(error), error.status) == (kind, status)
    assert (error.error_code, error.error_summary, error.error_id) == ("", "", "")
    assert (error.causes, error.request_id) == ((), "")


@pytest.mark.parametrize(
    "members",
    [
        {"errorSummary": None, "errorId": 5, "errorCauses": "text"},
        {"errorSummary": [], "errorId": {}, "errorCauses": {"errorSummary": "x"}},
        {},
    ],
    ids=str,
)
def test_an_error_object_of_other_types_is_tolerated(members: dict[str, object]) -> None:
    """Members of an error object that have an undocumented type are read as empty."""
    error = refusal(json_answer(404, {"errorCode": "E0000007", **members}))
    assert type(error) is NotFoundError
    assert (error.error_summary, error.error_id, error.causes) == ("", "", ())


NOW = datetime.now(UTC).replace(microsecond=0)
RESET = str(int(NOW.timestamp()) + 30)
DATE = format_datetime(NOW, usegmt=True)


def _limited(*resets: str, date: str | None = None) -> RateLimitedError:
    headers = [f"X-Rate-Limit-Reset: {reset}" for reset in resets]
    headers += [] if date is None else [f"Date: {date}"]
    error = refusal(json_answer(429, okta_error("E0000047"), *headers))
    assert isinstance(error, RateLimitedError)
    assert error.status_code == 503
    return error


@pytest.mark.parametrize("skew", [0, 3600, -3600], ids="Okta's clock is off by {} s".format)
@pytest.mark.parametrize(
    ("ahead", "wait"),
    [(30, 31), (0, 1), (1, 2), (119, 120), (120, 120), (600, 120), (-1, 1), (-4000, 1)],
)
def test_the_wait_is_reset_minus_date(skew: int, ahead: int, wait: int) -> None:
    """The wait is reset minus Date plus one second, limited to 1 to 120 seconds.

    Both are times of Okta's clock, so our clock does not matter.
    """
    okta_now = NOW + timedelta(seconds=skew)
    reset_at = int(okta_now.timestamp()) + ahead
    error = _limited(str(reset_at), date=format_datetime(okta_now, usegmt=True))
    assert (error.reset_at, error.retry_after) == (reset_at, wait)


def test_the_first_of_two_resets_counts() -> None:
    """If Okta sends a reset header for each of two limits, the earlier one counts."""
    now = int(NOW.timestamp())
    error = _limited(str(now + 10), str(now + 50), date=DATE)
    assert (error.reset_at, error.retry_after) == (now + 10, 11)


@pytest.mark.parametrize(
    ("reset", "date"),
    [
        pytest.param(None, None, id="neither"),
        pytest.param(None, DATE, id="no reset"),
        pytest.param(RESET, None, id="no date"),
        pytest.param(RESET, "yesterday", id="date in words"),
        pytest.param(RESET, "Thu, 99 Jan 2026 00:00:00 GMT", id="no such day"),
        pytest.param(RESET, "", id="empty date"),
        pytest.param("soon", DATE, id="reset in words"),
        pytest.param("", DATE, id="empty reset"),
        pytest.param(",", DATE, id="comma"),
        pytest.param("NaN", DATE, id="NaN"),
    ],
)
def test_missing_or_garbled_headers_mean_five_seconds(reset: str | None, date: str | None) -> None:
    """Without a readable reset and date, the wait is five seconds and ``reset_at`` is 0."""
    error = _limited(*[reset] if reset is not None else [], date=date)
    assert (error.reset_at, error.retry_after) == (0.0, 5.0)

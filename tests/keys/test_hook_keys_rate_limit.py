"""HookKeys: rate limits and Retry-After."""

from __future__ import annotations

import time

import pytest

from hookkey_verify import ApiToken, HookKeys
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import KeySourceThrottledError, KeyUnavailableError

from ..conftest import KeyPool
from ..faults import FaultServer, ManualClock, json_answer, okta_error
from .faulty_org import faulty


def test_the_rate_limit_is_temporary(key_pool: KeyPool) -> None:
    """A 429 causes a 503 with the seconds until the org's rate limit is reset."""
    now = time.time()
    with OktaEmulator(new_key=key_pool, rate_limit=1, clock=lambda: now) as okta:
        key_id = okta.create_key("one")["keyId"]
        with HookKeys(okta.url, ApiToken(okta.api_token)) as keys:
            keys.get(key_id)
            keys.invalidate(key_id)
            with pytest.raises(KeyUnavailableError, match="429 E0000047") as caught:
                keys.get(key_id)
    error = caught.value
    assert (error.status_code, error.retryable) == (503, True)
    assert error.retry_after == pytest.approx((now // 60 + 1) * 60 - now + 1, abs=3)
    assert 1 <= int(error.headers["Retry-After"]) <= 61


@pytest.mark.parametrize("skew", [-3600, 0, 3600])
@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        (("X-Rate-Limit-Reset: 1700000037",), 38),
        (("X-Rate-Limit-Reset: 1700000037, 1700000020",), 21),
        (("X-Rate-Limit-Reset: 1600000000",), 1),
        (("X-Rate-Limit-Reset: soon",), 5),
        ((), 5),
        (("X-Rate-Limit-Limit: 0", "X-Rate-Limit-Remaining: 0"), 1),
    ],
)
def test_the_rate_limit_is_kept(
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    headers: tuple[str, ...],
    wait: float,
    skew: float,
) -> None:
    """The pause after a 429 is computed by Okta's clock and applies to every unknown kid."""
    date = "Date: Tue, 14 Nov 2023 22:13:20 GMT"
    limited = json_answer(429, okta_error("E0000047"), date, *headers)
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000 + skew)
    with FaultServer(limited) as server, faulty(server, clock=clock) as keys:
        with pytest.raises(KeySourceThrottledError) as caught:
            keys.get("a")
        assert caught.value.retry_after == wait
        clock.now += wait - 0.01
        with pytest.raises(KeySourceThrottledError):
            keys.get("b")
        assert len(server.requests) == 1
        clock.now += 0.02
        with pytest.raises(KeySourceThrottledError):
            keys.get("b")
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("Retry-After: 20", 20),
        ("Retry-After: 0", 1),
        ("Retry-After: 100000", 120),
        ("Retry-After: Tue, 14 Nov 2023 22:13:50 GMT", 30),
        ("Retry-After: Tue, 14 Nov 2000 22:13:50 GMT", 1),
    ],
)
def test_a_server_that_says_when_to_come_back(clock: ManualClock, header: str, wait: float) -> None:
    """``Retry-After`` of a 503 may be seconds or a date, and applies to one kid."""
    busy = json_answer(503, {}, header, "Date: Tue, 14 Nov 2023 22:13:20 GMT")
    with FaultServer(busy) as server, faulty(server, clock=clock) as keys:
        for kid in ("a", "a", "b"):
            with pytest.raises(KeySourceThrottledError) as caught:
                keys.get(kid)
            assert caught.value.retry_after == wait
        assert len(server.requests) == 2
        clock.now += wait - 0.01
        with pytest.raises(KeySourceThrottledError):
            keys.get("a")
        assert len(server.requests) == 2

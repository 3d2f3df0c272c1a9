"""HookKeysClient: rate limits, retries and waits."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from hookkey_verify import ApiToken
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import HookKeyApiError, NotFoundError, RateLimitedError
from hookkey_verify.okta.client import AsyncHookKeysClient, HookKeysClient
from hookkey_verify.okta.models import HookKey

from ..faults import FaultServer, hang_up, json_answer, okta_error
from .conftest import Naps
from .exchanges import SECRET


def test_the_rate_limit_is_waited_for(okta: OktaEmulator, naps: Naps) -> None:
    """The client waits until the rate limit resets by Okta's clock, then retries.

    It announces each wait to ``on_wait`` and sends Okta's retry headers.
    """
    headers = ("X-Okta-Request-Id: req1", "X-Rate-Limit-Limit: 50", "X-Rate-Limit-Remaining: 0",
               "X-Rate-Limit-Reset: 1700000037", "Date: Tue, 14 Nov 2023 22:13:20 GMT")  # fmt: skip
    limited = json_answer(429, okta_error("E0000047"), *headers)
    with FaultServer(limited, limited, json_answer(200, [])) as server:
        with HookKeysClient(server.url, ApiToken(SECRET), max_wait=80, **naps.options()) as client:
            assert client.list() == []
    assert naps.slept == naps.announced == [38, 38]
    first, second, third = (request.headers for request in server.requests)
    assert "x-okta-retry-for" not in first
    assert (second["x-okta-retry-for"], second["x-okta-retry-count"]) == ("req1", "1")
    assert (third["x-okta-retry-for"], third["x-okta-retry-count"]) == ("req1", "2")


def test_no_longer_than_max_wait(naps: Naps) -> None:
    """The client does not start a wait that would make the total exceed ``max_wait``."""
    headers = ("X-Rate-Limit-Reset: 1700000037", "Date: Tue, 14 Nov 2023 22:13:20 GMT")
    with FaultServer(json_answer(429, okta_error("E0000047"), *headers)) as server:
        with HookKeysClient(server.url, ApiToken(SECRET), max_wait=70, **naps.options()) as client:
            with pytest.raises(RateLimitedError) as caught:
                client.list()
    assert naps.slept == [38]
    assert caught.value.reset_at == 1700000037
    assert len(server.requests) == 2


GROWING = [(0.5, 1), (1, 2), (2, 4), (4, 8)]


@pytest.mark.parametrize(
    ("behaviour", "waits"),
    [
        (json_answer(503, {}), GROWING),
        (json_answer(504, {}), GROWING),
        (hang_up, GROWING[:2]),
        (json_answer(503, {}, "Retry-After: 20"), [(20, 20)] * 3),
        (json_answer(500, {}), []),
        (json_answer(403, okta_error("E0000006")), []),
    ],
)
def test_what_is_tried_again(naps: Naps, behaviour: Any, waits: list[tuple[float, float]]) -> None:
    """The client makes five attempts after 503 or 504 and three after a lost connection.

    It makes fewer if the waits would exceed ``max_wait``, and only one after other errors. Each
    wait is a random time between bounds that double, or what Retry-After says.
    """
    with FaultServer(behaviour) as server:
        with HookKeysClient(server.url, ApiToken(SECRET), **naps.options()) as client:
            for call in (client.list, lambda: client.rename("HKY1", "n")):
                server.requests.clear()
                naps.slept.clear()
                naps.announced.clear()
                with pytest.raises(HookKeyApiError):
                    call()
                assert len(server.requests) == len(waits) + 1
                assert naps.slept == naps.announced
                for slept, (least, most) in zip(naps.slept, waits, strict=True):
                    assert least <= slept <= most


def test_a_create_is_never_sent_twice(naps: Naps) -> None:
    """A create is not retried, even after a 429."""
    with FaultServer(json_answer(429, okta_error("E0000047"))) as server:
        with HookKeysClient(server.url, ApiToken(SECRET), **naps.options()) as client:
            with pytest.raises(RateLimitedError):
                client.create("n")
    assert naps.slept == []
    assert [request.line.split()[0] for request in server.requests] == ["POST"]


def test_a_delete_whose_answer_was_lost(okta: OktaEmulator, client: HookKeysClient) -> None:
    """A 404 on the retry of a delete is success, because the first attempt deleted the key."""
    key = client.create("hooks")
    okta.fail(503, method="DELETE", after=True)
    client.delete(key.id)
    assert client.list() == []
    with pytest.raises(NotFoundError):
        client.delete(key.id)


def test_retries_without_ids_and_announcements() -> None:
    """The client can retry without a request id from Okta and without ``on_wait``."""
    busy = json_answer(503, {}, "Retry-After: 1")
    naps: list[float] = []
    with FaultServer(busy, json_answer(200, [])) as server:
        with HookKeysClient(server.url, ApiToken(SECRET), sleep=naps.append) as client:
            assert client.list() == []
    assert naps == [1]
    assert "x-okta-retry-for" not in server.requests[1].headers
    assert server.requests[1].headers["x-okta-retry-count"] == "1"


def test_a_rate_limit_with_retry_after_only(naps: Naps) -> None:
    """Without Okta's rate limit headers, the client waits for the seconds of Retry-After."""
    limited = json_answer(429, okta_error("E0000047"), "Retry-After: 2")
    with FaultServer(limited, json_answer(200, [])) as server:
        with HookKeysClient(server.url, ApiToken(SECRET), max_wait=3, **naps.options()) as client:
            assert client.list() == []
    assert naps.slept == [2]


def test_a_cancelled_call_waits_no_longer() -> None:
    """Cancelling a call ends the wait of its worker thread, so the program can exit at once."""
    reset = ("X-Rate-Limit-Reset: 1700000060", "Date: Tue, 14 Nov 2023 22:13:20 GMT")

    async def call(url: str) -> None:
        client = AsyncHookKeysClient(url, ApiToken(SECRET), max_wait=100)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.list(), 0.3)

    with FaultServer(json_answer(429, {"errorCode": "E0000047"}, *reset)) as server:
        started = time.monotonic()
        asyncio.run(call(server.url))
    assert time.monotonic() - started < 3
    assert len(server.requests) == 1


def test_a_call_that_is_not_cancelled_waits() -> None:
    """An async call that is not cancelled waits for the rate limit and then succeeds."""
    busy = ("X-Rate-Limit-Limit: 0", "X-Rate-Limit-Remaining: 0")
    limited = json_answer(429, {"errorCode": "E0000047"}, *busy)

    async def call(url: str) -> list[HookKey]:
        async with AsyncHookKeysClient(url, ApiToken(SECRET)) as client:
            return await client.list()

    with FaultServer(limited, json_answer(200, [])) as server:
        assert asyncio.run(call(server.url)) == []

"""Bounded requests to token URLs and handlers, and the reason that a refusal states."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus, urlencode

import certifi
from urllib3 import PoolManager
from urllib3.exceptions import DecodeError, HTTPError, NewConnectionError
from urllib3.exceptions import TimeoutError as HttpTimeoutError

from .json_object import json_object
from .secret_values import without
from .verdict import MAX_TEXT

__all__ = ["ASSERTION_TYPE", "TIMEOUT", "HookAnswer", "exchange", "refusal_text"]

TIMEOUT: Final = 3.0
"""Seconds for the token request and the call of the hook together."""
MAX_ANSWER: Final = 256 * 1024
"""The largest accepted response in bytes."""
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class HookAnswer:
    """The outcome of a POST request; without a response, ``status`` is None."""

    status: int | None
    body: bytes
    problem: str
    milliseconds: float


def exchange(url: str, deadline: float, *, data: Any, headers: Mapping[str, str]) -> HookAnswer:
    """Send a POST request and give up at the deadline, even if the response is slow."""
    began = time.monotonic()
    result: list[HookAnswer] = []

    def work() -> None:
        status, body, problem = _posted(url, data, headers, deadline - time.monotonic())
        result.append(HookAnswer(status, body, problem, (time.monotonic() - began) * 1000))

    # The thread is abandoned if the response is slow, because urllib3 has no total timeout.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    if result:
        return result[0]
    spent = (time.monotonic() - began) * 1000
    return HookAnswer(None, b"", f"no answer within {TIMEOUT:.0f} seconds, token included", spent)


def _posted(
    url: str, data: Any, headers: Mapping[str, str], left: float
) -> tuple[int | None, bytes, str]:
    sent = {"Accept-Encoding": "gzip, deflate", **headers}
    if isinstance(data, Mapping):
        sent = {"Content-Type": "application/x-www-form-urlencoded", **sent}
        data = urlencode(data).encode()
    try:
        with PoolManager(cert_reqs="CERT_REQUIRED", ca_certs=certifi.where()) as pools:
            answer = pools.request(
                "POST",
                url,
                body=data,
                headers=sent,
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=max(left, 0.001),
            )
            with answer:
                try:
                    body = answer.read(MAX_ANSWER + 1, decode_content=True)
                except DecodeError:
                    return answer.status, b"", "the response is not encoded as it says"
        if len(body) > MAX_ANSWER:
            return answer.status, b"", f"the response is larger than {MAX_ANSWER} bytes"
        return answer.status, body, ""
    except (HTTPError, OSError, ValueError) as error:
        late = isinstance(error, HttpTimeoutError) and not isinstance(error, NewConnectionError)
        if late:
            return None, b"", f"no answer within {TIMEOUT:.0f} seconds, token included"
        return None, b"", f"no connection, or it was lost ({type(error).__name__})"


def refusal_text(
    body: bytes, names: Collection[str], sent: Iterable[str], event: Iterable[str] = ()
) -> str:
    """Return the shortened reason of a refusal, from members of RFC 6749 or RFC 9457.

    ``body``: the body of the response.
    ``names``: the members that may be quoted.
    ``sent``: credentials in the request. Members that repeat part of one are left out.
    ``event``: the secrets of the event. They are hidden. Default: none.
    """
    document = json_object(body) or {}
    values = [document.get(name) for name in names]
    told = [
        without(value, event)[:MAX_TEXT]
        for value in values
        if isinstance(value, str) and value.isprintable() and not _repeats(value, sent)
    ]
    return f" ({': '.join(told)})" if told else ""


def _repeats(text: str, sent: Iterable[str]) -> bool:
    """Return whether a text contains eight consecutive characters of a credential."""
    plain = text + unquote_plus(text)
    return any(
        secret[start : start + 8] in plain
        for secret in sent
        for start in range(max(1, len(secret) - 7))
    )

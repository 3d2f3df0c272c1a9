"""The events that tell an open page of the console that the org has changed."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.emulator.console import changes

KEYS = "/api/v1/hook-keys"


@contextmanager
def stream(okta: OktaEmulator, known: str = "", last: str = "") -> Iterator[Iterator[str]]:
    """Open the stream of events and yield its lines."""
    headers = {"Last-Event-ID": last} if last else {}
    url = f"{okta.url}/console/events?after={known}"
    with requests.get(url, headers=headers, stream=True, timeout=10) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield answer.iter_lines(chunk_size=1, decode_unicode=True)


def number(okta: OktaEmulator) -> str:
    """Return the id of the state that a new page shows."""
    page = requests.get(okta.url, timeout=10).text
    found = re.search(r'data-number="([^"]+)"', page)
    assert found is not None
    return found[1]


def event(lines: Iterator[str]) -> str:
    """Return the id of the next event."""
    fields = {}
    for line in lines:
        name, _, value = line.partition(": ")
        fields[name] = value
        if not line and "event" in fields:
            assert fields["event"] == "change"
            return fields["id"]
    raise AssertionError("the stream ended without an event")


def _rename(okta: OktaEmulator) -> None:
    okta.org.rename(okta.org.list()[0]["id"], {"name": "new"})


CHANGES: dict[str, Callable[[OktaEmulator], Any]] = {
    "key": lambda okta: okta.create_key("another"),
    "renamed key": _rename,
    "hook": lambda okta: okta.create_hook("https://a.io/h", name="another"),
    "fired": lambda okta: okta.fire(okta.hooks.all()[0].id),
    "status": lambda okta: okta.hooks.set_status(okta.hooks.all()[0].id, "INACTIVE"),
    "fault": lambda okta: okta.fail(500),
    "clock": lambda okta: okta.skew(5),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_announced(okta: OktaEmulator, change: str) -> None:
    """A change by any interface leads to one event, whose id is that of a new page."""
    okta.create_key("one")
    okta.create_hook("http://127.0.0.1:9/h")
    known = number(okta)
    with stream(okta, known) as lines:
        assert next(lines) == "retry: 500"
        CHANGES[change](okta)
        seen = event(lines)
    assert seen == number(okta) != known


def test_no_change_is_missed_between_two_streams(okta: OktaEmulator) -> None:
    """After a reconnect, a stream begins with the change that happened meanwhile."""
    known = number(okta)
    okta.create_key("one")
    with stream(okta, known) as lines:
        first = event(lines)
    assert first != known
    okta.create_key("two")
    with stream(okta, known, last=first) as lines:
        second = event(lines)
    assert second == number(okta) not in (known, first)


def test_a_page_of_an_earlier_start_is_updated(okta: OktaEmulator) -> None:
    """A page from another start of the emulator gets an event at once."""
    with stream(okta, "0-0") as lines:
        assert event(lines) == number(okta)


def test_an_idle_stream_sends_comments(okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream without changes sends comments, and ends so that the browser reconnects."""
    monkeypatch.setattr(changes, "BEAT", 2)
    monkeypatch.setattr(changes, "LIFETIME", 0.5)
    with stream(okta, number(okta)) as lines:
        assert set(lines) == {"retry: 500", "", ": still here"}


def test_the_number_of_streams_is_limited(
    okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit a stream is refused; a closed one makes place for another."""
    monkeypatch.setattr(changes, "MAX_LISTENERS", 1)
    monkeypatch.setattr(changes, "BEAT", 1)
    with stream(okta) as lines:
        next(lines)
        answer = requests.get(f"{okta.url}/console/events", timeout=5)
        assert answer.status_code == 503
        assert "Too many pages" in answer.text
    for _ in range(100):
        with requests.get(f"{okta.url}/console/events", stream=True, timeout=5) as answer:
            if answer.status_code == 200:
                break
        threading.Event().wait(0.05)
    else:
        raise AssertionError("the closed stream still counts")


def test_streams_that_begin_together_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream counts before its first event is sent."""
    monkeypatch.setattr(changes, "MAX_LISTENERS", 1)
    together = changes.Changes(object)
    assert [together.respond("").status_code for _ in range(2)] == [200, 503]


def test_stopping_ends_all_streams(okta: OktaEmulator) -> None:
    """A stream ends, complete, when the emulator stops; the org then starts again."""
    with stream(okta, number(okta)) as lines:
        next(lines)
        okta.stop()
        assert set(lines) == {""}
    okta.start()
    with stream(okta) as lines:
        assert event(lines) == number(okta)

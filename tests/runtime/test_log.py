"""RareLog: a message that repeats is logged once a minute."""

from __future__ import annotations

import logging

import pytest

from hookkey_verify._runtime.log import RareLog


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """A message is left out for a minute after it was logged; the next one has the number."""
    clock = Clock()
    log = RareLog(clock)
    for clock.now in (0, 0, 30, 59.9):
        log(logging.WARNING, "slow")
    assert caplog.messages == ["slow"]
    for clock.now in (60, 61, 120, 180):
        log(logging.WARNING, "slow")
    assert caplog.messages[1:] == [
        "slow (3 similar records were left out)",
        "slow (1 similar records were left out)",
        "slow",
    ]


def test_messages_are_counted_separately(caplog: pytest.LogCaptureFixture) -> None:
    """A message does not silence another one, and each has its level."""
    log = RareLog(Clock())
    log(logging.WARNING, "slow")
    log(logging.ERROR, "100 % broken")
    log(logging.WARNING, "slow")
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("WARNING", "slow"),
        ("ERROR", "100 % broken"),
    ]
    assert {each.name for each in caplog.records} == {"hookkey_verify"}


def test_the_default_clock(caplog: pytest.LogCaptureFixture) -> None:
    """Without a clock, two messages in a row are one."""
    log = RareLog()
    log(logging.INFO, "not shown")
    with caplog.at_level(logging.INFO, "hookkey_verify"):
        log(logging.INFO, "not shown")
        log(logging.INFO, "shown")
    assert caplog.messages == ["shown"]

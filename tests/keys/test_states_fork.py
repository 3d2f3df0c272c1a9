"""KeyStates: what a forked child keeps and what it forgets."""

from __future__ import annotations

import random

import pytest

from hookkey_verify.keys.states import DIRECTORY

from .states_play import GONE, THROTTLED, Play, spend

pytestmark = pytest.mark.usefixtures("no_chance")


def test_forget_refusals() -> None:
    """48. A forked child keeps keys and directory; verdicts, budget and breaker begin anew."""
    play = Play(has_directory=True)
    play.says("a")
    play.land(DIRECTORY, frozenset({"a", "b", "c"}))
    play.fetch("a")
    play.fetch("b", GONE)
    play.fetch("c", THROTTLED)
    play.states.forget_refusals()
    assert [play.says(kid) for kid in "abcx"] == ["fresh", "fetch", "fetch", "unknown_key"]
    assert (play.states.unknown_kids, play.health().breaker_open_for) == (0, 0)
    plain = Play()
    spend(plain)
    plain.states.forget_refusals()
    assert plain.says("x") == "fetch"


def test_a_forked_child_spreads_its_refreshes(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """39, 48. It is not due when its parent is; forgotten keys stay forgotten."""
    play.fetch("a")
    play.fetch("b")
    play.states.invalidate("b")
    monkeypatch.setattr(random, "uniform", lambda least, most: least)
    play.states.reset_after_fork()
    play.now += 89.999
    assert (play.says("a"), play.says("b")) == ("fresh", "fetch")
    play.now += 0.001
    assert play.says("a") == "ahead"

"""KeyStates: keys that a fetch returns in addition to the requested one."""

from __future__ import annotations

import pytest

from hookkey_verify import CachePolicy
from hookkey_verify.events import EventName
from hookkey_verify.keys.states import Fetched, FetchOutcome, Reported

from .states_play import GONE, Play, adopt, key_of

pytestmark = pytest.mark.usefixtures("no_chance")


def test_siblings(play: Play) -> None:
    """Keys that came along are kept as if they had been asked for, and cost nothing."""
    play.fetch("b", GONE)
    play.fetch("a", Fetched(key_of("a"), others=(key_of("b"), key_of("c"))))
    assert [play.says(kid) for kid in "abc"] == ["fresh"] * 3
    assert play.launched == ["b", "a"]
    assert play.states.unknown_kids == 0


def test_siblings_beyond_max_keys() -> None:
    """The key that was asked for is kept, whoever came along."""
    play = Play(CachePolicy(max_keys=2))
    play.fetch("a", Fetched(key_of("a"), others=tuple(map(key_of, "bcde"))))
    assert len(play.states.entries) == 2
    assert play.says("a") == "fresh"


@pytest.mark.parametrize(("may_change", "verdict"), [(False, "refused"), (True, "accepted")])
def test_a_sibling_that_changed(may_change: bool, verdict: str) -> None:
    """33. It is judged as if it had been asked for; it does not spoil the key that was."""
    play = Play(keys_may_change=may_change)
    play.fetch("b")
    outcome = play.fetch("a", Fetched(key_of("a"), others=(key_of("b", "2"),)))
    assert isinstance(outcome, Fetched)
    assert play.reports == [Reported(EventName.KEY_CHANGED, "b", verdict)]
    assert play.look_up("b").key == key_of("b", "2" if may_change else "1")


def test_a_sibling_of_an_older_fetch() -> None:
    """8. It replaces nothing that a fetch which began later has brought."""
    play = Play(keys_may_change=True)
    play.says("a")
    play.fetch("b", Fetched(key_of("b", "2")))
    play.land("a", Fetched(key_of("a"), others=(key_of("b", "1"),)))
    assert play.look_up("b").key == key_of("b", "2")


@pytest.mark.parametrize("older", [Fetched(key_of("b", "1")), GONE], ids=["key", "unknown"])
def test_an_older_fetch_after_a_newer_sibling(older: FetchOutcome) -> None:
    """8. Of two fetches the one that began later is kept, also when it brought the key along."""
    play = Play(keys_may_change=True)
    play.says("b")
    play.fetch("a", Fetched(key_of("a"), others=(key_of("b", "2"),)))
    play.land("b", older)
    assert play.look_up("b").key == key_of("b", "2")


@pytest.mark.parametrize("how", ["unknown", "invalidated"])
def test_siblings_of_a_fetch_that_is_older_than_a_verdict(how: str) -> None:
    """7, 8. They may be what was revoked or forgotten meanwhile, and are not kept."""
    play = Play(expected=["a", "b"])
    play.fetch("b")
    play.now += 100
    play.says("a")
    if how == "unknown":
        play.fetch("b", GONE)
    else:
        play.states.invalidate("b")
    play.land("a", Fetched(key_of("a"), others=(key_of("b"),)))
    assert play.look_up("b").key is None
    play.fetch("c", Fetched(key_of("c"), others=(key_of("d"),)))
    assert play.says("d") == "fresh"


def test_adopted_keys(play: Play) -> None:
    """They are kept as if they had been fetched, and count as an answer of the source."""
    assert adopt(play, key_of("a"), key_of("b")) == []
    assert [play.says("a"), play.says("b")] == ["fresh", "fresh"]
    assert play.health().last_success == 0
    assert adopt(play, key_of("a", "2")) == [Reported(EventName.KEY_CHANGED, "a", "refused")]


def test_an_older_set_is_not_adopted(play: Play) -> None:
    """7, 8. A key was invalidated, or found to be gone, while the set was on its way."""
    for kid, forget in (("a", play.states.invalidate), ("b", lambda kid: play.fetch(kid, GONE))):
        number = play.states.begin()
        forget(kid)
        fetched = Fetched(None, others=(key_of(kid),), complete=True)
        assert play.states.adopt(fetched, play.now, number) == []
        assert kid not in play.health().keys


def test_what_a_complete_answer_lacks_is_gone() -> None:
    """19. A key that has left its issuer's set is not served, fresh or stale; with an event."""
    play = Play(keys_may_change=True, expected=["a", "c", "x"])
    play.fetch("a", Fetched(key_of("a"), others=(key_of("b"),), complete=True))
    play.fetch("c", Fetched(key_of("c"), others=(key_of("b"),), complete=True))
    assert Reported(EventName.KEY_REVOKED, "a") in play.reports
    assert set(play.health().keys) == {"b", "c"}
    play.fetch("x", Fetched(None, others=(key_of("c"),), complete=True, problem=GONE))
    assert set(play.health().keys) == {"c"}
    assert play.says("x") == "unknown_key"


def test_an_older_complete_answer_removes_nothing() -> None:
    """8. A key that came after it had begun is not its to judge."""
    play = Play()
    play.says("a")
    play.fetch("b")
    play.land("a", Fetched(key_of("a"), complete=True))
    assert set(play.health().keys) == {"a", "b"}

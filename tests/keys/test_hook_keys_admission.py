"""HookKeys: ``allowed_key_ids`` and ``directory`` keep unknown kids from the org."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hookkey_verify import ApiToken, ConfigurationError, HookKeys, HookSigner
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import (
    HookVerificationError,
    KeySourceConfigurationError,
    KeySourceThrottledError,
    UnknownKeyError,
)
from hookkey_verify.events import Event, EventName

from ..faults import Behaviour, FaultServer, ManualClock, json_answer, okta_error
from .faulty_org import LIST, NO_KEY, faulty, lines


def test_only_allowed_keys_are_asked_for(okta: OktaEmulator) -> None:
    """Only kids on the allow-list are fetched, and they need no budget."""
    ids = [str(okta.create_key(f"k{number}")["keyId"]) for number in range(8)]
    with HookKeys(okta.url, ApiToken(okta.api_token), allowed_key_ids=ids[:7]) as keys:
        for key_id in ids[:7]:
            assert keys.get(key_id).kid == key_id
        with pytest.raises(UnknownKeyError, match="not in allowed_key_ids"):
            keys.get(ids[7])
    assert len(okta.requests) == 7


@pytest.mark.parametrize("allowed", ["k1", [], [5], ["a/b"], ["a" * 65], 5, [["k1"]]])
def test_wrong_allowed_key_ids(allowed: Any) -> None:
    """``allowed_key_ids`` must be a list of keyIds with at least one entry."""
    with pytest.raises(ConfigurationError, match="allowed_key_ids"):
        HookKeys("https://acme.okta.com", ApiToken("x"), allowed_key_ids=allowed)


def test_the_directory_keeps_made_up_kids_away(okta: OktaEmulator, clock: ManualClock) -> None:
    """A flood causes one list request; a new key is found when the list is refreshed."""
    key_id = str(okta.create_key("one")["keyId"])
    with HookKeys(okta.url, ApiToken(okta.api_token), directory=True, clock=clock) as keys:
        for number in range(200):
            with pytest.raises(UnknownKeyError, match="does not contain it"):
                keys.get(f"x{number}")
        assert keys.get(key_id).kid == key_id
        new = str(okta.create_key("two")["keyId"])
        with pytest.raises(UnknownKeyError):
            keys.get(new)
        clock.now += 30
        assert asyncio.run(keys.aget(new)).kid == new
    assert [line.path for line in okta.requests] == [
        LIST,
        f"{LIST}/public/{key_id}",
        LIST,
        f"{LIST}/public/{new}",
    ]


@pytest.mark.parametrize(
    "listing",
    [
        json_answer(200, [{"keyId": "k"}], 'Link: <x>; rel="next"'),
        json_answer(200, [{"keyId": "k"}, {"id": "HKY"}]),
        json_answer(200, [{"keyId": "a/b"}]),
        json_answer(200, ["k"]),
        json_answer(500, {}),
    ],
    ids=["more pages", "no keyId", "an odd keyId", "no object", "500"],
)
def test_a_directory_that_cannot_be_used(
    signer: HookSigner, clock: ManualClock, listing: Behaviour
) -> None:
    """An incomplete list makes no kid unknown: the kid is fetched within the budget."""
    answers = (listing, json_answer(200, signer.public_jwk()))
    with FaultServer(*answers) as server:
        with faulty(server, directory=True, clock=clock) as keys:
            assert keys.get(signer.kid).kid == signer.kid
            assert keys.health().status == "healthy"
    assert lines(server) == [LIST, f"{LIST}/public/{signer.kid}"]


@pytest.mark.parametrize(
    ("listing", "kind"),
    [
        (json_answer(401, okta_error("E0000011")), KeySourceConfigurationError),
        (json_answer(401, okta_error("E0000015")), KeySourceConfigurationError),
        (json_answer(429, okta_error("E0000047")), KeySourceThrottledError),
    ],
    ids=["401", "401, no feature", "429"],
)
def test_a_directory_that_is_refused(
    clock: ManualClock, listing: Behaviour, kind: type[HookVerificationError]
) -> None:
    """After a 401 or 429 for the list, nothing else is requested until the pause is over."""
    with FaultServer(listing) as server, faulty(server, directory=True, clock=clock) as keys:
        for _ in range(3):
            with pytest.raises(kind):
                keys.get(NO_KEY)
    assert lines(server) == [LIST]


@pytest.mark.parametrize(
    "listing",
    [
        json_answer(403, okta_error("E0000006")),
        json_answer(404, okta_error("E0000007")),
        json_answer(200, {"keys": []}),
    ],
    ids=["403", "404", "an object"],
)
def test_a_directory_that_is_not_to_be_had(
    signer: HookSigner, clock: ManualClock, listing: Behaviour
) -> None:
    """Without the list a kid is fetched within the budget, and the problem is reported."""
    events: list[Event] = []
    org = FaultServer(listing, json_answer(200, signer.public_jwk()))
    with org as server, faulty(server, directory=True, clock=clock, on_event=events.append) as keys:
        assert keys.get(signer.kid).kid == signer.kid
    assert lines(server) == [LIST, f"{LIST}/public/{signer.kid}"]
    assert EventName.CONFIG_ERROR in [event.name for event in events]


def test_a_closed_directory(okta: OktaEmulator) -> None:
    """A closed source does not fetch the list."""
    keys = HookKeys(okta.url, ApiToken(okta.api_token), directory=True)
    keys.close()
    with pytest.raises(KeySourceConfigurationError, match="closed"):
        keys.get(NO_KEY)

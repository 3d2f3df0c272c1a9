"""first_of: several sources as one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from hookkey_verify import (
    ApiToken,
    ConfigurationError,
    HookKeys,
    HookSigner,
    HookVerifier,
    PublicKey,
    StaticKeys,
)
from hookkey_verify import keys as keys_folder
from hookkey_verify.errors import (
    HookVerificationError,
    KeyRejectedError,
    KeySourceConfigurationError,
    KeyUnavailableError,
    UnknownKeyError,
)
from hookkey_verify.keys import first_of
from hookkey_verify.keys.first_of import MAX_HOMES
from hookkey_verify.verifier import KeySource

from .faults import ManualClock

UNKNOWN, DOWN = UnknownKeyError("not here"), KeyUnavailableError("down", retry_after=7)
WRONG, WEAK = KeySourceConfigurationError("token"), KeyRejectedError("weak")


class Source:
    """Has the keys it is given; raises the error for all others."""

    def __init__(self, error: Exception = UNKNOWN, **keys: PublicKey) -> None:
        self.keys, self.error = keys, error
        self.asked: list[tuple[str, float | None]] = []
        self.closed = 0

    def get(self, kid: str, *, deadline: float | None = None) -> PublicKey:
        self.asked.append((kid, deadline))
        if kid in self.keys:
            return self.keys[kid]
        raise self.error

    async def aget(self, kid: str, *, deadline: float | None = None) -> PublicKey:
        return self.get(kid, deadline=deadline)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def key(signer: HookSigner) -> PublicKey:
    return PublicKey.from_document(signer.public_jwk(), expected_kid=None)


Get = Callable[[KeySource, str], PublicKey]


@pytest.fixture(params=["get", "aget"])
def get(request: pytest.FixtureRequest) -> Get:
    """Both ways to ask."""
    if request.param == "get":
        return lambda source, kid: source.get(kid)
    return lambda source, kid: asyncio.run(source.aget(kid))


def test_the_first_that_has_it(get: Get, key: PublicKey, stranger: HookSigner) -> None:
    """In order; those after it are not asked."""
    other = PublicKey.from_document(stranger.public_jwk(), expected_kid=None)
    first, second, third = Source(), Source(a=key), Source(a=other)
    assert get(first_of(first, second, third), "a") is key
    assert (len(first.asked), len(second.asked), len(third.asked)) == (1, 1, 0)


def test_whoever_had_it_is_asked_first(get: Get, key: PublicKey) -> None:
    """Else the keys of one org would use up the rate limit of another."""
    first, second = Source(), Source(a=key)
    both = first_of(first, second)
    for _ in range(5):
        get(both, "a")
    assert (len(first.asked), len(second.asked)) == (1, 5)
    first.keys, second.keys = second.keys, {}
    for _ in range(5):
        assert get(both, "a") is key
    assert (len(first.asked), len(second.asked)) == (6, 6)


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ([UNKNOWN, UNKNOWN], UNKNOWN),
        ([UNKNOWN, DOWN], DOWN),
        ([DOWN, UNKNOWN], DOWN),
        ([WRONG, DOWN], DOWN),
        ([WRONG, UNKNOWN], WRONG),
        ([WEAK, WRONG], WRONG),
        ([UNKNOWN, WEAK], WEAK),
    ],
)
def test_unknown_only_if_all_say_so(
    get: Get, errors: list[HookVerificationError], told: HookVerificationError
) -> None:
    """60. While one source cannot be asked nobody knows that the key does not exist."""
    with pytest.raises(HookVerificationError) as caught:
        get(first_of(*map(Source, errors)), "a")
    assert caught.value is told


def test_an_outage_of_one_is_none_of_the_other(get: Get, key: PublicKey) -> None:
    """A key that the second source has is served while the first is down."""
    assert get(first_of(Source(DOWN), Source(a=key)), "a") is key


def test_one_deadline_for_all(get: Get) -> None:
    """The sources share the time of one look-up."""
    first, second = Source(), Source()
    both = first_of(first, second, timeout=1.5, clock=ManualClock(100))
    with pytest.raises(UnknownKeyError):
        get(both, "a")
    with pytest.raises(UnknownKeyError):
        both.get("a", deadline=100.2)
    assert first.asked == second.asked == [("a", 101.5), ("a", 100.2)]


def test_what_it_remembers_is_bounded(key: PublicKey) -> None:
    """However many kids there are."""
    keys = {f"k{number}": key for number in range(MAX_HOMES + 5)}
    first, second = Source(), Source(UNKNOWN, **keys)
    both = first_of(first, second)
    for kid in keys:
        both.get(kid)
    both.get("k0")
    assert len(first.asked) == MAX_HOMES + 6


def test_close_closes_all() -> None:
    """Each of them."""
    sources = [Source(), Source()]
    first_of(*sources).close()
    assert [source.closed for source in sources] == [1, 1]


def test_a_verifier_takes_it(signer: HookSigner, keys: StaticKeys) -> None:
    """It is a key source like any other, and names its parts."""
    both = first_of(StaticKeys.from_jwk(HookSigner.generate().public_jwk()), keys)
    verifier = HookVerifier.for_client_assertion(both, client_id="c", token_url="t")
    assert verifier.verify(signer.client_assertion(client_id="c", token_url="t")).subject == "c"
    assert repr(both).startswith("first_of(StaticKeys(")


@pytest.mark.parametrize(
    ("sources", "options"),
    [
        ((), {}),
        (("https://acme.okta.com",), {}),
        ((Source(),), {"timeout": 0}),
        ((Source(),), {"timeout": 61}),
        ((Source(),), {"timeout": True}),
        ((Source(),), {"clock": 5}),
    ],
)
def test_wrong_arguments(sources: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Each is refused at construction."""
    with pytest.raises(ConfigurationError, match=r"first_of|timeout|clock"):
        first_of(*sources, **options)


@pytest.mark.parametrize("kid", [[], None, 5, {}])
def test_what_can_never_be_a_kid(kid: Any) -> None:
    """It reaches the sources, which refuse it in our words."""
    with HookKeys("https://acme.okta.com", ApiToken("x")) as keys:
        with pytest.raises(UnknownKeyError, match="no hook key can have"):
            first_of(keys).get(kid)


def test_whoever_had_it_is_not_asked_twice(get: Get, key: PublicKey) -> None:
    """When its home has lost the key the others are asked, and it is not asked again."""
    first, second = Source(), Source(a=key)
    both = first_of(first, second)
    get(both, "a")
    second.keys = {}
    with pytest.raises(UnknownKeyError):
        get(both, "a")
    assert (len(first.asked), len(second.asked)) == (2, 2)


def test_what_is_not_in_the_folder() -> None:
    """It is imported when it is asked for, and nothing else is there."""
    assert keys_folder.first_of is first_of
    with pytest.raises(AttributeError, match="no attribute 'second_of'"):
        keys_folder.second_of  # noqa: B018

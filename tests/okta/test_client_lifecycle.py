"""HookKeysClient and AsyncHookKeysClient: arguments, threads, asyncio and ``close``."""

from __future__ import annotations

import asyncio
import copy
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hookkey_verify import ApiToken, ConfigurationError
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.okta.client import AsyncHookKeysClient, HookKeysClient


def test_the_async_client_is_the_same(okta: OktaEmulator) -> None:
    """Every method of the async client is awaitable and returns what the sync client returns."""

    async def main() -> None:
        async with AsyncHookKeysClient(okta.url, ApiToken(okta.api_token)) as client:
            key = await client.create("hooks")
            assert await client.list() == [key]
            assert await client.get(key.id, expand=True) == key
            assert await client.public_key(key.key_id) == key.public_key
            assert await client.find("hooks") == key
            assert len((await client.jwks())["keys"]) == 1
            assert (await client.rename(key.id, "other")).name == "other"
            await client.delete(key.id)
            assert [await each for each in (client.list(), client.list())] == [[], []]
            assert repr(client) == f"AsyncHookKeysClient({okta.url!r})"
            with pytest.raises(ConfigurationError):
                copy.copy(client)

    asyncio.run(main())


def test_many_threads_share_a_client(okta: OktaEmulator, client: HookKeysClient) -> None:
    """Twenty creates in eight threads with one client make twenty keys."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(client.create, [f"k{number}" for number in range(20)]))
    assert len({key.id for key in made}) == 20
    assert len(client.list()) == 20


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"org_url": "http://acme.okta.com"}, "org_url"),
        ({"credentials": "x"}, "credentials"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "5"}, "timeout"),
        ({"max_wait": -1}, "max_wait"),
        ({"max_wait": True}, "max_wait"),
        ({"on_wait": 5}, "on_wait"),
        ({"verify": False}, "verify"),
        ({"verify": "a" * 5_000}, "verify"),
        ({"proxies": "http://proxy"}, "proxies"),
        ({"proxies": {"https": 5}}, "proxies"),
        ({"proxies": {"https": "proxy:3128"}}, "http://proxy.acme.com:3128"),
        ({"proxies": {"https": "http://"}}, "HOOKKEY_PROXY"),
        ({"proxies": {"https": "http://proxy:port"}}, "HOOKKEY_PROXY"),
        ({"clock": 5}, "clock"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_wrong_arguments(arguments: dict[str, Any], named: str) -> None:
    """A wrong argument is refused at construction, and the error says which one it is."""
    given = {"org_url": "https://acme.okta.com", "credentials": ApiToken("x"), **arguments}
    with pytest.raises(ConfigurationError, match=named):
        HookKeysClient(**given)


def test_its_life(okta: OktaEmulator) -> None:
    """A client shows its org in its repr, cannot be copied, and raises after ``close``."""
    client = HookKeysClient(okta.url, ApiToken(okta.api_token))
    assert repr(client) == f"HookKeysClient({okta.url!r})"
    with pytest.raises(ConfigurationError, match="copied"):
        copy.deepcopy(client)
    client.close()
    client.close()
    with pytest.raises(ConfigurationError, match="closed"):
        client.list()

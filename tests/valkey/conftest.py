"""A Valkey for each module, and a plain client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from ..valkeys import Valkey, valkey_server


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey_server() as running:
        yield running


@pytest.fixture
def raw(server: Valkey) -> Iterator[redis.Redis]:
    """A plain client of the server, which is empty when the test begins."""
    with redis.Redis.from_url(server.connection_url) as client:
        client.flushall()
        yield client

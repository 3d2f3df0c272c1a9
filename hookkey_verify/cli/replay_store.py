"""The replay store that a URL names."""

from __future__ import annotations

from typing import Final, Protocol

import click

from ..replay import Finding

__all__ = ["REPLAY_URL", "replay_store"]

REPLAY_URL: Final = "HOOKKEY_REPLAY_URL"


class CheckedStore(Protocol):
    """A replay store that ``hookkey doctor`` can check."""

    def check(self) -> list[Finding]:
        """Return findings about the server and its settings."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...


def replay_store(url: str) -> CheckedStore:
    """Return the store for a URL.

    ``url``: as the stores take it, or ``dynamodb://`` and the name of a table.

    Raises ``click.UsageError`` for another scheme or a missing extra, and ``ConfigurationError``
    for a wrong URL.
    """
    scheme, _, rest = url.partition("://")
    try:
        if scheme in ("postgres", "postgresql"):
            from ..postgres import PostgresReplayStore  # noqa: PLC0415 - needs an extra

            return PostgresReplayStore(url)
        if scheme == "dynamodb":
            from ..dynamodb import DynamoDBReplayStore  # noqa: PLC0415

            return DynamoDBReplayStore(rest)
        if scheme.startswith(("valkey", "redis", "unix")):
            from ..valkey import ValkeyReplayStore  # noqa: PLC0415

            return ValkeyReplayStore(url)
    except ImportError as error:
        raise click.UsageError(str(error)) from None
    raise click.UsageError(
        "--replay must be a URL that begins with valkey://, redis://, unix://, postgresql:// or dynamodb://"
    )

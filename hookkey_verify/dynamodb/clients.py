"""Clients: the client of one store in each process, or the one that the user gave."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, EndpointConnectionError

from .._runtime.forking import PerProcess
from ..errors import ConfigurationError
from ..replay.remote import BusyError

__all__ = ["MAX_CONNECTIONS", "Clients"]

MAX_CONNECTIONS = 32
SHARE = 0.9
"""The share of its time that an attempt waits for a connection, so that it can tell why it ends."""
"""Requests at once, per process, including abandoned ones that wait for a late answer."""
LATE_ANSWER = 3.0
"""Seconds that an abandoned request waits for its answer, in order to undo what it recorded."""


class Clients:
    """Yields a client of boto3, which is thread-safe. Creates it on first use."""

    def __init__(self, client: Any, *, timeout: float, options: dict[str, Any]) -> None:
        """Take a client, or the options of one.

        ``client``: a DynamoDB client of boto3, or None.
        ``timeout``: the time limit of an attempt, in seconds.
        ``options``: options of ``boto3.client``; not with a client.

        Raises ``ConfigurationError`` naming the argument.
        """
        if client is not None and options:
            raise ConfigurationError("a client already has its options: pass only client")
        # A Table resource of boto3 has put_item too.
        if client is not None and not callable(getattr(client, "describe_time_to_live", None)):
            raise ConfigurationError('client must be boto3.client("dynamodb")')
        config = options.get("config")
        if config is not None and not isinstance(config, Config):
            raise ConfigurationError("config must be a botocore.config.Config")
        ours = Config(
            connect_timeout=timeout,
            read_timeout=max(timeout, LATE_ANSWER),
            retries={"total_max_attempts": 1, "mode": "standard"},
            tcp_keepalive=True,
            max_pool_connections=MAX_CONNECTIONS,
        )
        self._options = {**options, "config": ours.merge(config) if config else ours}
        self._given = client
        self._made: PerProcess[Any] = PerProcess(self._make)
        self._making = PerProcess(threading.Lock)
        self._slots = PerProcess(lambda: threading.BoundedSemaphore(MAX_CONNECTIONS))

    @contextmanager
    def client(self, seconds: float, *, fresh: bool = False) -> Iterator[Any]:
        """Yield the client to one of at most ``MAX_CONNECTIONS`` threads.

        ``seconds``: how long to wait while that many threads use it.
        ``fresh``: whether to close idle connections first. Default False.

        Raises ``BusyError``, and ``ConfigurationError`` if an option or the region is wrong.
        """
        slots = self._slots()
        if not slots.acquire(timeout=SHARE * seconds):
            raise BusyError
        try:
            client = self._client()
            if fresh:
                client.close()  # it can still be used
            try:
                yield client
            except EndpointConnectionError:
                self._check_region(client)
                raise
        finally:
            slots.release()

    def close(self) -> None:
        """Close the connections, unless they are those of the user's client."""
        made = self._made.made()
        if made is not None:
            made.close()

    def _client(self) -> Any:
        made = self._given or self._made.made()
        if made is None:
            with self._making():  # creating one takes 0.1 s of CPU time
                made = self._made()
        return made

    def _make(self) -> Any:
        try:
            return Session().client("dynamodb", **self._options)
        except BotoCoreError:
            raise
        except (TypeError, ValueError):
            raise ConfigurationError(
                "options must be those of boto3.client, such as region_name and endpoint_url"
            ) from None

    def _check_region(self, client: Any) -> None:
        """Raise ``ConfigurationError`` if the host was not found because there is no such region.

        This is not called for a region that is newer than botocore, because its host exists.
        """
        region = client.meta.region_name
        session = Session()
        regions = (
            session.get_available_regions("dynamodb", partition)
            for partition in session.get_available_partitions()
        )
        if "endpoint_url" not in self._options and not any(region in each for each in regions):
            raise ConfigurationError("boto3 does not know the region: correct region_name")

"""Stores in Valkey or Redis that all workers and hosts share (extra valkey).

``ValkeyKeyStore`` shares public keys. Each worker keeps its own cache, so look-ups of known keys
never use the network. A worker reads the store before it would send a request to Okta. Anyone who
can write to the store could insert a key, so records carry an HMAC (RFC 2104, SHA-256) of their
name and content, made with a secret that only the workers have.

``ValkeyReplayStore`` shares which tokens have been used. Anyone who can write to it can only have
valid tokens refused, but anyone who can delete from it can have a token accepted again.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

try:
    import redis
except ImportError:
    raise ImportError(
        "hookkey_verify.valkey needs redis: pip install 'hookkey_verify[valkey]'"
    ) from None

from ._arguments import seconds
from ._runtime.bounded import call_within
from ._runtime.clock import monotonic_clock
from ._runtime.event_loop import running_loop
from ._runtime.log import logger
from .errors import ConfigurationError, KeyUnavailableError
from .events import EventName, OnEvent, Reporter

__all__ = ["ValkeyKeyStore", "ValkeyReplayStore"]

MAX_RECORD = 16 * 1024
MIN_SECRET = 32
CLOCK_TOLERANCE = 60
"""Seconds that a used token is remembered after its expiry, because the hosts' clocks differ."""
_VERSION = b"\x01"
"""The first byte of a record. Records of other versions are not read."""
_TAG = 32
"""Length of the HMAC after the version byte."""
_EXPIRED = -2
"""PTTL's result for a missing name; -1 is that of a record without a lifetime."""

# Only its holder may release a lease, which may have expired and been taken by another worker.
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"

# A token bucket as one number, by the server's clock: when the bucket will be full again, in ms.
_SPEND = """
local time, interval = redis.call('TIME'), tonumber(ARGV[2])
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local full_at = math.max(tonumber(redis.call('GET', KEYS[1])) or now, now) + interval
local wait = full_at - now - tonumber(ARGV[1]) * interval
if wait > 0 then return wait end
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil(full_at - now))
return 0
"""


class _Server:
    """A lazily connected Valkey or Redis server. Thread-safe."""

    def __init__(self, url: str, prefix: str, timeout: float, options: dict[str, Any]) -> None:
        if not isinstance(url, str):
            raise ConfigurationError("url must be a string such as rediss://cache.acme.com:6379/0")
        if not isinstance(prefix, str) or not prefix.isascii() or not prefix.isprintable():
            raise ConfigurationError("prefix must be printable ASCII")
        if url.startswith(("valkey://", "valkeys://")):
            url = "redis" + url.removeprefix("valkey")
        options = {
            "socket_timeout": seconds("timeout", timeout, 0.01, 10),
            "socket_connect_timeout": timeout,
            "retry": None,
            "decode_responses": False,
            **options,
        }
        # Its connection pool compares process ids, so that no child uses its parent's connections.
        self.client = _client(url, options)


class ValkeyKeyStore:
    """A ``SharedKeyStore`` for ``HookKeys(…, shared=…)``. Thread-safe; connects on first use."""

    def __init__(
        self,
        url: str,
        *,
        secret: str | bytes | Sequence[str | bytes] | None,
        prefix: str = "hookkey",
        timeout: float = 0.25,
        **options: Any,
    ) -> None:
        """Create a store; it connects on first use.

        ``url``: ``valkey://``, ``redis://``, ``rediss://`` (TLS) or ``unix://``.
        ``secret``: authenticates the records: at least 32 bytes that all workers share, for example
            from ``python -c "import secrets; print(secrets.token_hex(32))"``. There is no default.
            With None, anyone who can write to the store can have forged tokens accepted. To rotate
            it, deploy ``[old, new]``, then ``[new, old]``, then ``new``: the first one
            authenticates new records, and all are accepted.
        ``prefix``: the start of all record names, in printable ASCII. Default "hookkey".
        ``timeout``: the time limit for each step, 0.01 to 10 seconds, default 0.25. A slower store
            counts as unreachable.
        ``options``: options of ``redis.Redis.from_url``, such as ``ssl_ca_certs``.

        Raises ``ConfigurationError`` naming the argument.
        """
        self._secrets = _secrets(secret)
        self._server = _Server(url, prefix, timeout, options)
        self._prefix = prefix

    def __repr__(self) -> str:
        return "ValkeyKeyStore(…)"  # a URL may contain a password

    def __reduce__(self) -> Any:
        raise ConfigurationError(
            "a ValkeyKeyStore contains a secret and cannot be pickled or copied"
        )

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._server.client.close()

    def read(self, namespace: str, name: str) -> tuple[bytes, float] | None:
        """Return the record and its remaining seconds, or None if there is none.

        A record that is not authentic is returned as ``(b"", -1.0)``.
        """
        full_name = self._name("key", namespace, name)
        with self._server.client.pipeline(transaction=True) as pipe:
            pipe.getrange(full_name, 0, len(_VERSION) + _TAG + MAX_RECORD)
            pipe.pttl(full_name)
            value, milliseconds = pipe.execute()
        if not value.startswith(_VERSION) or milliseconds in (_EXPIRED, 0):
            return None
        tag, record = value[len(_VERSION) :][:_TAG], value[len(_VERSION) + _TAG :]
        tags = [_tag(secret, full_name, record) for secret in self._secrets]
        if not any(hmac.compare_digest(tag, each) for each in tags):
            return b"", -1.0
        return record, milliseconds / 1000

    def write(self, namespace: str, name: str, record: bytes, seconds: float) -> None:
        """Store the record for this many seconds."""
        full_name = self._name("key", namespace, name)
        value = _VERSION + _tag(self._secrets[0], full_name, record) + record
        self._server.client.set(full_name, value, px=max(1, int(seconds * 1000)))

    def lease(self, namespace: str, name: str, seconds: float) -> str | None:
        """Take the lease for ``seconds`` and return its token; None if it is taken."""
        token = secrets.token_hex(16)
        full_name = self._name("lease", namespace, name)
        taken = self._server.client.set(full_name, token, nx=True, px=max(1, int(seconds * 1000)))
        return token if taken else None

    def release(self, namespace: str, name: str, token: str) -> None:
        """Release the lease if it still has this token."""
        self._server.client.eval(_RELEASE, 1, self._name("lease", namespace, name), token)

    def spend(self, namespace: str, burst: int, interval: float) -> float:
        """Take one fetch from the budget and return 0, or the seconds until there is one."""
        full_name = self._name("budget", namespace, "")
        wait = self._server.client.eval(_SPEND, 1, full_name, burst, max(1, int(interval * 1000)))
        return float(wait) / 1000

    def _name(self, kind: str, namespace: str, name: str) -> str:
        return f"{self._prefix}:{kind}:{namespace}:{name}"


def _tag(secret: bytes, name: str, record: bytes) -> bytes:
    # Without a secret this is a checksum, which detects corruption but not forgery.
    length = len(name).to_bytes(4, "big")
    return hmac.digest(secret, length + name.encode() + record, "sha256")


def _secrets(given: str | bytes | Sequence[str | bytes] | None) -> list[bytes]:
    """Return the secrets as bytes. Raises ``ConfigurationError``."""
    if given is None:
        return [b""]
    several = isinstance(given, Sequence) and not isinstance(given, str | bytes)
    encoded: list[bytes] = []
    for each in given if several else [given]:
        # An error of a strict encode would contain the secret.
        secret = each.encode("utf-8", "surrogatepass") if isinstance(each, str) else each
        if not isinstance(secret, bytes) or len(secret) < MIN_SECRET:
            encoded.clear()
            break
        encoded.append(secret)
    if not encoded:
        raise ConfigurationError(
            f"secret must have at least {MIN_SECRET} bytes, or be a list of such secrets, or None"
        )
    return encoded


class ValkeyReplayStore:
    """A ``ReplayStore`` for all workers and hosts. Thread-safe; connects on first use.

    One atomic command claims a token (SET with NX and PXAT: Valkey, or Redis 6.2 and later), so
    only one worker succeeds. Record names are digests, from which no token can be derived.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "hookkey",
        timeout: float = 0.25,
        when_unreachable: Literal["refuse", "accept"] = "refuse",
        on_event: OnEvent | None = None,
        **options: Any,
    ) -> None:
        """Create a store; it connects on first use.

        ``url``: ``valkey://``, ``redis://``, ``rediss://`` (TLS) or ``unix://``.
        ``prefix``: the start of all record names, in printable ASCII. Default "hookkey".
        ``timeout``: the time limit for each step, 0.01 to 10 seconds, default 0.25. A slower store
            counts as unreachable.
        ``when_unreachable``: what happens to valid tokens while the store is unreachable. "refuse"
            (the default) answers 503, so that Okta may retry. "accept" does not detect replays
            meanwhile; it is logged and reported as the event ``replay_unchecked``.
        ``on_event``: a function that takes events. Default None.
        ``options``: options of ``redis.Redis.from_url``, such as ``ssl_ca_certs``.

        Raises ``ConfigurationError`` naming the argument.
        """
        if when_unreachable not in ("refuse", "accept"):
            raise ConfigurationError('when_unreachable must be "refuse" or "accept"')
        self._server = _Server(url, prefix, timeout, options)
        self._prefix = prefix
        self._accept = when_unreachable == "accept"
        self._patience = 2 * timeout  # to connect, and to be answered
        self._report = Reporter("replay store", on_event)

    def __repr__(self) -> str:
        return "ValkeyReplayStore(…)"  # a URL may contain a password

    def __reduce__(self) -> Any:
        raise ConfigurationError(
            "a ValkeyReplayStore may contain a password and cannot be pickled or copied"
        )

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._server.client.close()

    def claim(
        self, issuer: str, jti: str, expires_at: float, *, deadline: float | None = None
    ) -> bool:
        """Record a use and return True; return False if the token was used before. Atomic.

        ``issuer``, ``jti``: identify the token.
        ``expires_at``: until when the use is remembered, in epoch seconds.
        ``deadline``: a reading of ``time.monotonic`` by which the store must have answered. Default
            None: the ``timeout`` of the store.

        Raises ``KeyUnavailableError`` if the store is unreachable.
        """
        text = f"{len(issuer)}:{issuer}{jti}".encode("utf-8", "surrogatepass")
        name = f"{self._prefix}:used:{hashlib.sha256(text).hexdigest()}"
        until = math.ceil((expires_at + CLOCK_TOLERANCE) * 1000)
        try:
            return bool(self._within(deadline, name, until))
        except (redis.RedisError, OSError) as error:
            problem = type(error).__name__  # its text may contain the URL
        if not self._accept:
            logger.warning("the replay store is unreachable (%s)", problem)
            raise KeyUnavailableError("the replay store is unreachable")
        logger.warning("a token was accepted without a replay check (%s)", problem)
        self._report(EventName.REPLAY_UNCHECKED, outcome=problem)
        return True

    async def aclaim(
        self, issuer: str, jti: str, expires_at: float, *, deadline: float | None = None
    ) -> bool:
        """Do the same as ``claim`` in a thread. The event loop must be asyncio's."""
        running_loop()
        return await asyncio.to_thread(self.claim, issuer, jti, expires_at, deadline=deadline)

    def _within(self, deadline: float | None, name: str, until: int) -> object:
        left = self._patience if deadline is None else deadline - monotonic_clock()
        if left >= self._patience:  # the client's own timeouts are shorter
            return self._server.client.set(name, b"", nx=True, pxat=until)
        return call_within(left, self._server.client.set, name, b"", nx=True, pxat=until)


def _client(url: str, options: dict[str, Any]) -> redis.Redis:
    with suppress(Exception):  # its text may contain the password in the URL
        client = redis.Redis.from_url(url, **options)
        pool = client.connection_pool
        pool.connection_class(**pool.connection_kwargs)  # only validates the options
        return client
    raise ConfigurationError(
        "url must begin with valkey://, redis://, rediss:// or unix://, and options be those of "
        "redis.Redis.from_url"
    )

"""What all workers and hosts share, in Valkey or Redis (extra valkey): public keys, used tokens.

``ValkeyKeyStore``: every worker keeps its own cache, so a look-up of a known key never goes over
the network; the store is looked at when a worker would ask Okta. Whoever can write into it could
plant a key, so records carry an HMAC (RFC 2104, SHA-256) over their name and content, made with a
secret that only the workers have.

``ValkeyReplayStore``: which tokens have been used. Whoever can write into it can at worst have a
good token refused; whoever can delete from it can have one accepted again.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import secrets
from contextlib import suppress
from typing import Any, Literal

try:
    import redis
except ImportError:
    raise ImportError(
        "hookkey_verify.valkey needs redis: pip install 'hookkey_verify[valkey]'"
    ) from None

from ._arguments import seconds
from ._runtime.forking import renew_after_fork
from ._runtime.log import logger
from .errors import ConfigurationError, KeyUnavailableError
from .events import EventName, OnEvent, Reporter

__all__ = ["ValkeyKeyStore", "ValkeyReplayStore"]

MAX_RECORD = 16 * 1024
MIN_SECRET = 32
CLOCK_TOLERANCE = 60
"""Seconds for which a used token is remembered beyond its end: clocks of hosts differ."""
_TAG = 32  # octets of SHA-256

# Only the one who took the lease gives it back: it may have run out and be another's by now.
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"


class _Server:
    """A Valkey or Redis, connected to when it is used. Thread-safe."""

    def __init__(self, url: str, prefix: str, timeout: float, options: dict[str, Any]) -> None:
        if not isinstance(url, str):
            raise ConfigurationError("url must be a string such as rediss://cache.acme.com:6379/0")
        if not isinstance(prefix, str) or not prefix.isascii() or not prefix.isprintable():
            raise ConfigurationError("prefix must be printable ASCII")
        if url.startswith(("valkey://", "valkeys://")):
            url = "redis" + url.removeprefix("valkey")
        self._url = url
        self._options = {
            "socket_timeout": seconds("timeout", timeout, 0.01, 10),
            "socket_connect_timeout": timeout,
            "retry": None,
            "decode_responses": False,
            **options,
        }
        self.renew()
        renew_after_fork(self)

    def renew(self) -> None:
        """Begin without connections; in a forked child, because the parent goes on using them."""
        self.client = _client(self._url, self._options)


class ValkeyKeyStore:
    """A ``SharedKeyStore`` for ``HookKeys(…, shared=…)``. Thread-safe; connects when it is used."""

    def __init__(
        self,
        url: str,
        *,
        secret: str | bytes | None,
        prefix: str = "hookkey",
        timeout: float = 0.25,
        **options: Any,
    ) -> None:
        """``url`` is ``valkey://``, ``redis://``, ``rediss://`` (TLS) or ``unix://``.

        ``secret`` authenticates the records: at least 32 octets that all workers share, such as
        ``python -c "import secrets; print(secrets.token_hex(32))"`` prints. It has no default: None
        must be written out, and means that whoever can write into the store can have forged tokens
        accepted. ``prefix`` begins the name of every record. ``timeout`` is in seconds, for each
        step; a store that takes longer counts as not being there. ``options`` are those of
        ``redis.Redis.from_url``, such as ``ssl_ca_certs``.

        Raises ``ConfigurationError`` naming the argument.
        """
        if isinstance(secret, str):
            secret = secret.encode("utf-8", "surrogatepass")  # an error would hold it
        if secret is not None and (not isinstance(secret, bytes) or len(secret) < MIN_SECRET):
            raise ConfigurationError(f"secret must have at least {MIN_SECRET} octets, or be None")
        self._server = _Server(url, prefix, timeout, options)
        self._secret = secret
        self._prefix = prefix

    def __repr__(self) -> str:
        return "ValkeyKeyStore(…)"  # a URL may hold a password

    def __reduce__(self) -> Any:
        raise ConfigurationError("ValkeyKeyStore holds a secret: not pickled, not copied")

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._server.client.close()

    def read(self, namespace: str, kid: str) -> tuple[bytes, float] | None:
        """Return the record and how many seconds it has left; None without one to be trusted."""
        name = self._name("key", namespace, kid)
        with self._server.client.pipeline(transaction=True) as pipe:
            pipe.getrange(name, 0, _TAG + MAX_RECORD)
            pipe.pttl(name)
            octets, milliseconds = pipe.execute()
        if not octets:
            return None
        tag, record = octets[:_TAG], octets[_TAG:]
        if not hmac.compare_digest(tag, self._tag(name, record)):
            return b"", 0.0
        return record, milliseconds / 1000

    def write(self, namespace: str, kid: str, record: bytes, seconds: float) -> None:
        """Keep the record for so long."""
        name = self._name("key", namespace, kid)
        self._server.client.set(
            name, self._tag(name, record) + record, px=max(1, int(seconds * 1000))
        )

    def lease(self, namespace: str, kid: str, seconds: float) -> str | None:
        """Return a token for the one that may fetch, for so long at most; None for all others."""
        token = secrets.token_hex(16)
        name = self._name("lease", namespace, kid)
        taken = self._server.client.set(name, token, nx=True, px=max(1, int(seconds * 1000)))
        return token if taken else None

    def release(self, namespace: str, kid: str, token: str) -> None:
        """Give the lease back, if it is still the token's."""
        self._server.client.eval(_RELEASE, 1, self._name("lease", namespace, kid), token)

    def _name(self, kind: str, namespace: str, kid: str) -> str:
        return f"{self._prefix}:{kind}:{namespace}:{kid}"

    def _tag(self, name: str, record: bytes) -> bytes:
        # Without a secret it is a checksum: it tells garbage, not forgeries.
        length = len(name).to_bytes(4, "big")
        return hmac.digest(self._secret or b"", length + name.encode() + record, "sha256")


class ValkeyReplayStore:
    """A ``ReplayStore`` for all workers and hosts. Thread-safe; connects when it is used.

    One command claims a token (SET with NX and PXAT: Valkey, or Redis 6.2 and later), so of any
    number of workers one gets it. Names of records are digests: no token can be made of them.
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
        """``url``, ``prefix``, ``timeout`` and ``options`` are those of ``ValkeyKeyStore``.

        ``when_unreachable`` says what becomes of a good token when the store cannot be asked:
        "refuse" (503, so that Okta may try again), or "accept", which leaves replays undetected for
        as long, is logged, and is told to ``on_event`` as ``replay_unchecked``.

        Raises ``ConfigurationError`` naming the argument.
        """
        if when_unreachable not in ("refuse", "accept"):
            raise ConfigurationError('when_unreachable must be "refuse" or "accept"')
        self._server = _Server(url, prefix, timeout, options)
        self._prefix = prefix
        self._accept = when_unreachable == "accept"
        self._report = Reporter("replay store", on_event)

    def __repr__(self) -> str:
        return "ValkeyReplayStore(…)"  # a URL may hold a password

    def __reduce__(self) -> Any:
        raise ConfigurationError("ValkeyReplayStore may hold a password: not pickled, not copied")

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._server.client.close()

    def claim(self, issuer: str, jti: str, expires_at: float) -> bool:
        """Record the use and return True, or return False when it was used before. Atomic.

        ``expires_at`` is in epoch seconds. Raises ``KeyUnavailableError`` when the store cannot be
        asked.
        """
        text = f"{len(issuer)}:{issuer}{jti}".encode("utf-8", "surrogatepass")
        name = f"{self._prefix}:used:{hashlib.sha256(text).hexdigest()}"
        until = math.ceil((expires_at + CLOCK_TOLERANCE) * 1000)
        try:
            return bool(self._server.client.set(name, b"", nx=True, pxat=until))
        except (redis.RedisError, OSError) as error:
            problem = type(error).__name__  # whose text may hold the URL
        if not self._accept:
            logger.warning("the replay store cannot be asked (%s)", problem)
            raise KeyUnavailableError("the replay store cannot be asked")
        logger.warning("a token was accepted unchecked for replay (%s)", problem)
        self._report(EventName.REPLAY_UNCHECKED, outcome=problem)
        return True

    async def aclaim(self, issuer: str, jti: str, expires_at: float) -> bool:
        """Do as ``claim`` in a thread."""
        return await asyncio.to_thread(self.claim, issuer, jti, expires_at)


def _client(url: str, options: dict[str, Any]) -> redis.Redis:
    with suppress(Exception):  # whose text may hold the password in the URL
        client = redis.Redis.from_url(url, **options)
        pool = client.connection_pool
        pool.connection_class(**pool.connection_kwargs)  # looks at the options, connects to nothing
        return client
    raise ConfigurationError(
        "url must begin with valkey://, redis://, rediss:// or unix://, and options be those of "
        "redis.Redis.from_url"
    )

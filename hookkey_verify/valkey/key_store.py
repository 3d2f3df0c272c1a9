"""ValkeyKeyStore shares public keys between all workers.

Each worker keeps its own cache, so look-ups of known keys never use the network. A worker reads the
store before it would send a request to Okta. Anyone who can write to the store could insert a key,
so records carry an HMAC (RFC 2104, SHA-256) of their name and content, made with a secret that only
the workers have.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from typing import Any

import redis

from ..errors import ConfigurationError
from ..replay.finding import Finding
from .connections import Connections, prefix_of
from .server_check import check_server

__all__ = ["ValkeyKeyStore"]

MAX_RECORD = 16 * 1024
MIN_SECRET = 32
_VERSION = b"\x01"
"""The first byte of a record. Records of other versions are not read."""
_TAG = 32
"""Length of the HMAC after the version byte."""
_EXPIRED = -2
"""PTTL's result for a missing name; -1 is that of a record without a lifetime."""

_READ = "return {redis.call('GETRANGE', KEYS[1], 0, ARGV[1]), redis.call('PTTL', KEYS[1])}"

# Only its holder may release a lease, which may have expired and been taken by another worker.
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"

# The token is that of one call, so that a second attempt recognizes the lease of the first one.
_LEASE = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return redis.call('GET', KEYS[1]) == ARGV[1] and 1 or 0
"""

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


class ValkeyKeyStore:
    """A ``SharedKeyStore`` for ``HookKeys(…, shared=…)``. Thread-safe; connects on first use.

    For example:

    >>> from hookkey_verify import ApiToken, HookKeys
    >>> from hookkey_verify.valkey import ValkeyKeyStore
    >>> secret = "at least 32 bytes that all workers know"
    >>> store = ValkeyKeyStore("valkeys://cache.acme.com:6379/0", secret=secret)
    >>> keys = HookKeys("https://acme.okta.com", ApiToken("a-token"), shared=store)
    >>> keys.health().status
    'healthy'
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        secret: str | bytes | Sequence[str | bytes] | None,
        client: Any = None,
        cluster: bool = False,
        prefix: str = "hookkey",
        timeout: float = 0.25,
        **options: Any,
    ) -> None:
        """Create a store; it connects on first use.

        ``url``: as in the table of ``hookkey_verify.valkey``. Not with ``client``.
        ``secret``: authenticates the records: at least 32 bytes that all workers share, for example
            from ``python -c "import secrets; print(secrets.token_hex(32))"``. There is no default.
            With None, anyone who can write to the store can have forged tokens accepted. To rotate
            it, deploy ``[old, new]``, then ``[new, old]``, then ``new``: the first one
            authenticates new records, and all are accepted.
        ``client``: a ``redis.Redis`` or ``redis.RedisCluster`` of yours, without
            ``decode_responses``; the store does not close it. Default None.
        ``cluster``: True if ``url`` names a node of a Cluster without saying so. Default False.
        ``prefix``: the start of all record names, in printable ASCII. Default "hookkey".
        ``timeout``: the time limit for each step on a connection, 0.01 to 10 seconds, default 0.25.
            A slower store counts as unreachable.
        ``options``: options of ``redis.Redis``, such as ``ssl_ca_certs`` or
            ``credential_provider``; for Sentinel also ``sentinel_kwargs``.

        Raises ``ConfigurationError`` naming the argument.
        """
        self._secrets = _secrets(secret)
        self._connections = Connections(
            url, client, cluster=cluster, timeout=timeout, options=options
        )
        if self._connections.is_asyncio or _decodes(client):
            raise ConfigurationError(
                "client must be a Redis or RedisCluster of redis, without decode_responses"
            )
        self._prefix = prefix_of(prefix)

    def __repr__(self) -> str:
        return "ValkeyKeyStore(…)"  # a URL may contain a password

    def __reduce__(self) -> Any:
        raise ConfigurationError(
            "a ValkeyKeyStore contains a secret and cannot be pickled or copied"
        )

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._connections.close()

    def read(self, namespace: str, name: str) -> tuple[bytes, float] | None:
        """Return the record and its remaining seconds, or None if there is none.

        A record that is not authentic is returned as ``(b"", -1.0)``.
        """
        full_name = self._name("key", namespace, name)
        last = len(_VERSION) + _TAG + MAX_RECORD
        value, milliseconds = self._call("eval", _READ, 1, full_name, last)
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
        self._call("set", full_name, value, px=max(1, int(seconds * 1000)))

    def lease(self, namespace: str, name: str, seconds: float) -> str | None:
        """Take the lease for ``seconds`` and return its token; None if it is taken."""
        token = secrets.token_hex(16)
        full_name = self._name("lease", namespace, name)
        taken = self._call("eval", _LEASE, 1, full_name, token, max(1, int(seconds * 1000)))
        return token if taken else None

    def release(self, namespace: str, name: str, token: str) -> None:
        """Release the lease if it still has this token."""
        self._call("eval", _RELEASE, 1, self._name("lease", namespace, name), token)

    def spend(self, namespace: str, burst: int, interval: float) -> float:
        """Take one fetch from the budget and return 0, or the seconds until there is one."""
        full_name = self._name("budget", namespace, "")
        wait = self._call("eval", _SPEND, 1, full_name, burst, max(1, int(interval * 1000)))
        return float(wait) / 1000

    def check(self) -> list[Finding]:
        """Ask the servers for version, role and clock, and try what the store needs.

        Records for one second are written.
        """
        token = secrets.token_hex(16)

        def attempt() -> None:
            self.write("check", token, b"{}", 1)
            self.read("check", token)
            self.release("check", token, self.lease("check", token, 1) or "")
            self.spend(f"check:{token}", 1, 1)

        return check_server("key store", self._connections.client, attempt, None)

    def _call(self, command: str, *arguments: object, **options: object) -> Any:
        """Send a command. A connection that was closed or dropped while idle is replaced once."""
        try:
            return getattr(self._connections.client(), command)(*arguments, **options)
        except (redis.ConnectionError, redis.TimeoutError, OSError):
            client = self._connections.client(fresh=True)
            return getattr(client, command)(*arguments, **options)

    def _name(self, kind: str, namespace: str, name: str) -> str:
        return f"{self._prefix}:{kind}:{namespace}:{name}"


def _decodes(client: Any) -> bool:
    return client is not None and client.get_encoder().decode_responses


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

"""ValkeyKeyStore: public keys shared by all workers and hosts, in Valkey or Redis (extra valkey).

Every worker keeps its own cache, so a look-up of a known key never goes over the network; the store
is looked at when a worker would ask Okta. Whoever can write into it could plant a key, so records
carry an HMAC (RFC 2104, SHA-256) over their name and content, made with a secret that only the
workers have.
"""

from __future__ import annotations

import hmac
import secrets
from contextlib import suppress
from typing import Any

try:
    import redis
except ImportError:
    raise ImportError(
        "hookkey_verify.valkey needs redis: pip install 'hookkey_verify[valkey]'"
    ) from None

from .errors import ConfigurationError
from .forking import renew_after_fork

__all__ = ["ValkeyKeyStore"]

MAX_RECORD = 16 * 1024
MIN_SECRET = 32
_TAG = 32  # octets of SHA-256

# Only the one who took the lease gives it back: it may have run out and be another's by now.
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"


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
        if not isinstance(url, str):
            raise ConfigurationError("url must be a string such as rediss://cache.acme.com:6379/0")
        if isinstance(secret, str):
            secret = secret.encode("utf-8", "surrogatepass")  # an error would hold it
        if secret is not None and (not isinstance(secret, bytes) or len(secret) < MIN_SECRET):
            raise ConfigurationError(f"secret must have at least {MIN_SECRET} octets, or be None")
        if not isinstance(prefix, str) or not prefix.isascii() or not prefix.isprintable():
            raise ConfigurationError("prefix must be printable ASCII")
        if type(timeout) not in (int, float) or not 0.01 <= timeout <= 10:
            raise ConfigurationError("timeout must be a number of seconds from 0.01 to 10")
        if url.startswith(("valkey://", "valkeys://")):
            url = "redis" + url.removeprefix("valkey")
        self._url = url
        self._options = {
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "retry": None,
            "decode_responses": False,
            **options,
        }
        self._secret = secret
        self._prefix = prefix
        self.renew()
        renew_after_fork(self)

    def __repr__(self) -> str:
        return "ValkeyKeyStore(…)"  # a URL may hold a password

    def __reduce__(self) -> Any:
        raise ConfigurationError("ValkeyKeyStore holds a secret: not pickled, not copied")

    def renew(self) -> None:
        """Begin without connections; in a forked child, because the parent goes on using them."""
        self._redis = _client(self._url, self._options)

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._redis.close()

    def read(self, namespace: str, kid: str) -> tuple[bytes, float] | None:
        """Return the record and how many seconds it has left; None without one to be trusted."""
        name = self._name("key", namespace, kid)
        with self._redis.pipeline(transaction=True) as pipe:
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
        self._redis.set(name, self._tag(name, record) + record, px=max(1, int(seconds * 1000)))

    def lease(self, namespace: str, kid: str, seconds: float) -> str | None:
        """Return a token for the one that may fetch, for so long at most; None for all others."""
        token = secrets.token_hex(16)
        name = self._name("lease", namespace, kid)
        taken = self._redis.set(name, token, nx=True, px=max(1, int(seconds * 1000)))
        return token if taken else None

    def release(self, namespace: str, kid: str, token: str) -> None:
        """Give the lease back, if it is still the token's."""
        self._redis.eval(_RELEASE, 1, self._name("lease", namespace, kid), token)

    def _name(self, kind: str, namespace: str, kid: str) -> str:
        return f"{self._prefix}:{kind}:{namespace}:{kid}"

    def _tag(self, name: str, record: bytes) -> bytes:
        # Without a secret it is a checksum: it tells garbage, not forgeries.
        length = len(name).to_bytes(4, "big")
        return hmac.digest(self._secret or b"", length + name.encode() + record, "sha256")


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

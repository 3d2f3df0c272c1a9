"""Asks a bridge, or another server of a JWK Set, whether it serves a key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .._jose.encoding import JsonLimits
from .._jose.jwk import PublicKey
from .._runtime.clock import Clock, monotonic_clock
from ..errors import TransportError
from .http import BoundedHttp

__all__ = ["Bridges"]

TIMEOUT: Final = 15.0
"""Seconds for one request; a bridge without a key set waits for the org for 10 seconds."""
MAX_BODY: Final = 128 * 1024
LIMITS: Final = JsonLimits(containers=500, members=5_000, values=5_000)
_MEMBERS: Final = ("kid", "kty", "n", "e")


class Bridges:
    """Servers of JWK Sets."""

    def __init__(
        self,
        urls: tuple[str, ...],
        *,
        verify: bool | str = True,
        proxies: Mapping[str, str] | None = None,
        clock: Clock = monotonic_clock,
    ) -> None:
        """Create it; nothing is sent.

        ``urls``: the URLs of the JWK Sets.
        ``verify``, ``proxies``: as for ``HookKeysClient``.
        ``clock``: a function that returns monotonic seconds. Default: ``time.monotonic``.
        """
        self.urls = urls
        self._clock = clock
        self._http = BoundedHttp(verify=verify, proxies=proxies, clock=clock)

    def serve(self, key: PublicKey) -> bool:
        """Return whether there are bridges and all of them serve this key now.

        A bridge that cannot be reached does not serve it.
        """
        return bool(self.urls) and all(self._serves(url, key.as_jwk()) for url in self.urls)

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._http.close()

    def _serves(self, url: str, wanted: Mapping[str, Any]) -> bool:
        deadline = self._clock() + TIMEOUT
        try:
            answer = self._http.send("GET", url, deadline=deadline, max_body=MAX_BODY)
            keys = answer.json_object(limits=LIMITS).get("keys")
        except TransportError:
            return False
        return (
            answer.status == 200
            and isinstance(keys, list)
            and any(
                isinstance(key, Mapping) and all(key.get(name) == wanted[name] for name in _MEMBERS)
                for key in keys
            )
        )

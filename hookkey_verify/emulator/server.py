"""OktaEmulator: the org, served by uvicorn in a thread on a free loopback port."""

from __future__ import annotations

import re
import secrets
import socket
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any

import uvicorn
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from ..clock import Clock, wall_clock
from ..errors import ConfigurationError
from ..signer import HookSigner
from .app import PublicShape, RequestLine, create_app
from .faults import Fault, Faults
from .oauth import ServiceApps
from .state import Org

__all__ = ["OktaEmulator"]

START_TIMEOUT = 10


class OktaEmulator:
    """A local Okta org over real HTTP. Use it as a context manager.

    ``url`` is the org URL while it runs, ``api_token`` what it accepts, ``requests`` the last
    10 000 requests that it answered.
    """

    def __init__(
        self,
        *,
        api_token: str | None = None,
        public_shape: PublicShape = "bare",
        rate_limit: int = 600,
        port: int = 0,
        new_key: Callable[[], RSAPrivateKey] | None = None,
        clock: Clock = wall_clock,
    ) -> None:
        """Prepare the org; ``start`` serves it.

        ``api_token`` None makes one; ``public_shape`` is "bare" or "wrapped"; ``rate_limit`` is in
        calls a minute; ``port`` 0 lets the system choose; ``new_key`` makes the RSA keys; ``clock``
        returns epoch seconds.

        Raises ``ConfigurationError`` naming the argument.
        """
        if public_shape not in ("bare", "wrapped"):
            raise ConfigurationError('public_shape must be "bare" or "wrapped"')
        if type(rate_limit) is not int or rate_limit < 1:
            raise ConfigurationError("rate_limit must be a positive number of calls a minute")
        if type(port) is not int or not 0 <= port <= 65_535:
            raise ConfigurationError("port must be a number from 0 to 65535")
        if api_token is not None and not _is_token(api_token):
            raise ConfigurationError("api_token must be printable ASCII without white space")
        self.api_token = secrets.token_urlsafe(32) if api_token is None else api_token
        self.requests: deque[RequestLine] = deque(maxlen=10_000)
        self.org = Org(clock=clock) if new_key is None else Org(new_key=new_key, clock=clock)
        self._apps = ServiceApps(clock=clock)
        self.faults = Faults()
        self.app = create_app(
            self.org,
            api_token=self.api_token,
            public_shape=public_shape,
            rate_limit=rate_limit,
            clock=clock,
            log=self.requests,
            apps=self._apps,
            faults=self.faults,
        )
        self._port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._url = ""

    def __repr__(self) -> str:
        return f"OktaEmulator({self._url or 'stopped'})"

    @property
    def url(self) -> str:
        """The org URL. Raises ``ConfigurationError`` while the emulator does not run."""
        if not self._url:
            raise ConfigurationError("the emulator is not running; use it in a with statement")
        return self._url

    def start(self) -> None:
        """Serve on a free port of 127.0.0.1. Raises ``ConfigurationError`` when that fails."""
        if self._server is not None:
            raise ConfigurationError("the emulator is running already")
        # asyncio sets TCP_NODELAY only where the protocol is named; without, answers wait 40 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", self._port))
        except OSError:
            listener.close()
            raise ConfigurationError(f"port {self._port} is not free") from None
        ready = threading.Event()
        server = _Server(ready, self.app)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="okta-emulator", daemon=True
        )
        thread.start()
        if not ready.wait(START_TIMEOUT):
            raise ConfigurationError(f"the emulator did not start within {START_TIMEOUT} seconds")
        self._server, self._thread = server, thread
        self._url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def stop(self) -> None:
        """Stop serving. Idempotent; keys and log are kept."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(START_TIMEOUT)
        self._server = self._thread = None
        self._url = ""

    def __enter__(self) -> OktaEmulator:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def create_key(self, name: str) -> dict[str, Any]:
        """Create a hook key without HTTP and return it as Okta would. Raises ``OktaError``."""
        return self.org.create({"name": name})

    def create_service_app(
        self,
        public_jwk: Mapping[str, Any],
        scopes: Collection[str] = ("okta.inlineHooks.read", "okta.inlineHooks.manage"),
        *,
        dpop: bool = False,
    ) -> str:
        """Register an API Services app with this public key; return its client id."""
        return self._apps.register(public_jwk, scopes, dpop=dpop)

    def revoke_tokens(self) -> None:
        """Make every access token that a service app was given invalid."""
        self._apps.revoke_all()

    def fail(
        self,
        status: int | None = None,
        *,
        delay: float = 0,
        after: bool = False,
        method: str | None = None,
        path: str = "/",
        times: int = 1,
    ) -> None:
        """Have the next requests fail, as ``Fault`` says. Raises ``ConfigurationError``."""
        self.faults.add(
            Fault(status=status, delay=delay, after=after, method=method, path=path, times=times)
        )

    def signer(self, key_id: str) -> HookSigner:
        """Return what signs as Okta would with the key whose ``keyId`` this is."""
        return self.org.signer(key_id)


def _is_token(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[\x21-\x7e]+", value) is not None


class _Server(uvicorn.Server):
    def __init__(self, ready: threading.Event, app: Any) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()

"""OktaEmulator: the org, served by uvicorn in a thread on a free loopback port."""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

import uvicorn
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from ..clock import Clock, wall_clock
from ..errors import ConfigurationError
from ..signer import HookSigner
from .app import Parts, PublicShape, RequestLine, create_app
from .authorization_server import AuthorizationServer
from .delivery import Deliverer, Delivery
from .faults import Fault, Faults
from .inline_hooks import InlineHooks
from .oauth import ServiceApps
from .state import Org, new_rsa_key

__all__ = ["OktaEmulator"]

START_TIMEOUT = 10
LAST_ANSWERS = 1.0
"""Seconds for what is being answered when the org is stopped."""


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
        make = new_key or new_rsa_key
        self.org = Org(new_key=make, clock=clock)
        self.hooks = InlineHooks(has_key=self.org.has, clock=clock)
        self.org.used_by_hooks = self.hooks.uses
        self._apps = ServiceApps(clock=clock)
        self.authorization_server = AuthorizationServer(self._apps, new_key=make, clock=clock)
        self.faults = Faults()
        self._deliverer = Deliverer(self.org.signer_of, clock=clock)
        self.app = create_app(
            Parts(
                keys=self.org,
                apps=self._apps,
                hooks=self.hooks,
                server=self.authorization_server,
                deliverer=self._deliverer,
                faults=self.faults,
            ),
            api_token=self.api_token,
            public_shape=public_shape,
            rate_limit=rate_limit,
            clock=clock,
            log=self.requests,
        )
        self._port = port
        self._server: _Server | None = None
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
            self._server.end()
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

    @property
    def issuer(self) -> str:
        """The issuer of the org's custom authorization server. Raises ``ConfigurationError``."""
        return f"{self.url}/oauth2/{self.authorization_server.id}"

    def create_hook(
        self,
        uri: str,
        type: str = "com.okta.oauth2.tokens.transform",  # noqa: A002 - Okta's name
        *,
        name: str = "Hook",
        key: Mapping[str, Any] | None = None,
        token_url: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        scope: str = "hooks",
        secret: tuple[str, str] | None = None,
    ) -> dict[str, Any]:
        """Create an inline hook without HTTP and return it as Okta would. Raises ``OktaError``.

        Without more it is called without credentials. ``secret`` is the name and value of an
        authentication header. ``key``, a hook key as ``create_key`` returns it, signs an assertion
        for ``token_url``; ``client_secret`` is sent there instead. Without ``token_url`` it is the
        org's own authorization server, which then gets to know the client.
        """
        if key is None and client_secret is None:
            scheme = secret and {"type": "HEADER", "key": secret[0], "value": secret[1]}
            channel = {"type": "HTTP", "config": {"uri": uri, "authScheme": scheme}}
            return self.hooks.create({"name": name, "type": type, "channel": channel})
        if token_url is None:
            token_url = f"{self.issuer}/v1/token"
            client_id = self._client_of_server(key, client_secret, scope)
        config: dict[str, Any] = {
            "uri": uri,
            "tokenUrl": token_url,
            "clientId": client_id,
            "scope": scope,
            "authType": "client_secret_post" if key is None else "private_key_jwt",
        }
        config |= {"clientSecret": client_secret} if key is None else {"hookKeyId": key["id"]}
        channel = {"type": "OAUTH", "config": config}
        return self.hooks.create({"name": name, "type": type, "channel": channel})

    def _client_of_server(
        self, key: Mapping[str, Any] | None, client_secret: str | None, scope: str
    ) -> str:
        if key is None:
            return self._apps.register_secret(client_secret or "", scope.split())
        jwk = self.org.signer_of(key["id"]).public_jwk()
        return self._apps.register(jwk, scope.split())

    def fire(self, hook_id: str, body: Mapping[str, Any] | None = None) -> Delivery:
        """Call an inline hook as Okta does, with realistic data unless ``body`` is given.

        Raises ``OktaError`` when there is no such hook.
        """
        return self._deliverer.fire(self.hooks.get(hook_id), body)

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
            )
        )
        self._ready = ready
        self._told = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._ready.set()

    def end(self) -> None:
        """End now. uvicorn's own loop looks ten times a second and then waits for as long again,
        which a fixture of every test would pay.
        """
        self.should_exit = True
        self._loop.call_soon_threadsafe(self._told.set)

    async def main_loop(self) -> None:
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), 0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        until = self._loop.time() + LAST_ANSWERS
        while (state.connections or state.tasks) and self._loop.time() < until:
            await asyncio.sleep(0.002)
        for connection in list(state.connections):
            connection.transport.abort()
        for task in list(state.tasks):
            task.cancel()
        await asyncio.sleep(0)

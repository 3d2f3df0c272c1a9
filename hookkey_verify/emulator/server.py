"""OktaEmulator serves a local org with uvicorn in a thread."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Collection, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from .._runtime.clock import Clock, wall_clock
from ..errors import ConfigurationError
from ..signer import HookSigner
from .address import is_loopback, listen, url_of
from .app import create_app
from .console import Console
from .faults import Fault, FaultKind
from .hook_keys_api import PublicShape
from .new_hook import HookRequest, handler_settings, new_hook
from .okta_error import OktaError
from .parts import Parts
from .rsa_keys import new_rsa_key
from .store import Store
from .thread_server import ThreadServer
from .verdict import Delivery

if TYPE_CHECKING:
    from .in_process import InProcess

__all__ = ["OktaEmulator"]

START_TIMEOUT: Final = 10


class OktaEmulator:
    """A local Okta org over real HTTP. Use it as a context manager.

    ``url``: the org URL while it runs. In a browser it shows the console.
    ``api_token``: the accepted API token.
    ``requests``: the last 10,000 requests.
    ``deliveries``: the last 200 calls of inline hooks.
    ``log``: the System Log.
    ``app``: the org as an ASGI application, for your own server.

    For example:

    >>> from hookkey_verify.emulator import OktaEmulator
    >>> with OktaEmulator() as okta:
    ...     okta.create_key("Token hook")["name"]
    ...     okta.url.startswith("http://127.0.0.1:")
    'Token hook'
    True
    """

    def __init__(
        self,
        *,
        api_token: str | None = None,
        public_shape: PublicShape = "bare",
        rate_limit: int = 600,
        host: str = "127.0.0.1",
        port: int = 0,
        i_know_this_is_not_okta: bool = False,
        state: str | PathLike[str] | None = None,
        new_key: Callable[[], RSAPrivateKey] | None = None,
        clock: Clock = wall_clock,
    ) -> None:
        """Prepare the org; ``start`` serves it.

        ``api_token``: the accepted API token. Default None: the stored one, or a random one.
        ``public_shape``: the format of public keys, "bare" (the default) or "wrapped".
        ``rate_limit``: the requests per minute, from 1. Default 600.
        ``host``: a local IP address. Default: "127.0.0.1".
        ``port``: the port, 0 to 65535. Default 0: the system chooses one.
        ``i_know_this_is_not_okta``: True allows a ``host`` that other machines can reach. Default
            False.
        ``state``: a file that stores keys, hooks, apps, API token and authorization server. Default
            None: in memory.
        ``new_key``: a function that generates RSA keys. Default None: new keys of 2048 bits.
        ``clock``: a function that returns epoch seconds. Default: the system clock.

        Raises ``ConfigurationError`` naming the argument.
        """
        _check(api_token, public_shape, rate_limit, port)
        any_host = not is_loopback(host)
        if any_host and i_know_this_is_not_okta is not True:
            raise ConfigurationError(
                "host must be a loopback address, unless i_know_this_is_not_okta=True: other "
                f"machines can reach {host}, and this org issues keys and tokens to all of them"
            )
        self._own_clock, self._skew = clock, 0.0
        self._store = Store(state)
        try:
            parts = Parts.assemble(self._store, api_token, new_key or new_rsa_key, self._clock)
        except OktaError as error:
            self._store.close()
            raise ConfigurationError(" ".join(error.causes)) from None
        self._parts = parts
        self.api_token, self.faults = parts.api_token, parts.faults
        self.requests, self.deliveries = parts.requests, parts.deliveries
        self.org, self.hooks = parts.keys, parts.hooks
        self.authorization_server = parts.server
        self.log = parts.log
        self._console = Console(parts, self, any_host=any_host)
        self.app = create_app(
            parts, console=self._console, public_shape=public_shape, rate_limit=rate_limit
        )
        self._host, self._port, self._url = host, port, ""
        self._server: ThreadServer | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"OktaEmulator({self._url or 'stopped'})"

    @property
    def url(self) -> str:
        """The org URL. Raises ``ConfigurationError`` while the emulator is not running."""
        if not self._url:
            raise ConfigurationError("the emulator is not running; use it in a with statement")
        return self._url

    def start(self) -> None:
        """Serve the org in a thread. Raises ``ConfigurationError`` if that fails."""
        if self._server is not None:
            raise ConfigurationError("the emulator is running already")
        listener = listen(self._host, self._port)
        ready = threading.Event()
        server = ThreadServer(ready, self.app)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="okta-emulator", daemon=True
        )
        thread.start()
        if not ready.wait(START_TIMEOUT):
            raise ConfigurationError(f"the emulator did not start within {START_TIMEOUT} seconds")
        self._server, self._thread = server, thread
        self._url = url_of(listener)

    def stop(self) -> None:
        """Stop serving. Idempotent. ``start`` continues with the same org."""
        if self._server is not None and self._thread is not None:
            self._console.stop()
            self._server.end()
            self._thread.join(START_TIMEOUT)
        self._server = self._thread = None
        self._url = ""

    def __enter__(self) -> OktaEmulator:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop and release the state file. Idempotent."""
        self.stop()
        self._store.close()

    def adapter(self) -> InProcess:
        """Return a transport adapter: ``session.mount("https://acme.okta.com/", adapter)``.

        ``session`` is a ``requests.Session``; install requests for it. The emulator need not be
        running.
        """
        from .in_process import InProcess  # noqa: PLC0415 - the only module that needs requests

        return InProcess(self.app)

    def create_key(self, name: str) -> dict[str, Any]:
        """Create a hook key without HTTP; return Okta's document. Raises ``OktaError``."""
        return self.org.create({"name": name})

    def delete_key(self, id: str) -> None:  # noqa: A002 - Okta's name
        """Delete a hook key, even if a hook uses it. Raises ``OktaError``."""
        self.org.remove(id)

    def create_service_app(
        self,
        public_jwk: Mapping[str, Any],
        scopes: Collection[str] = ("okta.inlineHooks.read", "okta.inlineHooks.manage"),
        *,
        dpop: bool = False,
    ) -> str:
        """Register an API Services app with this public key; return its client id."""
        return self._parts.apps.register(public_jwk, scopes, dpop=dpop)

    @property
    def issuer(self) -> str:
        """The issuer of the org's custom authorization server. Raises ``ConfigurationError``."""
        return self.authorization_server.issuer(self.url)

    def create_hook(
        self,
        uri: str,
        type: str = "com.okta.oauth2.tokens.transform",  # noqa: A002 - Okta's name
        *,
        name: str = "Hook",
        key: Mapping[str, Any] | str | None = None,
        token_url: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        scope: str | None = None,
        secret: tuple[str, str] | None = None,
        issuer: str | None = None,
    ) -> dict[str, Any]:
        """Create an inline hook without HTTP and return Okta's document.

        ``uri``: the URL of the handler.
        ``type``: one of Okta's six types of inline hook. Default: the token inline hook.
        ``name``: a unique name. Default: "Hook".
        ``key``: the hook key that signs client assertions for ``token_url``: the result of
            ``create_key``, a name or an id. Default None.
        ``token_url``: the token URL. Default None: that of the org's authorization server.
        ``client_id``: the client id at the token URL. Default None: a new one. The org's
            authorization server accepts it in both cases.
        ``client_secret``: sent to ``token_url`` instead of an assertion. Default None.
        ``scope``: the requested scopes, separated by spaces. Default None: "hooks".
        ``secret``: the name and value of an authentication header, instead of OAuth. Without key,
            client_secret and secret, the handler is called without credentials. Default None.
        ``issuer``: the issuer of the org's authorization server if ``app`` is served elsewhere.
            Default None: that of this emulator.

        In addition to Okta's members, ``_emulator`` has the values for configuring a handler:
        ``orgUrl`` and ``apiToken``; with OAuth ``tokenUrl``, ``clientId`` and ``scope``; with the
        org's authorization server also ``issuer`` and ``audience``.

        Raises ``OktaError``, including for arguments that exclude each other and for the client id
        of another client.
        """
        own = issuer or (self.issuer if self._url else None)
        made = new_hook(
            self._parts,
            HookRequest(uri, type, name, key, token_url, client_id, client_secret, scope, secret),
            issuer=own,
        )
        org_url = self._url or (own or "").partition("/oauth2/")[0]
        return {**made, "_emulator": handler_settings(self._parts, made, org_url, own)}

    def call_hook_for_tokens(self, hook_id: str | None) -> None:
        """Select a token inline hook in the rule of the authorization server; None: no hook.

        If the token URL of the hook is that of the server, its calls time out, because each token
        for the hook would call the hook. Raises ``OktaError`` if there is no such hook.
        """
        self._parts.rules.call(hook_id)

    def fire(
        self,
        hook_id: str,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        variant: str | None = None,
    ) -> Delivery:
        """Call an inline hook like Okta.

        ``hook_id``: the id of the hook.
        ``body``: the event; bytes are sent as they are. Default None: a realistic event.
        ``variant``: the variant of that event, such as "refresh". Default None: the type's first
            one in ``hookkey_verify.emulator.payloads.VARIANTS``.

        Raises ``OktaError`` if the hook does not exist, and ``ConfigurationError`` for an unknown
        variant, and for one together with ``body``.
        """
        return self._parts.deliverer.fire(self.hooks.get(hook_id), body, variant=variant)

    def access_token(
        self,
        client_id: str,
        *,
        audience: str | None = None,
        scopes: Collection[str] = ("hooks",),
    ) -> str:
        """Return an access token of the org's authorization server, with ``issuer`` as ``iss``.

        ``client_id``: the ``cid``; the client need not be registered.
        ``audience``: the ``aud``. Default None: "api://hooks", the audience of the server.
        ``scopes``: the ``scp``.

        Raises ``ConfigurationError`` naming the argument, or while the emulator is not running.
        """
        if isinstance(scopes, str) or not isinstance(scopes, Collection):
            raise ConfigurationError("scopes must be a list of scope names")
        server = self.authorization_server
        return server.access_token(self.issuer, client_id, frozenset(scopes), audience=audience)

    def revoke_tokens(self) -> None:
        """Revoke all access tokens of service apps."""
        self._parts.tokens.revoke_all()

    def skew(self, seconds: float) -> None:
        """Set the org's clock ahead by this number of seconds; a negative one sets it back.

        Raises ``ConfigurationError`` naming the argument.
        """
        if type(seconds) not in (int, float) or not math.isfinite(seconds) or abs(seconds) > 1e9:
            raise ConfigurationError("seconds must be a number from -1e9 to 1e9")
        self._skew = float(seconds)

    @property
    def skewed(self) -> float:
        """The seconds by which the org's clock is ahead; see ``skew``."""
        return self._skew

    def fail(
        self,
        what: int | FaultKind | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        delay: float = 0,
        after: bool = False,
        method: str | None = None,
        path: str = "/",
        times: int = 1,
    ) -> None:
        """Inject a ``Fault`` into the next requests.

        ``what``: a status (400 to 599), "reset", "garbage", "truncated" or "slow". Default None:
            the normal response.
        ``headers``: headers that replace those of the response. Default None.
        ``delay``: seconds, 0 to 60, to wait before the response; for "slow", the duration of the
            response. Default 0.
        ``after``: whether to carry out the request before failing. Default False.
        ``method``: only requests with this method. Default None: any method.
        ``path``: only requests whose path begins with this. Default: "/".
        ``times``: the number of requests, from 1. Default 1.

        Raises ``ConfigurationError`` naming the argument.
        """
        self.faults.add(
            Fault(
                what=what,
                headers=headers or {},
                delay=delay,
                after=after,
                method=method,
                path=path,
                times=times,
            )
        )

    def signer(self, key_id: str) -> HookSigner:
        """Return the signer of the key with this ``keyId``."""
        return self.org.signer(key_id)

    def _clock(self) -> float:
        return self._own_clock() + self._skew


def _check(api_token: object, public_shape: object, rate_limit: object, port: object) -> None:
    if public_shape not in ("bare", "wrapped"):
        raise ConfigurationError('public_shape must be "bare" or "wrapped"')
    if type(rate_limit) is not int or rate_limit < 1:
        raise ConfigurationError("rate_limit must be a positive number of calls a minute")
    if type(port) is not int or not 0 <= port <= 65_535:
        raise ConfigurationError("port must be a number from 0 to 65535")
    if api_token is not None and not _is_token(api_token):
        raise ConfigurationError("api_token must be printable ASCII without white space")


def _is_token(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[\x21-\x7e]+", value) is not None

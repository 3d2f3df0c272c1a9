"""The console of an org: one server-rendered page without scripts or external assets.

It requires no credentials, so it must not be usable by other web pages. It answers only requests to
local host names, which prevents DNS rebinding, and accepts forms only with the secret in the page.
The only secret on the page is the org's API token, and only under local host names. It shows no
token except a pasted one.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from anyio import CapacityLimiter, to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from .._runtime.version import __version__
from ..errors import ConfigurationError
from .delivery import Deliverer, Event
from .inline_hooks import EVENT_TYPES, EmulatedHook
from .inspector import Inspection, inspect
from .okta_error import OktaError, invalid
from .parts import Parts
from .payloads import VARIANTS
from .verdict import Delivery

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["Console", "org_url"]

MAX_FORM: Final = 64 * 1024
SHOWN: Final = 10
"""The number of deliveries on the page, the latest first."""

Act = Callable[[Request, Mapping[str, str]], Awaitable[Response]]


class Console:
    """Serves the page at ``/`` and its forms."""

    def __init__(
        self,
        parts: Parts,
        create_hook: Callable[..., object],
        *,
        any_host: bool,
    ) -> None:
        """Create a console.

        ``parts``: the parts of the org.
        ``create_hook``: the method of ``OktaEmulator``.
        ``any_host``: whether to accept any host name, for an org that is not local.
        """
        self._keys, self._hooks, self._server = parts.keys, parts.hooks, parts.server
        self._parts = parts
        self._create = create_hook
        self._any_host = any_host
        self._secret = secrets.token_urlsafe(32)

    def routes(self) -> list[Route]:
        """Return the routes of the console."""
        return [
            Route("/", self._home, methods=["GET"]),
            *(
                Route(f"/console/{name}", self._form(act), methods=["POST"])
                for name, act in (
                    ("create-key", self._create_key),
                    ("create-hook", self._create_hook),
                    ("fire", self._fire),
                    ("inspect", self._inspect),
                )
            ),
        ]

    async def _home(self, request: Request) -> Response:
        if not self._is_local(request):
            return _text("The console responds only under local host names.", 403)
        return await run_in_threadpool(self._page, request)

    def _form(self, act: Act) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            if not self._is_local(request):
                return _text("The console responds only under local host names.", 403)
            body = bytearray()
            with suppress(ClientDisconnect):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > MAX_FORM:
                        return _text("The form is too large.", 413)
            form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
            given = form.get("secret", "").encode()
            if not secrets.compare_digest(given, self._secret.encode()):
                return _text("The page is from an earlier start of the emulator: reload it.", 403)
            try:
                return await act(request, form)
            except OktaError as error:
                words = " ".join(error.causes) or error.summary
                return await run_in_threadpool(self._page, request, problem=words)

        return respond

    def _is_local(self, request: Request) -> bool:
        try:
            host = urlsplit("//" + request.headers.get("host", "")).hostname
        except ValueError:
            return False
        return self._any_host or _is_local(host)

    async def _create_key(self, request: Request, form: Mapping[str, str]) -> Response:
        await run_in_threadpool(self._keys.create, {"name": form.get("name", "").strip()})
        return _back(request, "keys")

    async def _create_hook(self, request: Request, form: Mapping[str, str]) -> Response:
        token_url, client_id = form.get("token_url", "").strip(), form.get("client_id", "").strip()
        key = form.get("key")
        await run_in_threadpool(
            self._create,
            form.get("uri", "").strip(),
            form.get("type", ""),
            name=form.get("name", "").strip(),
            key=self._keys.get(key) if key else None,
            token_url=token_url or None,
            client_id=client_id or None,
            issuer=self._issuer(request),
        )
        return _back(request, "hooks")

    async def _fire(self, request: Request, form: Mapping[str, str]) -> Response:
        hook = self._hooks.get(form.get("hook", ""))
        await fire_in_thread(self._parts.deliverer, hook, variant=form.get("variant") or None)
        return _back(request, "deliveries")

    async def _inspect(self, request: Request, form: Mapping[str, str]) -> Response:
        inspection = await run_in_threadpool(
            inspect,
            form.get("token", ""),
            keys=self._keys,
            hooks=self._hooks,
            server=self._server,
            issuer=self._issuer(request),
            now=self._parts.clock(),
        )
        return await run_in_threadpool(self._page, request, inspection=inspection)

    def _issuer(self, request: Request) -> str:
        return f"{org_url(request)}/oauth2/{self._server.id}"

    def _facts(self, request: Request) -> list[tuple[str, str]]:
        """Return the values for configuring handlers and clients of this org."""
        issuer = self._issuer(request)
        return [
            ("Org URL", org_url(request)),
            ("API token", "on the terminal" if self._any_host else self._parts.api_token),
            ("Issuer", issuer),
            ("Audience", self._server.audience),
            ("Scope", "hooks"),
            ("Token URL", f"{issuer}/v1/token"),
        ]

    def _page(
        self, request: Request, *, inspection: Inspection | None = None, problem: str = ""
    ) -> Response:
        hooks = self._hooks.all()
        names = {hook.id: hook.name for hook in hooks}
        nonce = secrets.token_urlsafe(16)
        html = _template().render(
            version=__version__,
            org_url=org_url(request),
            facts=self._facts(request),
            keys=[self._keys.get(key["id"], expand=True) for key in self._keys.list()],
            hooks=[(hook, _authentication(hook)) for hook in hooks],
            deliveries=[
                (names.get(each.hook_id, each.hook_id), _time(each.at), each)
                for each in list(self._parts.deliveries)[-SHOWN:][::-1]
            ],
            types=EVENT_TYPES,
            variants=VARIANTS,
            inspection=inspection,
            problem=problem,
            secret=self._secret,
            nonce=nonce,
        )
        page = html.encode("utf-8", "replace")  # a token may contain a lone surrogate
        response = Response(page, 400 if problem else 200, media_type="text/html; charset=utf-8")
        response.headers.update(_protected(nonce))
        return response


def _is_local(host: str | None) -> bool:
    """Return whether a host is localhost or a loopback address; other names can be rebound."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


async def fire_in_thread(
    deliverer: Deliverer,
    hook: EmulatedHook,
    body: Event | None = None,
    *,
    variant: str | None = None,
    retry: bool = False,
) -> Delivery:
    """Call the hook in a separate thread, because it may request a token from this org.

    In the thread pool for requests, deliveries could occupy all threads and wait for each other.
    Raises ``OktaError`` for an unknown variant, and for one together with a body.
    """
    fire = partial(deliverer.fire, hook, body, variant=variant, retry=retry)
    try:
        return await to_thread.run_sync(fire, limiter=CapacityLimiter(1))
    except ConfigurationError as error:
        raise invalid("variant", error.detail) from None


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - only for pages

    environment = Environment(
        loader=PackageLoader("hookkey_verify.emulator", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("console.html")


def org_url(request: Request) -> str:
    """Return the URL of the org in this request; it may be mounted below a path."""
    url, below = request.url, request.scope.get("root_path", "")
    return f"{url.scheme}://{url.netloc}{below}".rstrip("/")


def _protected(nonce: str) -> dict[str, str]:
    policy = (
        f"default-src 'none'; img-src data:; style-src 'nonce-{nonce}'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def _text(words: str, status: int) -> Response:
    return Response(words + "\n", status, media_type="text/plain", headers=_protected("none"))


def _back(request: Request, place: str) -> Response:
    return RedirectResponse(f"{org_url(request)}/#{place}", 303)


def _authentication(hook: EmulatedHook) -> str:
    if hook.auth_type is not None:
        return hook.auth_type
    return f"header {hook.auth_header[0]}" if hook.auth_header else "none"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")

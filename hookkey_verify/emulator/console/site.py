"""The console over HTTP: its page, its forms and its events.

The page is complete without scripts. Its one inline script adds copy buttons, local times and
updates. The only secret on the page is the org's API token, and only under local host names. It
shows no other token and no hook secret.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ..._runtime.version import __version__
from ...errors import ConfigurationError
from ...hooks.rules import EVENT_TYPES
from ..hook_keys import MAX_KEYS
from ..inline_hooks import MAX_HOOKS
from ..inspector import Inspection, inspect
from ..okta_error import OktaError
from ..parts import Parts
from ..payloads import VARIANTS
from .actions import DONE, Actions, fire_in_thread
from .changes import Changes
from .forms import FormState, blank_hook, hook_values, refused
from .request import Gate, org_url, protected
from .rows import KINDS, DeliveryRow, HookRow, KeyRow, moment, sentence
from .steps import FIRST_HOOK, Steps, handler_code
from .view import Page, PageView, paged

if TYPE_CHECKING:
    from jinja2 import Template

    from ..server import OktaEmulator

__all__ = ["Console", "fire_in_thread"]

_FAULTS: Final = ("500", "503", "429", "401", "403", "404", "reset", "garbage", "truncated", "slow")
_LIMITS: Final = {"keys": MAX_KEYS, "hooks": MAX_HOOKS}


class Console:
    """Serves the page at ``/`` and its forms below ``/console/``."""

    def __init__(self, parts: Parts, okta: OktaEmulator, *, any_host: bool) -> None:
        """Create a console.

        ``parts``: the parts of the org.
        ``okta``: the org.
        ``any_host``: whether to accept any host name, for an org that is not local.
        """
        self._parts, self._okta = parts, okta
        self._any_host = any_host
        self._gate = Gate(any_host=any_host)
        self._actions = Actions(parts, okta)
        self._changes = Changes(self._state)

    def routes(self) -> list[Route]:
        """Return the routes of the console."""
        return [
            Route("/", self._home, methods=["GET"]),
            Route("/console/events", self._events, methods=["GET"]),
            Route("/console/inspect", self._inspect, methods=["POST"]),
            Route("/console/{form}", self._to_page, methods=["GET"]),
            *(
                Route(f"/console/{name}", self._form(name), methods=["POST"])
                for name in self._actions.names
            ),
        ]

    def stop(self) -> None:
        """End the streams of events, so that the server can stop."""
        self._changes.stop()

    def _state(self) -> object:
        """Return what the lists of the page are made of."""
        parts = self._parts
        keys = [(key["id"], key["lastUpdated"], key["name"]) for key in parts.keys.list()]
        last = parts.deliveries[-1].id if parts.deliveries else ""
        return keys, parts.hooks.all(), last, parts.faults.pending(), self._okta.skewed

    async def _home(self, request: Request) -> Response:
        refusal = self._gate.refusal(request)
        return await run_in_threadpool(self._page, request) if refusal is None else refusal

    async def _to_page(self, request: Request) -> Response:
        """Redirect from the address of a form, which a browser shows after a refused form."""
        view = PageView.of(request.query_params)
        page = (
            f"{org_url(request)}/{view.query(edit=view.edit, delete=view.delete, event=view.event)}"
        )
        return self._gate.refusal(request) or RedirectResponse(page, 303)

    async def _events(self, request: Request) -> Response:
        refusal = self._gate.refusal(request) or self._gate.foreign(request)
        known = request.headers.get("last-event-id") or request.query_params.get("after", "")
        return refusal or self._changes.respond(known)

    def _form(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            form = await self._gate.form(request)
            if isinstance(form, Response):
                return form
            try:
                done = await self._actions.perform(name, form, self._issuer(request))
            except (OktaError, ConfigurationError) as error:
                state = refused(name, form, error)
                return await run_in_threadpool(self._page, request, state)
            query = PageView.of(request.query_params).query(**done.view, done=done.name)
            return RedirectResponse(f"{org_url(request)}/{query}#{done.place}", 303)

        return respond

    async def _inspect(self, request: Request) -> Response:
        """Show the checks of a pasted token, which is neither kept nor logged."""
        form = await self._gate.form(request)
        if isinstance(form, Response):
            return form
        seen = await run_in_threadpool(self._seen, request, form.get("token", ""))
        return await run_in_threadpool(self._page, request, inspection=seen)

    def _seen(self, request: Request, token: str, now: float | None = None) -> Inspection:
        parts = self._parts
        return inspect(
            token,
            keys=parts.keys,
            hooks=parts.hooks,
            server=parts.server,
            issuer=self._issuer(request),
            now=parts.clock() if now is None else now,
        )

    def _issuer(self, request: Request) -> str:
        return self._parts.server.issuer(org_url(request))

    def _facts(self, request: Request) -> list[tuple[str, str]]:
        """Return the values for configuring handlers and clients of this org."""
        issuer = self._issuer(request)
        return [
            ("Org URL", org_url(request)),
            ("API token", "on the terminal" if self._any_host else self._parts.api_token),
            ("Issuer", issuer),
            ("Audience", self._parts.server.audience),
            ("Scope", "hooks"),
            ("Token URL", f"{issuer}/v1/token"),
        ]

    def _lists(self, request: Request, view: PageView) -> dict[str, Page[Any]]:
        """Return the rows of the three lists."""
        hooks = self._parts.hooks.all()
        keys = {key["id"]: key for key in self._parts.keys.list()}
        by_id = {hook.id: hook for hook in hooks}

        def seen(token: str, now: float) -> Inspection:
            return self._seen(request, token, now)

        key_rows = [
            KeyRow(
                key,
                [hook.name for hook in hooks if hook.hook_key_id == id_],
                self._parts.keys.public_key(key["keyId"]),
            )
            for id_, key in keys.items()
        ]
        hook_rows = [
            HookRow(hook, keys.get(hook.hook_key_id or "", {}).get("name", "")) for hook in hooks
        ]
        deliveries = [
            DeliveryRow(each, by_id.get(each.hook_id), seen)
            for each in reversed(list(self._parts.deliveries))
        ]
        return {
            "keys": paged(key_rows, view.keys, view.q, view.open),
            "hooks": paged(hook_rows, view.hooks, view.q, view.open),
            "deliveries": paged(deliveries, view.deliveries, view.q, view.open),
        }

    def _chosen(self, request: Request, view: PageView) -> dict[str, Any]:
        """Return the keys and hooks that the page has a form for, and the inspected token."""
        keys = {key["id"]: key for key in self._parts.keys.list()}
        hooks = {hook.id: hook for hook in self._parts.hooks.all()}
        own = f"{self._issuer(request)}/v1/token"
        edited = hooks.get(view.edit)
        id_, _, number = view.token.partition(".")
        tokens = [
            step.token
            for each in list(self._parts.deliveries)
            if each.id == id_
            for index, step in enumerate(each.steps)
            if str(index) == number and step.token
        ]
        return {
            "edit_key": keys.get(view.edit),
            "edit_hook": edited and hook_values(edited, own),
            "delete_key": keys.get(view.delete),
            "delete_hook": hooks.get(view.delete),
            "event_hook": hooks.get(view.event),
            "inspection": self._seen(request, tokens[0]) if tokens else None,
        }

    def _page(
        self,
        request: Request,
        state: FormState | None = None,
        *,
        inspection: Inspection | None = None,
    ) -> Response:
        number = self._changes.number()  # before the lists, so that no change is missed
        parts, view = self._parts, PageView.of(request.query_params)
        chosen = self._chosen(request, view)
        lists = self._lists(request, view)
        view = view.at(*(lists[name].number for name in ("keys", "hooks", "deliveries")))
        totals = {name: page.total for name, page in lists.items()}
        all_keys = parts.keys.list()
        fired = bool(totals["deliveries"])
        nonce = secrets.token_urlsafe(16)
        html = _template().render(
            version=__version__,
            org_url=org_url(request),
            state=state or FormState(),
            number=number,
            facts=self._facts(request),
            code=handler_code(self._issuer(request), parts.server.audience),
            steps=Steps(bool(totals["keys"]), bool(totals["hooks"]), fired),
            first=FIRST_HOOK,
            all_keys=all_keys,
            blank=blank_hook(all_keys[0]["id"] if all_keys else ""),
            faults=parts.faults.pending(),
            fault_kinds=_FAULTS,
            now=moment(parts.clock()),
            skewed=self._okta.skewed,
            types=[(each, KINDS[each].label) for each in EVENT_TYPES],
            limits=_LIMITS,
            events=[(name, name.replace("-", " ")) for name in VARIANTS[event.type]]
            if (event := chosen["event_hook"])
            else [],
            done=DONE.get(view.done, ""),
            secret=self._gate.secret,
            view=view,
            nonce=nonce,
            **lists,
            **{**chosen, "inspection": inspection or chosen["inspection"]},
        )
        page = html.encode("utf-8", "replace")  # a token may contain a lone surrogate
        status = 400 if state else 200
        headers = protected(nonce)
        return Response(page, status, headers, media_type="text/html; charset=utf-8")


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - only for pages

    environment = Environment(
        loader=PackageLoader("hookkey_verify.emulator.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sentence"] = sentence
    return environment.get_template("page.html")

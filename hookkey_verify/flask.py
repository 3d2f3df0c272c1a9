"""Protect the views of Flask.

::

    @app.post("/hook")
    @protect(verifier)
    def hook(): ...                     # current_hook is the VerifiedHook
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, ParamSpec, TypeVar, cast, overload
from weakref import WeakSet

from .configured import configured_verifier
from .endpoint import Endpoint, announced_length, checked, received, request_headers
from .errors import ConfigurationError
from .guard import (
    Guard,
    HttpAnswer,
    HttpRefusal,
    OnRefusal,
    RequestVerifier,
    decorated,
    environ_headers,
)
from .log import logger
from .verifier import VerifiedHook

try:
    from flask import Blueprint, Flask, Response, current_app, g, request
    from werkzeug.local import LocalProxy
except ImportError as error:
    raise ImportError(f"{error}; pip install 'hookkey_verify[flask]'") from None

__all__ = ["HookKeyVerify", "current_hook", "protect", "serve"]

P = ParamSpec("P")
R = TypeVar("R")

_inner_views: WeakSet[Callable[..., Any]] = WeakSet()
"""What was wrapped: never to be called by Flask itself."""


def _current() -> VerifiedHook:
    hook = g.get("hook")
    if not isinstance(hook, VerifiedHook):
        raise ConfigurationError("current_hook is there in protected views only")
    return hook


current_hook = cast(VerifiedHook, LocalProxy(_current))
"""The hook that this request was verified as; also ``g.hook``."""


class HookKeyVerify:
    """The extension: one verifier for an application, from arguments or from its config."""

    def __init__(
        self,
        app: Flask | None = None,
        verifier: RequestVerifier | None = None,
        *,
        on_refusal: OnRefusal | None = None,
        event_hook: bool = False,
    ) -> None:
        """Without ``verifier`` it is made of ``app.config``, see ``configured_verifier``.

        The other arguments are those of ``Guard``. Raises ``ConfigurationError``.
        """
        self._verifier = verifier
        self._options: dict[str, Any] = {"on_refusal": on_refusal, "event_hook": event_hook}
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Prepare an application; one extension may serve several."""
        verifier: RequestVerifier = self._verifier or configured_verifier(app.config)
        app.extensions["hookkey_verify"] = Guard(verifier, **self._options)
        app.before_request(_refuse_wrong_order)

    def required(self, view: Callable[P, R]) -> Callable[P, R]:
        """Protect one view; goes below ``@app.route``."""
        return _wrapped(view, _configured_guard)

    def protect(self, blueprint: Blueprint) -> Blueprint:
        """Protect all views of a blueprint, those included that are added later."""
        blueprint.before_request(_before_request)
        return blueprint


@overload
def protect(view: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def protect(
    verifier: RequestVerifier | None = None,
    /,
    *,
    on_refusal: OnRefusal | None = None,
    event_hook: bool = False,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def protect(first: Any = None, /, **options: Any) -> Any:
    """Let a view run for verified requests only; goes below ``@app.route``.

    ``@protect(verifier)`` with the arguments of ``Guard``; bare ``@protect`` with what the
    application's ``HookKeyVerify`` has. Raises ``ConfigurationError``.
    """
    return decorated(first, options, _configured_guard, _wrapped)


def serve(endpoint: Endpoint) -> Callable[[], Response]:
    """Return a view that answers with an endpoint: ``app.post("/token")(serve(endpoint))``.

    It reads the body itself, so nothing may read it before, such as ``request.form``.

    Raises ``ConfigurationError``.
    """
    checked(endpoint)

    def view() -> Response:
        length = announced_length(request.environ)
        body = received(request.stream.read, endpoint.max_body + 1, length)
        answer = endpoint.respond(request.method, request_headers(request.environ), body)
        return Response(answer.body, answer.status, list(answer.headers))

    view.__name__ = f"{type(endpoint).__name__}_{id(endpoint):x}"  # views have names of their own
    return view


def _configured_guard() -> Guard:
    guard = current_app.extensions.get("hookkey_verify")
    if not isinstance(guard, Guard):
        raise ConfigurationError("the application has no HookKeyVerify: HookKeyVerify(app)")
    return guard


def _wrapped(view: Callable[P, R], guard: Callable[[], Guard]) -> Callable[P, R]:
    with suppress(TypeError):  # a callable object that cannot be remembered weakly
        _inner_views.add(view)
    return cast(Callable[P, R], (_awaited if iscoroutinefunction(view) else _called)(view, guard))


def _called(view: Any, guard: Callable[[], Guard]) -> Any:
    @wraps(view)
    def protected(*args: Any, **kwargs: Any) -> Any:
        outcome = guard().check(environ_headers(request.environ), request.method)
        return _refusal(outcome) or view(*args, **kwargs)

    return protected


def _awaited(view: Any, guard: Callable[[], Guard]) -> Any:
    @wraps(view)
    async def protected(*args: Any, **kwargs: Any) -> Any:
        outcome = await guard().acheck(environ_headers(request.environ), request.method)
        return _refusal(outcome) or await view(*args, **kwargs)

    return protected


def _before_request() -> Response | None:
    outcome = _configured_guard().check(environ_headers(request.environ), request.method)
    return _refusal(outcome)


def _refusal(outcome: VerifiedHook | HttpAnswer) -> Response | None:
    """What to answer; None when the request may go on, which then has its hook."""
    if isinstance(outcome, VerifiedHook):
        g.hook = outcome
        return None
    g.pop("hook", None)
    return Response(outcome.body, outcome.status, list(outcome.headers))


def _refuse_wrong_order() -> Response | None:
    """Without this, a view that is protected above ``@app.route`` would run for everybody."""
    view: Any = current_app.view_functions.get(request.endpoint or "")
    if view not in _inner_views:
        return None
    error = ConfigurationError("protect must stand below @app.route")
    logger.error("%s", error)
    return _refusal(HttpRefusal.of(error))

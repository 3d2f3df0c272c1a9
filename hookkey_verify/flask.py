"""Protect the views of Flask.

::

    hooks = HookKeyVerify(app, verifier)

    @app.post("/hook")
    @hooks.required
    def hook(): ...                     # current_hook is the VerifiedHook

The extension refuses requests before Flask calls a view, so ``@hooks.required`` may stand above or
below ``@app.post``. Without the extension there is ``@protect(verifier)``, which must stand below.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection
from functools import wraps
from inspect import iscoroutinefunction
from types import BuiltinFunctionType, CellType, FunctionType
from typing import Any, ParamSpec, TypeVar, cast, overload
from weakref import WeakValueDictionary

from ._configured import configured_verifier
from ._runtime.log import logger
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
from .verifier import VerifiedHook

try:
    from flask import Blueprint, Flask, Response, current_app, g, request
    from werkzeug.local import LocalProxy
except ImportError as error:
    raise ImportError(f"{error}; pip install 'hookkey_verify[flask]'") from None

__all__ = ["HookKeyVerify", "current_hook", "protect", "serve"]

P = ParamSpec("P")
R = TypeVar("R")

MAX_LAYERS = 1_000
"""Objects that are looked at to find what a view wraps."""
MAX_HELD = 50
"""Elements of a container in which a view is looked for."""

_PASSED = "hookkey_verify.flask.passed"
"""Where the environ of a request has the ``Guard`` that let it pass."""


class _Views:
    """Views by identity, because not all of them can be hashed; kept alive only where they must."""

    def __init__(self) -> None:
        self._weakly: WeakValueDictionary[int, Any] = WeakValueDictionary()
        self._strongly: dict[int, Any] = {}

    def add(self, view: Any) -> None:
        try:
            self._weakly[id(view)] = view
        except TypeError:  # cannot be referred to weakly
            self._strongly[id(view)] = view

    def __contains__(self, view: Any) -> bool:
        return id(view) in self._weakly or id(view) in self._strongly


_required = _Views()
"""Views that the extension refuses unverified requests to."""
_inner = _Views()
"""Views that ``protect`` wrapped. Flask must not call them itself."""
_protecting = _Views()
"""What ``protect`` made of them."""


def _current() -> VerifiedHook:
    hook = g.get("hook")
    if not isinstance(hook, VerifiedHook):
        raise ConfigurationError(
            "current_hook is there in protected views only; behind the middleware of "
            'hookkey_verify.wsgi the hook is request.environ["hookkey_verify.hook"]'
        )
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
        if app is not None and not isinstance(app, Flask):
            raise ConfigurationError(
                "app must be a Flask application: HookKeyVerify(app, verifier), or "
                "HookKeyVerify(verifier=verifier) and init_app(app)"
            )
        self._verifier = verifier
        self._options: dict[str, Any] = {"on_refusal": on_refusal, "event_hook": event_hook}
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Prepare an application; one extension may serve several.

        Raises ``ConfigurationError``, also when the application has an extension already: which of
        two verifiers a view is protected with must not depend on the order of statements.
        """
        if "hookkey_verify" in app.extensions:
            raise ConfigurationError(
                "the application has a HookKeyVerify already; protect views that need another "
                "verifier with @protect(verifier)"
            )
        verifier: RequestVerifier = self._verifier or configured_verifier(app.config)
        app.extensions["hookkey_verify"] = Guard(verifier, **self._options)
        app.before_request(_before_view)

    def required(self, view: Callable[P, R]) -> Callable[P, R]:
        """Protect one view, above or below ``@app.route`` and other decorators."""
        protected = _wrapped(view, _configured_guard)
        for layer in (protected, *_layers(view)):
            _required.add(layer)
        return protected

    def protect(self, blueprint: Blueprint) -> Blueprint:
        """Protect all views of a blueprint, including those that are added later."""
        blueprint.before_request(_before_blueprint)
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
    """Let a view run for verified requests only; must stand below ``@app.route``.

    Above it Flask keeps the unprotected function, which only an application with ``HookKeyVerify``
    notices: it answers 500 and logs why. ``@protect(verifier)`` takes the arguments of ``Guard``;
    bare ``@protect`` uses the verifier of the application's ``HookKeyVerify``.

    Raises ``ConfigurationError``.
    """
    return decorated(first, options, _configured_guard, _protected)


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
        return _answered(answer)

    view.__name__ = f"{type(endpoint).__name__}_{id(endpoint):x}"  # views have names of their own
    return view


def _configured_guard() -> Guard:
    guard = current_app.extensions.get("hookkey_verify")
    if not isinstance(guard, Guard):
        raise ConfigurationError("the application has no HookKeyVerify: HookKeyVerify(app)")
    return guard


def _protected(view: Callable[P, R], guard: Callable[[], Guard]) -> Callable[P, R]:
    for layer in _layers(view):
        _inner.add(layer)
    protected = _wrapped(view, guard)
    _protecting.add(protected)
    return protected


def _layers(view: Any) -> Collection[Any]:
    """A view and whatever it wraps, because Flask may have been given any of it.

    Not what ``protect`` wrapped: that is called for verified requests only.
    """
    layers: dict[int, Any] = {}
    waiting = [view]
    while waiting and len(layers) < MAX_LAYERS:
        layer = waiting.pop()
        if id(layer) not in layers:
            layers[id(layer)] = layer
            if layer not in _protecting:
                waiting += filter(_may_wrap, _held_by(layer))
    return [layer for layer in layers.values() if callable(layer)]


def _held_by(layer: Any) -> list[Any]:
    """What a decorator remembers: closures and defaults of a function, everything of an object."""
    if isinstance(layer, FunctionType):
        defaults = (*(layer.__defaults__ or ()), *(layer.__kwdefaults__ or {}).values())
        return [*(layer.__closure__ or ()), *defaults, *vars(layer).values()]
    return gc.get_referents(layer)


def _may_wrap(held: Any) -> bool:
    """Whether a decorator can keep a view in this: a callable, or a cell or a container of some."""
    kind = type(held)  # not isinstance, for which a proxy such as flask.session looks itself up
    if kind in (tuple, list, dict, set):
        return len(held) <= MAX_HELD  # more than that is data
    if kind is CellType:
        return True
    return callable(held) and not issubclass(kind, _WRAPS_NOTHING)


_WRAPS_NOTHING = (type, BuiltinFunctionType, Flask, Blueprint, LocalProxy)


def _wrapped(view: Callable[P, R], guard: Callable[[], Guard]) -> Callable[P, R]:
    return cast(Callable[P, R], (_awaited if iscoroutinefunction(view) else _called)(view, guard))


def _called(view: Any, guard: Callable[[], Guard]) -> Any:
    @wraps(view)
    def protected(*args: Any, **kwargs: Any) -> Any:
        return _refuse_unverified(guard()) or view(*args, **kwargs)

    return protected


def _awaited(view: Any, guard: Callable[[], Guard]) -> Any:
    @wraps(view)
    async def protected(*args: Any, **kwargs: Any) -> Any:
        judge = guard()
        if not _has_passed(judge):
            outcome = await judge.acheck(environ_headers(request.environ), request.method)
            refusal = _refusal(judge, outcome)
            if refusal is not None:
                return refusal
        return await view(*args, **kwargs)

    return protected


def _before_view() -> Response | None:
    """Judge the views that only an extension can protect, in whatever order they are decorated."""
    view = current_app.view_functions.get(request.endpoint or "")
    layers = [view] if view in _required else _layers(view)
    if any(layer in _required for layer in layers):
        return _refuse_unverified(_configured_guard())
    if not any(layer in _inner for layer in layers):
        return None
    error = ConfigurationError("protect must stand below @app.route; use hooks.required")
    logger.error("%s", error)
    return _answered(HttpRefusal.of(error))


def _before_blueprint() -> Response | None:
    return _refuse_unverified(_configured_guard())


def _refuse_unverified(guard: Guard) -> Response | None:
    """What to answer; None when the request may go on, which then has its hook."""
    if _has_passed(guard):
        return None
    return _refusal(guard, guard.check(environ_headers(request.environ), request.method))


def _has_passed(guard: Guard) -> bool:
    return request.environ.get(_PASSED) is guard


def _refusal(guard: Guard, outcome: VerifiedHook | HttpAnswer) -> Response | None:
    if isinstance(outcome, VerifiedHook):
        g.hook = outcome
        request.environ[_PASSED] = guard
        return None
    g.pop("hook", None)
    return _answered(outcome)


def _answered(answer: HttpAnswer) -> Response:
    return Response(answer.body, answer.status, list(answer.headers))

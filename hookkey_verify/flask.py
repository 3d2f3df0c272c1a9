"""Protect Flask views.

::

    hooks = HookKeyVerify(app, verifier)

    @app.post("/hook")
    @hooks.required
    def hook(): ...                     # current_hook is the VerifiedHook

The extension refuses requests before Flask calls a view, so ``@hooks.required`` works above and
below ``@app.post``. Without the extension, use ``@protect(verifier)`` below ``@app.post``.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Collection
from functools import wraps
from inspect import iscoroutinefunction
from types import BuiltinFunctionType, CellType, FunctionType
from typing import Any, ParamSpec, TypeVar, cast, overload
from weakref import WeakValueDictionary

from ._configured import configured_verifier
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
"""The largest number of objects that are searched for the functions that a view wraps."""
MAX_HELD = 50
"""The largest container, in elements, that is searched for a view."""

_PASSED = "hookkey_verify.flask.passed"
"""The key in the environ for the ``Guard`` that accepted the request."""


class _Views:
    """A set of views by identity, because some are not hashable; weak references if possible."""

    def __init__(self) -> None:
        self._weakly: WeakValueDictionary[int, Any] = WeakValueDictionary()
        self._strongly: dict[int, Any] = {}

    def add(self, view: Any) -> None:
        try:
            self._weakly[id(view)] = view
        except TypeError:  # it does not support weak references
            self._strongly[id(view)] = view

    def __contains__(self, view: Any) -> bool:
        return id(view) in self._weakly or id(view) in self._strongly


_required = _Views()
"""Views that the extension protects."""
_inner = _Views()
"""Views that ``protect`` wrapped. Flask must not call them directly."""
_protecting = _Views()
"""The protected views that ``protect`` returned."""


def _current() -> VerifiedHook:
    hook = g.get("hook")
    if not isinstance(hook, VerifiedHook):
        raise ConfigurationError(
            "current_hook is available only in protected views; behind the middleware of "
            'hookkey_verify.wsgi the hook is request.environ["hookkey_verify.hook"]'
        )
    return hook


current_hook = cast(VerifiedHook, LocalProxy(_current))
"""The ``VerifiedHook`` of the current request; also available as ``g.hook``."""


class HookKeyVerify:
    """The Flask extension: protects marked views with one verifier per application.

    For example:

    >>> from flask import Flask
    >>> from hookkey_verify.flask import HookKeyVerify
    >>> from hookkey_verify.shared_secret import HeaderSecret
    >>> app = Flask("hooks")
    >>> hooks = HookKeyVerify(app, HeaderSecret("a-long-secret"))
    >>> @app.post("/hook")
    ... @hooks.required
    ... def hook():
    ...     return {}
    >>> client = app.test_client()
    >>> client.post("/hook").status_code
    401
    >>> client.post("/hook", headers={"Authorization": "a-long-secret"}).status_code
    200
    """

    def __init__(
        self,
        app: Flask | None = None,
        verifier: RequestVerifier | None = None,
        *,
        on_refusal: OnRefusal | None = None,
        event_hook: bool = False,
    ) -> None:
        """Create the extension and, with ``app``, initialize the application.

        ``app``: the application. Default None: call ``init_app`` later.
        ``verifier``: the verifier of requests. Default None: created from ``app.config``.
        ``on_refusal``: a function that may replace the response to a refused request. Default None.
        ``event_hook``: whether to answer Okta's one-time verification of an event hook. Default
            False.

        Raises ``ConfigurationError``.
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
        """Initialize an application. One extension may serve several.

        Raises ``ConfigurationError``, including for an application that already has an extension,
        because the order of statements must not decide which verifier protects a view.
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
        """Protect a view. It works above and below ``@app.route`` and other decorators."""
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
    """Run a view only for verified requests. Place it below ``@app.route``.

    Above ``@app.route``, Flask registers the unprotected function. Only an application with
    ``HookKeyVerify`` detects that, answers 500 and logs the reason. ``@protect(verifier)`` takes
    the arguments of ``Guard``; bare ``@protect`` uses the verifier of ``HookKeyVerify``.

    Raises ``ConfigurationError``.
    """
    return decorated(first, options, _configured_guard, _protected)


def serve(endpoint: Endpoint) -> Callable[[], Response]:
    """Return a view that answers with an endpoint: ``app.post("/token")(serve(endpoint))``.

    The view reads the body, so no other code may read it first, for example with ``request.form``.

    Raises ``ConfigurationError``.
    """
    checked(endpoint)

    def view() -> Response:
        length = announced_length(request.environ)
        body = received(request.stream.read, endpoint.max_body + 1, length)
        answer = endpoint.respond(request.method, request_headers(request.environ), body)
        return _answered(answer)

    view.__name__ = f"{type(endpoint).__name__}_{id(endpoint):x}"  # each view needs a unique name
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
    """Return a view and everything that it wraps, any of which may be registered with Flask.

    Functions that ``protect`` wraps are left out: they are called only for verified requests.
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
    """Return the objects where a decorator may keep a view: closures, defaults and attributes."""
    if isinstance(layer, FunctionType):
        defaults = (*(layer.__defaults__ or ()), *(layer.__kwdefaults__ or {}).values())
        return [*(layer.__closure__ or ()), *defaults, *vars(layer).values()]
    return gc.get_referents(layer)


def _may_wrap(held: Any) -> bool:
    """Return whether a decorator can keep a view in this callable, cell or container."""
    kind = type(held)  # isinstance would make a proxy such as flask.session resolve itself
    if kind in (tuple, list, dict, set):
        return len(held) <= MAX_HELD  # larger containers are data
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
    """Refuse unverified requests for marked views, whatever the order of their decorators."""
    view = current_app.view_functions.get(request.endpoint or "")
    layers = [view] if view in _required else _layers(view)
    if any(layer in _required for layer in layers):
        return _refuse_unverified(_configured_guard())
    if not any(layer in _inner for layer in layers):
        return None
    error = ConfigurationError("protect must be placed below @app.route; use hooks.required")
    _configured_guard()._log(logging.ERROR, str(error), reason=error.reason.value)
    return _answered(HttpRefusal.of(error))


def _before_blueprint() -> Response | None:
    return _refuse_unverified(_configured_guard())


def _refuse_unverified(guard: Guard) -> Response | None:
    """Return the response to a refused request, or None after storing the hook."""
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

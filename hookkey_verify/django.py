"""Protect the views of Django, in WSGI and in ASGI.

::

    @protect(verifier)
    def hook(request): ...              # request.hook is the VerifiedHook

or, for all below some paths, ``"hookkey_verify.django.HookMiddleware"`` in ``MIDDLEWARE`` and::

    HOOKKEY_VERIFY = {"VERIFIER": "acme.hooks.verifier", "PATHS": ["/hooks/*"]}

Verified requests need no CSRF token: what they prove themselves with is never sent by a browser on
its own. ``"hookkey_verify.django.HookKeyVerifyConfig"`` in ``INSTALLED_APPS`` has ``manage.py
check`` look at the setting.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cache, wraps
from typing import Any, ClassVar, ParamSpec, TypeVar, cast, overload

from .configured import configured_verifier
from .endpoint import Endpoint, announced_length, checked, received, request_headers
from .errors import ConfigurationError, HookKeyError
from .guard import (
    Guard,
    HttpAnswer,
    OnRefusal,
    ProtectedPaths,
    RequestVerifier,
    decorated,
    environ_headers,
)
from .settings import NAMES
from .verifier import VerifiedHook

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
    from django.apps import AppConfig
    from django.conf import settings
    from django.core.checks import CheckMessage, Error, Tags, register
    from django.core.signals import setting_changed
    from django.http import HttpRequest, HttpResponse, HttpResponseBase
    from django.utils.module_loading import import_string
except ImportError as error:
    raise ImportError(f"{error}; pip install 'hookkey_verify[django]'") from None

__all__ = ["HookKeyVerifyConfig", "HookMiddleware", "HookRequiredMixin", "protect"]

P = ParamSpec("P")
R = TypeVar("R")
GetResponse = Callable[[HttpRequest], Any]

_OPTIONS = frozenset({"VERIFIER", "PATHS", "ON_REFUSAL", "EVENT_HOOK"})
_VARIABLES = frozenset(name.variable for name in NAMES.values())


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
    """Let a view run for verified requests only, and exempt it from CSRF protection.

    ``@protect(verifier)`` with the arguments of ``Guard``; bare ``@protect`` with what the setting
    ``HOOKKEY_VERIFY`` says. For class-based views there is ``HookRequiredMixin``. Raises
    ``ConfigurationError``.
    """
    return decorated(first, options, _configured_guard, _wrapped)


def serve(endpoint: Endpoint) -> Callable[[HttpRequest], HttpResponse]:
    """Return a view that answers with an endpoint.

    In the URLs: ``path("token", serve(endpoint))``. It is exempt from CSRF protection. Raises
    ``ConfigurationError``.
    """
    checked(endpoint)

    def view(request: HttpRequest) -> HttpResponse:
        body = received(request.read, endpoint.max_body + 1, announced_length(request.META))
        answer = endpoint.respond(request.method or "", request_headers(request.META), body)
        return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))

    view.csrf_exempt = True  # type: ignore[attr-defined]
    return view


class HookRequiredMixin:
    """Stands before ``View`` among the bases; sync and async handlers alike."""

    hook_verifier: ClassVar[RequestVerifier | None] = None
    """None takes what the setting ``HOOKKEY_VERIFY`` says."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the protected view."""
        view = super().as_view(**initkwargs)  # type: ignore[misc]
        return protect(cls.hook_verifier)(view)


class HookMiddleware:
    """Protects what ``HOOKKEY_VERIFY["PATHS"]`` says; without it, everything."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        """Django calls this once. Raises ``ConfigurationError`` when the setting is wrong."""
        self._get_response = get_response
        self._guard = _configured_guard()
        self._paths = ProtectedPaths(_setting().get("PATHS"))
        self._awaits = iscoroutinefunction(get_response)
        if self._awaits:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Serve one request."""
        if not self._paths.protect(request.path_info, request.path.removesuffix(request.path_info)):
            return cast(HttpResponseBase, self._get_response(request))
        if self._awaits:
            return self._asynchronous(request)
        outcome = self._guard.check(environ_headers(request.META), request.method or "")
        return _refusal(outcome, request) or cast(HttpResponseBase, self._get_response(request))

    async def _asynchronous(self, request: HttpRequest) -> HttpResponseBase:
        outcome = await self._guard.acheck(environ_headers(request.META), request.method or "")
        refusal = _refusal(outcome, request)
        if refusal is not None:
            return refusal
        return cast(HttpResponseBase, await self._get_response(request))


class HookKeyVerifyConfig(AppConfig):
    """The application, for its system checks."""

    name = "hookkey_verify.django"
    label = "hookkey_verify"
    verbose_name = "hookkey_verify"


def _wrapped(view: Callable[P, R], guard: Callable[[], Guard]) -> Callable[P, R]:
    protected = (_awaited if iscoroutinefunction(view) else _called)(view, guard)
    protected.csrf_exempt = True
    return cast(Callable[P, R], protected)


def _called(view: Any, guard: Callable[[], Guard]) -> Any:
    @wraps(view)
    def protected(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        outcome = guard().check(environ_headers(request.META), request.method or "")
        return _refusal(outcome, request) or view(request, *args, **kwargs)

    return protected


def _awaited(view: Any, guard: Callable[[], Guard]) -> Any:
    @wraps(view)
    async def protected(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        outcome = await guard().acheck(environ_headers(request.META), request.method or "")
        return _refusal(outcome, request) or await view(request, *args, **kwargs)

    return protected


def _refusal(outcome: VerifiedHook | HttpAnswer, request: HttpRequest) -> HttpResponse | None:
    """What to answer; None when the request may go on, which then has its hook."""
    if isinstance(outcome, VerifiedHook):
        marked = cast(Any, request)
        marked.hook = outcome
        marked._dont_enforce_csrf_checks = True  # as Django's own test client and DRF do
        return None
    return HttpResponse(outcome.body, status=outcome.status, headers=dict(outcome.headers))


def _setting() -> Mapping[str, Any]:
    setting = getattr(settings, "HOOKKEY_VERIFY", {})
    if not isinstance(setting, Mapping):
        raise ConfigurationError("HOOKKEY_VERIFY must be a dict")
    for name in setting:
        if name not in _OPTIONS | _VARIABLES:
            known = ", ".join(sorted(_OPTIONS))
            raise ConfigurationError(
                f"HOOKKEY_VERIFY has {name!r}; it takes {known}, and HOOKKEY_*"
            )
    return setting


@cache
def _configured_guard() -> Guard:
    setting = _setting()
    verifier = _imported("VERIFIER", setting.get("VERIFIER"))
    return Guard(
        configured_verifier(setting) if verifier is None else verifier,
        on_refusal=_imported("ON_REFUSAL", setting.get("ON_REFUSAL")),
        event_hook=setting.get("EVENT_HOOK", False),
    )


def _imported(name: str, value: Any) -> Any:
    """What a dotted path leads to; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return import_string(value)
    except ImportError:
        raise ConfigurationError(f"HOOKKEY_VERIFY[{name!r}] cannot be imported: {value}") from None


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "HOOKKEY_VERIFY":
        _configured_guard.cache_clear()


setting_changed.connect(_forget, dispatch_uid="hookkey_verify")


@register(Tags.security)
def check_setting(**_: Any) -> list[CheckMessage]:
    """Whether the setting makes a verifier, and the middleware can be made of it."""
    if not hasattr(settings, "HOOKKEY_VERIFY"):
        return []
    try:
        _configured_guard()
        ProtectedPaths(_setting().get("PATHS"))
    except HookKeyError as error:
        detail = error.detail
        return [Error(detail, hint="See HOOKKEY_VERIFY in settings.", id="hookkey_verify.E001")]
    return []

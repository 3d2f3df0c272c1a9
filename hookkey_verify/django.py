"""Protect Django views, under WSGI and ASGI.

::

    @protect(verifier)
    def hook(request): ...              # request.hook is the VerifiedHook

or, for all views of a project, ``"hookkey_verify.django.HookMiddleware"`` in ``MIDDLEWARE`` and::

    HOOKKEY_VERIFY = {"VERIFIER": "acme.hooks.verifier"}
    HOOKKEY_PUBLIC = ["healthz", "admin"]       # names of views and of URL namespaces

Verified requests need no CSRF token, unless browsers send their credentials automatically, as with
``BasicCredentials``. Add ``"hookkey_verify.django.HookKeyVerifyConfig"`` to ``INSTALLED_APPS`` to
have ``manage.py check`` validate the settings.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from difflib import get_close_matches
from functools import cache, wraps
from typing import Any, ClassVar, NamedTuple, ParamSpec, TypeVar, cast, overload

from ._configured import configured_verifier
from .endpoint import Endpoint, announced_length, checked, received, request_headers
from .errors import ConfigurationError, HookKeyError
from .guard import (
    Guard,
    HttpAnswer,
    OnRefusal,
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
    from django.urls import Resolver404, ResolverMatch, URLPattern, get_resolver, resolve
    from django.utils.module_loading import import_string
except ImportError as error:
    raise ImportError(f"{error}; pip install 'hookkey_verify[django]'") from None

__all__ = ["HookKeyVerifyConfig", "HookMiddleware", "HookRequiredMixin", "protect"]

P = ParamSpec("P")
R = TypeVar("R")
GetResponse = Callable[[HttpRequest], Any]

_PASSED = "_hookkey_verify_passed"
"""The attribute of a request for the ``Guard`` that accepted it."""
_OPTIONS = frozenset({"VERIFIER", "ON_REFUSAL", "EVENT_HOOK"})
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
    """Run a view only for verified requests, without a CSRF token (see ``sent_by_browsers``).

    ``@protect(verifier)`` takes the arguments of ``Guard``. Bare ``@protect`` uses the setting
    ``HOOKKEY_VERIFY``. For class-based views, use ``HookRequiredMixin``. Raises
    ``ConfigurationError``.
    """
    return decorated(first, options, _configured_guard, _wrapped)


def serve(endpoint: Endpoint) -> Callable[[HttpRequest], Any]:
    """Return a view that answers with an endpoint.

    Use it as ``path("token", serve(endpoint))``. It is exempt from CSRF protection, and
    asynchronous if the endpoint is a ``Hooks`` with asynchronous handlers. Raises
    ``ConfigurationError``.
    """
    checked(endpoint, asynchronous=True)

    def parts(request: HttpRequest) -> tuple[str, Any, bytes]:
        body = received(request.read, endpoint.max_body + 1, announced_length(request.META))
        return request.method or "", request_headers(request.META), body

    def response(answer: HttpAnswer) -> HttpResponse:
        return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))

    async def asynchronous(request: HttpRequest) -> HttpResponse:
        return response(await endpoint.arespond(*parts(request)))

    def synchronous(request: HttpRequest) -> HttpResponse:
        return response(endpoint.respond(*parts(request)))

    view: Callable[[HttpRequest], Any] = synchronous
    if getattr(endpoint, "needs_event_loop", False):
        view = asynchronous
    view.csrf_exempt = True  # type: ignore[attr-defined]
    return view


class HookRequiredMixin:
    """Protects a class-based view. List it before ``View`` among the bases.

    For example:

    >>> from django.views import View
    >>> from hookkey_verify.django import HookRequiredMixin
    >>> from hookkey_verify.shared_secret import HeaderSecret
    >>> class TokenHook(HookRequiredMixin, View):
    ...     hook_verifier = HeaderSecret("a-long-secret")
    >>> issubclass(TokenHook, View)
    True
    """

    hook_verifier: ClassVar[RequestVerifier | None] = None
    """The verifier. None: the verifier that the setting ``HOOKKEY_VERIFY`` describes."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Raise ``ConfigurationError`` if another base overrides ``as_view`` before this one."""
        super().__init_subclass__(**kwargs)
        for base in cls.__mro__[1 : cls.__mro__.index(HookRequiredMixin)]:
            if "as_view" in vars(base) and not issubclass(base, HookRequiredMixin):
                raise ConfigurationError(
                    f"{cls.__name__} is not protected: name HookRequiredMixin before "
                    f"{base.__name__} among its bases"
                )

    @classmethod
    def as_view(cls, *args: Any, **initkwargs: Any) -> Any:
        """Return the protected view."""
        view = super().as_view(*args, **initkwargs)  # type: ignore[misc]
        return protect(cls.hook_verifier)(view)


class HookMiddleware:
    """Protects every view that ``HOOKKEY_PUBLIC`` does not name.

    URLs without a pattern are not verified, so other middleware that answers them, such as
    ``FlatpageFallbackMiddleware``, is not protected.

    ``process_view`` decides for the view that Django is about to call. If the URL already
    determines the view, unverified requests are refused earlier, so the position relative to
    ``CsrfViewMiddleware`` does not matter.

    For example:

    >>> MIDDLEWARE = ["hookkey_verify.django.HookMiddleware"]
    >>> HOOKKEY_PUBLIC = ["healthz"]  # names of views
    >>> from django.utils.module_loading import import_string
    >>> import_string(MIDDLEWARE[0]).async_capable
    True
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        """Create the middleware. Raises ``ConfigurationError`` if a setting is wrong."""
        self._get_response = get_response
        self._guard = _configured_guard()
        self._public: _Public | None = None
        self._awaits = iscoroutinefunction(get_response)
        if self._awaits:
            markcoroutinefunction(self)
            self.process_view = self._process_view_async  # type: ignore[method-assign]

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Serve one request."""
        if self._awaits:
            return self._serve_async(request)
        refusal = self._refuse(request, _resolved(request))
        return refusal or cast(HttpResponseBase, self._get_response(request))

    async def _serve_async(self, request: HttpRequest) -> HttpResponseBase:
        refusal = await self._refuse_async(request, _resolved(request))
        return refusal or cast(HttpResponseBase, await self._get_response(request))

    def process_view(self, request: HttpRequest, *_: Any) -> Any:
        """Refuse an unverified request for a view that is not public."""
        return self._refuse(request, request.resolver_match)

    async def _process_view_async(self, request: HttpRequest, *_: Any) -> Any:
        return await self._refuse_async(request, request.resolver_match)

    def _refuse(self, request: HttpRequest, match: ResolverMatch | None) -> HttpResponse | None:
        if self._passes(request, match):
            return None
        outcome = self._guard.check(environ_headers(request.META), request.method or "")
        return _refusal(outcome, request, self._guard)

    async def _refuse_async(
        self, request: HttpRequest, match: ResolverMatch | None
    ) -> HttpResponse | None:
        if self._passes(request, match):
            return None
        outcome = await self._guard.acheck(environ_headers(request.META), request.method or "")
        return _refusal(outcome, request, self._guard)

    def _passes(self, request: HttpRequest, match: ResolverMatch | None) -> bool:
        if self._public is None:  # later than __init__, where the URLs may not be importable yet
            self._public = _public_names()
        if match is None or getattr(request, _PASSED, None) is self._guard:
            return True  # there is no view, or the request is already verified
        namespaces = (":".join(match.namespaces[: n + 1]) for n in range(len(match.namespaces)))
        public = self._public
        return match.view_name in public.views or not public.namespaces.isdisjoint(namespaces)


def _resolved(request: HttpRequest) -> ResolverMatch | None:
    try:
        return resolve(request.path_info, getattr(request, "urlconf", None))
    except Resolver404:
        return None


class HookKeyVerifyConfig(AppConfig):
    """The Django application that registers the system checks.

    For example:

    >>> INSTALLED_APPS = ["hookkey_verify.django.HookKeyVerifyConfig"]
    >>> from django.utils.module_loading import import_string
    >>> import_string(INSTALLED_APPS[0]).name
    'hookkey_verify.django'
    """

    name = "hookkey_verify.django"
    label = "hookkey_verify"
    verbose_name = "hookkey_verify"


class _CsrfExempt:
    """Determines lazily whether the configured verifier makes CSRF tokens unnecessary."""

    def __bool__(self) -> bool:
        return not _configured_guard().sent_by_browsers


def _wrapped(view: Callable[P, R], guard: Callable[[], Guard]) -> Callable[P, R]:
    protected = (_awaited if iscoroutinefunction(view) else _called)(view, guard)
    if guard is _configured_guard:  # later, because the settings may not be importable yet
        protected.csrf_exempt = getattr(view, "csrf_exempt", False) or _CsrfExempt()
    elif not guard().sent_by_browsers:
        protected.csrf_exempt = True
    return cast(Callable[P, R], protected)


def _called(view: Any, guard: Callable[[], Guard]) -> Any:
    @wraps(view)
    def protected(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        judge = guard()
        outcome = judge.check(environ_headers(request.META), request.method or "")
        return _refusal(outcome, request, judge) or view(request, *args, **kwargs)

    return protected


def _awaited(view: Any, guard: Callable[[], Guard]) -> Any:
    @wraps(view)
    async def protected(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        judge = guard()
        outcome = await judge.acheck(environ_headers(request.META), request.method or "")
        return _refusal(outcome, request, judge) or await view(request, *args, **kwargs)

    return protected


def _refusal(
    outcome: VerifiedHook | HttpAnswer, request: HttpRequest, guard: Guard
) -> HttpResponse | None:
    """Return the response to a refused request, or None after storing the hook."""
    if isinstance(outcome, VerifiedHook):
        marked = cast(Any, request)
        marked.hook = outcome
        setattr(marked, _PASSED, guard)
        if not guard.sent_by_browsers:
            marked._dont_enforce_csrf_checks = True  # like Django's test client and DRF
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
    """Import a dotted path; return other values unchanged."""
    if not isinstance(value, str):
        return value
    try:
        return import_string(value)
    except ImportError:
        raise ConfigurationError(f"HOOKKEY_VERIFY[{name!r}] cannot be imported: {value}") from None


class _Public(NamedTuple):
    """The views and namespaces that ``HOOKKEY_PUBLIC`` names."""

    views: frozenset[str]
    namespaces: frozenset[str]


def _public_names() -> _Public:
    """Read ``HOOKKEY_PUBLIC``. Raises ``ConfigurationError`` for a name without a URL pattern."""
    names = getattr(settings, "HOOKKEY_PUBLIC", ())
    if isinstance(names, str) or not isinstance(names, Collection):
        raise ConfigurationError("HOOKKEY_PUBLIC must be a list of names of views or namespaces")
    views: set[str] = set()
    namespaces: set[str] = set()
    if names:
        _collect(get_resolver(), (), views, namespaces)
    for name in names:
        if name not in views | namespaces:
            near = get_close_matches(str(name).strip("/"), sorted(views | namespaces), 1)
            hint = f"; did you mean {near[0]!r}?" if near else "; it takes names, not paths"
            raise ConfigurationError(
                f"HOOKKEY_PUBLIC has {name!r}, which no URL pattern is named{hint}"
            )
        if name in views and name in namespaces:
            raise ConfigurationError(
                f"HOOKKEY_PUBLIC has {name!r}, which names both a view and a URL namespace"
            )
    return _Public(frozenset(names) & views, frozenset(names) & namespaces)


def _collect(resolver: Any, above: tuple[str, ...], views: set[str], namespaces: set[str]) -> None:
    """Add the names of the views and namespaces of a URLconf, as in ``ResolverMatch``."""
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLPattern):
            views.add(":".join((*above, pattern.name or pattern.lookup_str)))
            continue
        below = (*above, pattern.namespace) if pattern.namespace else above
        if pattern.namespace:
            namespaces.add(":".join(below))
        _collect(pattern, below, views, namespaces)


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "HOOKKEY_VERIFY":
        _configured_guard.cache_clear()


setting_changed.connect(_forget, dispatch_uid="hookkey_verify")


_OURS = "hookkey_verify.django.HookMiddleware"


def _check_verifier() -> None:
    if hasattr(settings, "HOOKKEY_VERIFY") or _OURS in settings.MIDDLEWARE:
        _configured_guard()


_CHECKS: Mapping[str, Callable[[], object]] = {
    "E001": _check_verifier,
    "E002": _public_names,
}


@register(Tags.security)
def check_settings(**_: Any) -> list[CheckMessage]:
    """Check that the settings describe a verifier and that public names exist."""
    problems: list[CheckMessage] = []
    hint = "See HOOKKEY_VERIFY and HOOKKEY_PUBLIC in settings."
    for number, check in _CHECKS.items():
        try:
            check()
        except HookKeyError as error:
            problems.append(Error(error.detail, hint=hint, id=f"hookkey_verify.{number}"))
    return problems

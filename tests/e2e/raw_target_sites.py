"""The forms of protection: applications with the same three routes, in each framework.

``/hook`` and ``/hooks/token`` are protected, ``/healthz`` is public. Each form is built in a
separate process, because Django's settings are global to the process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

from .. import django_site  # noqa: F401 # isort: skip - Django needs its settings first

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test.utils import override_settings
from django.urls import path

from hookkey_verify import asgi, wsgi
from hookkey_verify import django as for_django
from hookkey_verify.guard import RequestVerifier

from .raw_target_asgi import (
    falcon_asgi,
    fastapi_app,
    fastapi_by_route,
    fastapi_by_router,
    litestar_app,
    litestar_by_guard,
    quart_app,
    starlette,
    starlette_by_mount,
    starlette_by_route,
    starlette_mounted,
)
from .raw_target_handler import HEALTHY, Run
from .raw_target_wsgi import (
    bottle_app,
    falcon_wsgi,
    flask_app,
    flask_blueprint,
    flask_dispatched,
    flask_required,
    pyramid_app,
)

__all__ = ["NAIVE_FORMS", "OPEN_FORMS", "PROTECTED_FORMS", "Form"]

Framework = Callable[[Run], Any]
_LISTED = frozenset({"/hook", "/hooks/token"})


@dataclass(frozen=True, slots=True)
class Form:
    """An application, its interface (``asgi`` or ``wsgi``) and the prefix of its routes."""

    interface: str
    build: Callable[[RequestVerifier, Run], Any]
    prefix: str = ""
    is_whole: bool = False
    """Whether a middleware protects the whole application, based on request paths."""


# --- Django


def _urls(hook: Any, healthz: Any) -> ModuleType:
    module = ModuleType("site")
    module.urlpatterns = [  # type: ignore[attr-defined]
        path("hook", hook),
        path("hooks/token", hook),
        path("healthz", healthz, name="healthz"),
    ]
    module.handler404 = _not_found  # type: ignore[attr-defined]
    return module


def _not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Respond without a template; rendering one would take most of the test's time."""
    return HttpResponse(status=404)


def _django(handler: type[Any], protect: Any, run: Run, **options: Any) -> Any:
    """Return a Django application; its settings stay in force for the whole process."""

    def hook(request: HttpRequest) -> HttpResponse:
        return HttpResponse(run())

    async def async_hook(request: HttpRequest) -> HttpResponse:
        return HttpResponse(run())

    def healthz(request: HttpRequest) -> HttpResponse:
        return HttpResponse(HEALTHY)

    view = protect(hook if handler is WSGIHandler else async_hook)
    settings = {"ROOT_URLCONF": _urls(view, healthz), "MIDDLEWARE": [], **options}
    override_settings(**settings).enable()
    return handler()


def _django_decorator(handler: type[Any], verifier: RequestVerifier, run: Run) -> Any:
    return _django(handler, for_django.protect(verifier), run)


def _django_middleware(handler: type[Any], verifier: RequestVerifier, run: Run) -> Any:
    return _django(
        handler,
        _unchanged,
        run,
        MIDDLEWARE=["hookkey_verify.django.HookMiddleware"],
        HOOKKEY_VERIFY={"VERIFIER": verifier},
        HOOKKEY_PUBLIC=["healthz"],
    )


def _unchanged(view: Any) -> Any:
    return view


# --- the forms


_ASGI: dict[str, Framework] = {
    "starlette": starlette,
    "fastapi": fastapi_app,
    "litestar": litestar_app,
    "quart": quart_app,
    "falcon-asgi": falcon_asgi,
    "django-asgi": partial(_django, ASGIHandler, _unchanged),
}
_WSGI: dict[str, Framework] = {
    "flask": flask_app,
    "bottle": bottle_app,
    "pyramid": pyramid_app,
    "falcon-wsgi": falcon_wsgi,
    "django-wsgi": partial(_django, WSGIHandler, _unchanged),
}
_SCRIPT: dict[str, Any] = {"FORCE_SCRIPT_NAME": "/api"}


def _whole(interface: str, framework: Framework, prefix: str = "") -> Form:
    """Return a form whose middleware wraps the whole application."""
    middleware: Any = asgi.HookMiddleware if interface == "asgi" else wsgi.HookMiddleware
    public = [f"{prefix}/healthz"]
    return Form(
        interface,
        lambda v, run: middleware(framework(run), v, public=public),
        prefix,
        is_whole=True,
    )


_SPECIAL: dict[str, Form] = {
    "fastapi-root-path": _whole("asgi", partial(fastapi_app, root_path="/api")),
    "starlette-mount": _whole("asgi", starlette_mounted, "/api"),
    "django-asgi-script-name": _whole("asgi", partial(_django, ASGIHandler, _unchanged, **_SCRIPT)),
    "django-wsgi-script-name": _whole("wsgi", partial(_django, WSGIHandler, _unchanged, **_SCRIPT)),
    "flask-dispatched": Form("wsgi", flask_dispatched, "/api", is_whole=True),
}
_BY_FRAMEWORK: dict[str, Form] = {
    "starlette-route-middleware": Form("asgi", starlette_by_route),
    "starlette-mount-middleware": Form("asgi", starlette_by_mount, "/api"),
    "fastapi-depends": Form("asgi", fastapi_by_route),
    "fastapi-router": Form("asgi", fastapi_by_router),
    "litestar-guard": Form("asgi", litestar_by_guard),
    "django-asgi-protect": Form("asgi", partial(_django_decorator, ASGIHandler)),
    "django-asgi-middleware": Form("asgi", partial(_django_middleware, ASGIHandler)),
    "flask-required-above": Form("wsgi", partial(flask_required, above=True)),
    "flask-required-below": Form("wsgi", partial(flask_required, above=False)),
    "flask-blueprint": Form("wsgi", flask_blueprint),
    "django-wsgi-protect": Form("wsgi", partial(_django_decorator, WSGIHandler)),
    "django-wsgi-middleware": Form("wsgi", partial(_django_middleware, WSGIHandler)),
}


def _open(interface: str, framework: Framework) -> Form:
    return Form(interface, lambda _, run: framework(run))


def _naive_asgi(framework: Framework) -> Form:
    def build(verifier: RequestVerifier, run: Run) -> Any:
        app: Any = framework(run)
        guarded: Any = asgi.HookMiddleware(app, verifier)

        async def naive(scope: Any, receive: Any, send: Any) -> None:
            listed = scope.get("path") in _LISTED
            await (guarded if listed else app)(scope, receive, send)

        return naive

    return Form("asgi", build)


def _naive_wsgi(framework: Framework) -> Form:
    def build(verifier: RequestVerifier, run: Run) -> Any:
        app: Any = framework(run)
        guarded: Any = wsgi.HookMiddleware(app, verifier)

        def naive(environ: Any, start_response: Any) -> Any:
            listed = environ["PATH_INFO"] in _LISTED
            return (guarded if listed else app)(environ, start_response)

        return naive

    return Form("wsgi", build)


PROTECTED_FORMS: dict[str, Form] = {
    **{f"{name}-whole": _whole("asgi", framework) for name, framework in _ASGI.items()},
    **{f"{name}-whole": _whole("wsgi", framework) for name, framework in _WSGI.items()},
    **_SPECIAL,
    **_BY_FRAMEWORK,
}
"""Forms whose handler must not run for a request without a token."""

OPEN_FORMS: dict[str, Form] = {
    **{f"{name}-open": _open("asgi", framework) for name, framework in _ASGI.items()},
    **{f"{name}-open": _open("wsgi", framework) for name, framework in _WSGI.items()},
}
"""Forms without protection."""

NAIVE_FORMS: dict[str, Form] = {
    "starlette-naive": _naive_asgi(starlette),
    "flask-naive": _naive_wsgi(flask_app),
    "bottle-naive": _naive_wsgi(bottle_app),
}
"""Forms that compare the decoded path with a list of protected paths."""

"""How each framework serves a hook, alone or beside its token URL. Pure.

The sources use the objects ``hooks`` and ``tokens`` and the constants HOOK_PATH and TOKEN_PATH.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["FRAMEWORKS", "Framework"]

Names = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """The parts of a program for a framework."""

    packages: str
    """What to install."""
    start: str
    """The command that starts the program, which is in hook.py."""
    alone: str
    """The source that serves only the hook."""
    both: str
    """The source that serves the hook and the token URL."""
    names: Names
    """The imports: pairs of a module and a name, or "" for the module itself."""
    names_of_both: Names = ()
    """The further imports of ``both``."""
    is_async: bool = False
    """Whether handlers are coroutine functions."""
    routes: bool = True
    """Whether ``alone`` needs a path. Otherwise the hook answers at any path."""
    slash: str = "/"
    """What paths begin with."""


_DJANGO = """\
# In an existing project, keep only the paths.
settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_urlsafe(),
)
urlpatterns = [
{paths}
]
app = get_wsgi_application()"""
_STARLETTE = """\
app = Starlette(
    routes=[
{routes}
    ],
)"""
_ROUTE = '        Route({path}, serve({endpoint}), methods=["POST"]),'

_WSGI = '''\
serve_hook, serve_token = serve(hooks), serve(tokens)


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer at the token URL and at the URI of the hook."""
    is_token = environ["PATH_INFO"] == TOKEN_PATH
    return (serve_token if is_token else serve_hook)(environ, start_response)'''
_ASGI = '''\
serve_hook, serve_token = serve(hooks), serve(tokens)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer at the token URL and at the URI of the hook."""
    is_token = scope.get("path") == TOKEN_PATH
    await (serve_token if is_token else serve_hook)(scope, receive, send)'''
# The path of an event may begin with the stage of the API.
_LAMBDA = '''\
serve_hook, serve_token = serve(hooks), serve(tokens)


def handler(event: dict[str, Any], context: object) -> Any:
    """Answer at the token URL and at the URI of the hook."""
    path = event.get("rawPath") or event.get("path") or ""
    is_hook = path.endswith(HOOK_PATH) and len(HOOK_PATH) > len(TOKEN_PATH)
    is_token = path.endswith(TOKEN_PATH) and not is_hook
    return (serve_token if is_token else serve_hook)(event, context)'''


def _routes(**paths: str) -> str:
    lines = (_ROUTE.format(path=path, endpoint=name) for name, path in paths.items())
    return _STARLETTE.format(routes="\n".join(lines))


def _paths(**paths: str) -> str:
    lines = (f"    path({path}, serve({name}))," for name, path in paths.items())
    return _DJANGO.format(paths="\n".join(lines))


_FLASK = "app = Flask(__name__)\napp.post(HOOK_PATH)(serve(hooks))"
_FASTAPI = 'app = FastAPI()\napp.add_route(HOOK_PATH, serve(hooks), methods=["POST"])'

FRAMEWORKS: Final[Mapping[str, Framework]] = {
    "flask": Framework(
        packages="'hookkey_verify[flask]' gunicorn",
        start="gunicorn hook:app",
        alone=_FLASK,
        both=f"{_FLASK}\napp.post(TOKEN_PATH)(serve(tokens))",
        names=(("flask", "Flask"), ("hookkey_verify.flask", "serve")),
    ),
    "fastapi": Framework(
        packages="'hookkey_verify[fastapi]' uvicorn",
        start="uvicorn hook:app",
        alone=_FASTAPI,
        both=f'{_FASTAPI}\napp.add_route(TOKEN_PATH, serve(tokens), methods=["POST"])',
        names=(("fastapi", "FastAPI"), ("hookkey_verify.fastapi", "serve")),
        is_async=True,
    ),
    "django": Framework(
        packages="'hookkey_verify[django]' gunicorn",
        start="gunicorn hook:app",
        alone=_paths(hooks="HOOK_PATH"),
        both=_paths(hooks="HOOK_PATH", tokens="TOKEN_PATH"),
        names=(
            ("secrets", ""),
            ("django.conf", "settings"),
            ("django.core.wsgi", "get_wsgi_application"),
            ("django.urls", "path"),
            ("hookkey_verify.django", "serve"),
        ),
        slash="",
    ),
    "starlette": Framework(
        packages="hookkey_verify starlette uvicorn",
        start="uvicorn hook:app",
        alone=_routes(hooks="HOOK_PATH"),
        both=_routes(hooks="HOOK_PATH", tokens="TOKEN_PATH"),
        names=(
            ("starlette.applications", "Starlette"),
            ("starlette.routing", "Route"),
            ("hookkey_verify.starlette", "serve"),
        ),
        is_async=True,
    ),
    "wsgi": Framework(
        packages="hookkey_verify gunicorn",
        start="gunicorn hook:app",
        alone="app = serve(hooks)",
        both=_WSGI,
        names=(("hookkey_verify.wsgi", "serve"),),
        names_of_both=(
            ("collections.abc", "Iterable"),
            ("wsgiref.types", "StartResponse"),
            ("wsgiref.types", "WSGIEnvironment"),
        ),
        routes=False,
    ),
    "asgi": Framework(
        packages="hookkey_verify uvicorn",
        start="uvicorn hook:app",
        alone="app = serve(hooks)",
        both=_ASGI,
        names=(("hookkey_verify.asgi", "serve"),),
        names_of_both=(("typing", "Any"),),
        is_async=True,
        routes=False,
    ),
    "lambda": Framework(
        packages="hookkey_verify",
        start="Set the handler of the function to hook.handler.",
        alone="handler = serve(hooks)",
        both=_LAMBDA,
        names=(("hookkey_verify.aws_lambda", "serve"),),
        names_of_both=(("typing", "Any"),),
        routes=False,
    ),
}
"""The frameworks by name."""

"""WSGI applications with the same three routes, unprotected or protected by framework means."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import bottle
import falcon
import flask
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from hookkey_verify import flask as for_flask
from hookkey_verify import wsgi
from hookkey_verify.guard import RequestVerifier

from .raw_target_handler import HEALTHY, METHODS, Run

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # WebOb imports the deprecated module cgi
    from pyramid.config import Configurator
    from pyramid.response import Response as PyramidResponse

__all__ = [
    "bottle_app",
    "falcon_wsgi",
    "flask_app",
    "flask_blueprint",
    "flask_dispatched",
    "flask_required",
    "pyramid_app",
]


def flask_app(run: Run) -> flask.Flask:
    """Return a Flask application without protection."""
    app = _flask_public()
    _flask_routes(app, lambda: flask.Response(run()))
    return app


def _flask_public() -> flask.Flask:
    app = flask.Flask("site")
    app.add_url_rule("/healthz", "healthz", lambda: flask.Response(HEALTHY))
    return app


def _flask_routes(app: flask.Flask | flask.Blueprint, hook: Any) -> None:
    app.add_url_rule("/hook", "hook", hook, methods=METHODS)
    app.add_url_rule("/hooks/token", "token", hook, methods=["POST"])


def flask_required(verifier: RequestVerifier, run: Run, *, above: bool) -> flask.Flask:
    app = _flask_public()
    hooks = for_flask.HookKeyVerify(app, verifier)

    def hook() -> flask.Response:
        return flask.Response(run())

    if above:
        _flask_routes(app, hook)
        hooks.required(hook)
    else:
        _flask_routes(app, hooks.required(hook))
    return app


def flask_blueprint(verifier: RequestVerifier, run: Run) -> flask.Flask:
    app = _flask_public()
    blueprint = for_flask.HookKeyVerify(app, verifier).protect(flask.Blueprint("hooks", "site"))
    _flask_routes(blueprint, lambda: flask.Response(run()))
    app.register_blueprint(blueprint)
    return app


def flask_dispatched(verifier: RequestVerifier, run: Run) -> Any:
    app = wsgi.HookMiddleware(flask_app(run), verifier, public=["/api/healthz"])
    return DispatcherMiddleware(NotFound(), {"/api": app})


def bottle_app(run: Run) -> Any:
    """Return a Bottle application without protection."""
    app = bottle.Bottle()
    app.route("/hook", METHODS, run)
    app.route("/hooks/token", "POST", run)
    app.route("/healthz", "GET", lambda: HEALTHY)
    return app


def pyramid_app(run: Run) -> Any:
    """Return a Pyramid application without protection."""
    config = Configurator()
    bodies: Mapping[str, Run] = {"/hook": run, "/hooks/token": run, "/healthz": lambda: HEALTHY}
    for route, body in bodies.items():
        config.add_route(route, route)
        config.add_view(_pyramid_view(body), route_name=route)
    return config.make_wsgi_app()


def _pyramid_view(body: Run) -> Callable[[Any], Any]:
    return lambda request: PyramidResponse(body())


class _Falcon:
    def __init__(self, run: Run) -> None:
        self._run = run

    def on_get(self, request: Any, response: Any) -> None:
        response.data = self._run()

    on_post = on_get


def falcon_wsgi(run: Run) -> Any:
    """Return a Falcon WSGI application without protection."""
    app = falcon.App()
    app.add_route("/hook", _Falcon(run))
    app.add_route("/hooks/token", _Falcon(run))
    app.add_route("/healthz", _Falcon(lambda: HEALTHY))
    return app

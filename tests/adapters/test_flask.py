"""The Flask adapter, beyond the end-to-end tests that all adapters share."""

from __future__ import annotations

import functools
import gc
import itertools
import logging
import weakref
from typing import Any

import pytest
from flask import Blueprint, Flask, current_app, g, request, session
from flask.views import MethodView

from hookkey_verify import ConfigurationError, HookSigner, HookVerifier
from hookkey_verify.flask import HookKeyVerify, current_hook, protect
from hookkey_verify.guard import HttpAnswer, HttpRefusal
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.shared_secret import HeaderSecret

from ..conftest import CLIENT_ID, TOKEN_URL


@pytest.fixture
def bearer(signer: HookSigner) -> dict[str, str]:
    token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def app() -> Flask:
    return Flask(__name__)


def _statuses(app: Flask, path: str, bearer: dict[str, str]) -> tuple[int, int]:
    """Return the status with credentials and the status without."""
    client = app.test_client()
    return client.post(path, headers=bearer).status_code, client.post(path).status_code


def test_arguments_reach_the_view(
    app: Flask, verifier: HookVerifier, bearer: dict[str, str]
) -> None:
    """A protected view gets its URL arguments and keeps its name and docstring."""

    @app.post("/hook/<int:number>")
    @protect(verifier)
    def numbered(number: int) -> str:
        """Count."""
        return f"{number} {current_hook.subject}"

    assert (numbered.__name__, numbered.__doc__) == ("numbered", "Count.")
    assert app.test_client().post("/hook/7", headers=bearer).text == f"7 {CLIENT_ID}"
    assert app.test_client().post("/hook/7").status_code == 401


@pytest.mark.parametrize("bare", [True, False])
def test_bare(app: Flask, verifier: HookVerifier, bearer: dict[str, str], bare: bool) -> None:
    """``@protect`` and ``@protect()`` both use the verifier of the application.

    ``required`` also protects a ``functools.partial``, which has no ``__name__``.
    """

    def hook() -> str:
        return "ok"

    app.post("/hook")(protect(hook) if bare else protect()(hook))
    app.post("/other")(HookKeyVerify(app, verifier).required(functools.partial(hook)))
    assert _statuses(app, "/hook", bearer) == (200, 401)
    assert _statuses(app, "/other", bearer) == (200, 401)


def test_required(app: Flask, verifier: HookVerifier, bearer: dict[str, str]) -> None:
    """``HookKeyVerify.required`` protects a view after ``init_app``."""
    hooks = HookKeyVerify(verifier=verifier)
    hooks.init_app(app)
    app.post("/hook")(hooks.required(lambda: "ok"))
    assert _statuses(app, "/hook", bearer) == (200, 401)


def _named(view: Any) -> Any:
    """A decorator with functools.wraps."""

    @functools.wraps(view)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return decorated


def _careless(view: Any) -> Any:
    """A decorator without functools.wraps."""

    def decorated(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return decorated


class Holder:
    """A decorator that is a class."""

    def __init__(self, view: Any) -> None:
        self._view = view

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._view(*args, **kwargs)


class Slotted:
    """A decorator class without a ``__dict__``."""

    __slots__ = ("view",)

    def __init__(self, view: Any) -> None:
        self.view = view

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.view(*args, **kwargs)


def _listed(view: Any) -> Any:
    """A decorator that keeps the view in a list."""
    kept = [{"view": view}]

    def decorated(*args: Any, **kwargs: Any) -> Any:
        return kept[0]["view"](*args, **kwargs)

    return decorated


def _cached(view: Any) -> Any:
    """A decorator that is implemented in C."""
    return functools.lru_cache(view)


ORDERS = [
    order
    for between in (_named, _careless, Holder, functools.partial, Slotted, _listed, _cached)
    for order in itertools.permutations(["route", between, "required"])
]


def _names(order: tuple[Any, ...]) -> str:
    return "-".join(each if isinstance(each, str) else each.__name__ for each in order)


@pytest.mark.parametrize("order", ORDERS, ids=_names)
def test_the_order_of_decorators_does_not_matter(
    app: Flask, verifier: HookVerifier, bearer: dict[str, str], order: Any
) -> None:
    """``required`` works above or below the route, in any order with other decorators."""
    hooks = HookKeyVerify(app, verifier)
    ran = []

    def hook() -> str:
        ran.append(current_hook.subject)
        return "ok"

    view: Any = hook
    for step in order:
        if step == "route":
            view = app.post("/hook", endpoint="hook")(view)
        else:
            view = hooks.required(view) if step == "required" else step(view)
    assert _statuses(app, "/hook", bearer) == (200, 401)
    assert ran == [CLIENT_ID]


def test_a_decorator_that_refers_to_something_later(
    app: Flask, verifier: HookVerifier, bearer: dict[str, str]
) -> None:
    """``required`` accepts a view whose closure variable is not assigned yet."""
    hooks = HookKeyVerify(app, verifier)

    def view() -> str:
        return later()

    hooks.required(app.post("/hook", endpoint="hook")(view))

    def later() -> str:
        return "ok"

    assert _statuses(app, "/hook", bearer) == (200, 401)


def test_proxies_are_not_looked_into(app: Flask, verifier: HookVerifier) -> None:
    """The extension does not evaluate the Flask proxies that a view refers to."""
    app.secret_key = "for the session"
    HookKeyVerify(app, verifier)

    def view(kept: Any = (session, current_app, request, app)) -> str:
        return "open"

    app.post("/hook", endpoint="hook")(protect(verifier)(view))
    app.get("/plain", endpoint="plain")(lambda kept=session: "plain")
    answer = app.test_client().get("/plain")
    assert (answer.status_code, answer.headers.get("Vary")) == (200, None)
    assert app.test_client().post("/hook").status_code == 401


def test_async_views_in_either_order(
    app: Flask, verifier: HookVerifier, bearer: dict[str, str]
) -> None:
    """The extension protects an async view with ``required`` above or below the route."""
    hooks = HookKeyVerify(app, verifier)

    @app.post("/below")
    @hooks.required
    async def below() -> str:
        return "ok"

    @hooks.required
    @app.post("/above")
    async def above() -> str:
        return "ok"

    for path in ("/below", "/above"):
        assert _statuses(app, path, bearer) == (200, 401)


@pytest.mark.parametrize("decorate", [_named, _careless, Holder, Slotted, _listed])
def test_a_view_that_is_replaced(
    app: Flask, verifier: HookVerifier, bearer: dict[str, str], decorate: Any
) -> None:
    """A view stays protected when a tracing tool wraps it after its registration."""
    hooks = HookKeyVerify(app, verifier)
    hooks.required(app.post("/above", endpoint="above")(lambda: "ok"))
    app.post("/below", endpoint="below")(hooks.required(lambda: "ok"))
    app.post("/own", endpoint="own")(protect(verifier)(lambda: "ok"))
    protect(app.post("/wrong", endpoint="wrong")(lambda: "ok"))
    app.post("/open", endpoint="open")(lambda: "ok")
    for endpoint, view in list(app.view_functions.items()):
        app.view_functions[endpoint] = decorate(view)
    for path in ("/above", "/below", "/own"):
        assert _statuses(app, path, bearer) == (200, 401)
    assert _statuses(app, "/wrong", bearer) == (500, 500)
    assert _statuses(app, "/open", bearer) == (200, 200)


def test_applications_are_not_kept_alive(verifier: HookVerifier) -> None:
    """An application can be garbage-collected after use, although its views are protected."""

    def factory() -> Any:
        app = Flask(__name__)
        hooks = HookKeyVerify(app, verifier)
        app.post("/hook")(hooks.required(lambda: app.name))
        app.post("/other", endpoint="other")(protect(verifier)(lambda: app.name))
        assert app.test_client().post("/hook").status_code == 401
        return weakref.ref(app)

    reference = factory()
    gc.collect()
    assert reference() is None


def test_a_token_is_used_once(app: Flask, signer: HookSigner, keys: Any) -> None:
    """Several protections with the same verifier verify a request once."""
    verifier = HookVerifier.for_client_assertion(
        keys,
        client_id=CLIENT_ID,
        token_url=TOKEN_URL,
        replay=MemoryReplayStore(single_process=True),
    )
    hooks = HookKeyVerify(app, verifier)
    blueprint = hooks.protect(Blueprint("hooks", __name__))
    blueprint.post("/hook")(hooks.required(protect(lambda: "ok")))
    app.register_blueprint(blueprint)
    token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    bearer = {"Authorization": f"Bearer {token}"}
    client = app.test_client()
    assert [client.post("/hook", headers=bearer).status_code for _ in range(2)] == [200, 401]


def test_one_extension_for_one_application(app: Flask, verifier: HookVerifier) -> None:
    """A second extension on the same application raises ConfigurationError."""
    HookKeyVerify(app, verifier)
    with pytest.raises(ConfigurationError, match="already"):
        HookKeyVerify(app, HeaderSecret("s3cret"))


def test_another_verifier_is_asked_all_the_same(
    app: Flask, verifier: HookVerifier, bearer: dict[str, str]
) -> None:
    """A view protected with two different verifiers must pass both."""
    hooks = HookKeyVerify(app, verifier)
    app.post("/hook")(hooks.required(protect(HeaderSecret("s3cret"))(lambda: "ok")))
    assert _statuses(app, "/hook", bearer) == (401, 401)
    assert _statuses(app, "/hook", {"Authorization": "s3cret"}) == (401, 401)


def test_two_applications(
    verifier: HookVerifier, stranger: HookSigner, bearer: dict[str, str]
) -> None:
    """A view registered in two applications uses the verifier of the current one."""

    @protect
    def hook() -> str:
        return "ok"

    first, second = Flask("first"), Flask("second")
    HookKeyVerify(first, verifier)
    HookKeyVerify(second, HeaderSecret("s3cret"))
    for each in (first, second):
        each.post("/hook")(hook)
    assert _statuses(first, "/hook", bearer) == (200, 401)
    assert _statuses(second, "/hook", bearer) == (401, 401)
    assert _statuses(second, "/hook", {"Authorization": "s3cret"}) == (200, 401)


def test_from_the_configuration(app: Flask, signer: HookSigner) -> None:
    """The extension reads app.config, and a missing setting raises at construction."""
    app.config["HOOKKEY_ISSUER"] = "https://acme.okta.com/oauth2/aus1"
    app.config["HOOKKEY_CLIENT_ID"] = CLIENT_ID
    with pytest.raises(ConfigurationError, match="HOOKKEY_AUDIENCE"):
        HookKeyVerify(app)
    app.config["HOOKKEY_AUDIENCE"] = "api://hooks"
    HookKeyVerify(app)
    app.post("/hook")(protect(lambda: "ok"))
    assert app.test_client().post("/hook").status_code == 401


def test_without_the_extension(app: Flask) -> None:
    """A bare ``protect`` without the extension raises ConfigurationError on a request."""
    app.post("/hook")(protect(lambda: "ok"))
    app.testing = True
    with pytest.raises(ConfigurationError, match=r"HookKeyVerify\(app\)"):
        app.test_client().post("/hook")


def test_protection_above_the_route(
    app: Flask, verifier: HookVerifier, bearer: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """A view with ``protect`` above the route gives 500 and a log entry, and does not run."""
    HookKeyVerify(app, verifier)
    ran = []

    @protect
    @app.post("/hook")
    def hook() -> str:
        ran.append(1)
        return "open"

    app.get("/other")(lambda: "fine")
    with caplog.at_level(logging.ERROR, "hookkey_verify"):
        assert _statuses(app, "/hook", bearer) == (500, 500)
    assert ran == []
    assert "protect must be placed below @app.route" in caplog.text
    assert app.test_client().get("/other").text == "fine"
    assert app.test_client().get("/nothing").status_code == 404


class CallableView:
    """A callable object that does not support weak references."""

    __slots__ = ("__dict__",)
    __name__ = "callable_view"

    def __call__(self) -> str:
        return "ok"


def test_views_that_are_no_functions(
    app: Flask, verifier: HookVerifier, bearer: dict[str, str]
) -> None:
    """``protect`` works on class-based views and callable objects."""

    class Hook(MethodView):
        decorators = [protect(verifier)]  # noqa: RUF012 - the way Flask declares it

        def post(self) -> str:
            return "ok"

    class AsyncHook(MethodView):
        decorators = [protect(verifier)]  # noqa: RUF012 - the way Flask declares it

        async def post(self) -> str:
            return "ok"

    app.add_url_rule("/class", view_func=Hook.as_view("sync"))
    app.add_url_rule("/async", view_func=AsyncHook.as_view("async"))
    app.add_url_rule("/object", view_func=protect(verifier)(CallableView()), methods=["POST"])
    for path in ("/class", "/async", "/object"):
        assert _statuses(app, path, bearer) == (200, 401)


def test_nested_blueprints(app: Flask, verifier: HookVerifier, bearer: dict[str, str]) -> None:
    """A blueprint nested in a protected one is protected, and a sibling stays open."""
    outer, inner, other = (Blueprint(name, name) for name in ("outer", "inner", "other"))
    assert HookKeyVerify(app, verifier).protect(outer) is outer
    inner.post("/hook")(lambda: "ok")
    other.post("/open")(lambda: "ok")
    outer.register_blueprint(inner, url_prefix="/inner")
    app.register_blueprint(outer, url_prefix="/outer")
    app.register_blueprint(other)
    assert _statuses(app, "/outer/inner/hook", bearer) == (200, 401)
    assert _statuses(app, "/open", bearer) == (200, 200)


def test_current_hook_elsewhere(app: Flask) -> None:
    """``current_hook`` outside a protected view raises ConfigurationError."""
    with app.test_request_context(), pytest.raises(ConfigurationError, match="protected views"):
        _ = current_hook.subject


def test_a_hook_does_not_outlive_its_request(
    app: Flask, verifier: HookVerifier, bearer: dict[str, str]
) -> None:
    """A hook is removed after its request, even if a test keeps the application context."""
    seen = []

    def hook() -> str:
        return "ok"

    def after(answer: Any) -> Any:
        seen.append("hook" in g)
        return answer

    app.post("/hook")(protect(verifier)(hook))
    app.after_request(after)
    with app.app_context():
        assert _statuses(app, "/hook", bearer) == (200, 401)
    assert seen == [True, False]


def test_options(app: Flask, verifier: HookVerifier) -> None:
    """``protect`` passes on_refusal and event_hook to the guard."""

    def tea(refusal: HttpRefusal) -> HttpAnswer:
        return HttpAnswer(418, (("X-Reason", refusal.error.reason),), b"tea")

    def hook() -> str:
        return "ok"

    app.route("/hook", methods=["GET", "POST"])(
        protect(verifier, on_refusal=tea, event_hook=True)(hook)
    )
    client = app.test_client()
    assert client.post("/hook").status_code == 418
    assert client.post("/hook").headers["X-Reason"] == "missing_token"
    challenge = client.get("/hook", headers={"X-Okta-Verification-Challenge": "v"})
    assert challenge.get_json() == {"verification": "v"}


@pytest.mark.parametrize("options", [{"event_hook": True}, {"on_refusal": print}])
def test_options_without_verifier(options: dict[str, Any]) -> None:
    """``protect`` with options but no verifier raises ConfigurationError."""
    with pytest.raises(ConfigurationError, match="verifier"):
        protect(**options)

"""The Django adapter: what the matrix of all adapters does not ask."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.test.utils import override_settings
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from rest_framework.decorators import api_view, authentication_classes
from rest_framework.response import Response

from hookkey_verify import ConfigurationError, HookSigner, HookVerifier
from hookkey_verify.django import HookMiddleware, HookRequiredMixin, protect
from hookkey_verify.guard import Guard, HttpAnswer, HttpRefusal
from hookkey_verify.shared_secret import HeaderSecret

from .conftest import CLIENT_ID, TOKEN_URL
from .test_readme import GUIDES_PYTHON

SECRET = HeaderSecret("s3cret")
"""By its dotted path the verifier of some settings below."""

HERE = __name__


def tea(refusal: HttpRefusal) -> HttpAnswer:
    """Answer in another way."""
    return HttpAnswer(418, (("X-Reason", refusal.error.reason),), b"tea")


@pytest.fixture
def bearer(signer: HookSigner) -> dict[str, str]:
    token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    return {"Authorization": f"Bearer {token}"}


def _ok(request: HttpRequest, **_: Any) -> HttpResponse:
    hook: Any = request.hook  # type: ignore[attr-defined]
    return HttpResponse(str(hook.subject))


async def _async_ok(request: HttpRequest) -> HttpResponse:
    return _ok(request)


def _open(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(hasattr(request, "hook")))


class Site:
    """Views at paths, for a while."""

    def __init__(self, **options: Any) -> None:
        self.urlconf = ModuleType("site_for_a_test")
        self._override = override_settings(ROOT_URLCONF=self.urlconf, **options)

    def __enter__(self) -> Site:
        self._override.enable()
        return self

    def __exit__(self, *_: object) -> None:
        self._override.disable()

    def at(self, **views: Any) -> Client:
        self.urlconf.urlpatterns = [  # type: ignore[attr-defined]
            path(name, view) for name, view in views.items()
        ]
        return Client(enforce_csrf_checks=True)


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as made:
        yield made


def test_the_view_keeps_what_it_is(verifier: HookVerifier) -> None:
    """Its name, its documentation, whether it is async; and it is exempt from CSRF protection."""
    sync, asynchronous = protect(verifier)(_ok), protect(verifier)(_async_ok)
    assert (sync.__name__, sync.csrf_exempt) == ("_ok", True)  # type: ignore[attr-defined]
    assert asyncio.iscoroutinefunction(asynchronous)
    assert not asyncio.iscoroutinefunction(sync)


def test_no_csrf_token(site: Site, verifier: HookVerifier, bearer: dict[str, str]) -> None:
    """Okta has none; views beside it keep their protection."""
    client = site.at(hook=protect(verifier)(_ok), form=_open)
    assert client.post("/hook", headers=bearer).content == CLIENT_ID.encode()
    assert client.post("/hook").status_code == 401
    assert client.post("/form", headers=bearer).status_code == 403


def test_class_based_views(site: Site, verifier: HookVerifier, bearer: dict[str, str]) -> None:
    """The mixin, or Django's own method_decorator."""

    class Mixed(HookRequiredMixin, View):
        hook_verifier = verifier
        post = staticmethod(_ok)

    @method_decorator(protect(verifier), name="dispatch")
    class Decorated(View):
        post = staticmethod(_ok)

    client = site.at(mixed=Mixed.as_view(), decorated=Decorated.as_view())
    for each in ("/mixed", "/decorated"):
        assert client.post(each, headers=bearer).status_code == 200
        assert client.post(each).status_code == 401


def test_the_setting(bearer: dict[str, str]) -> None:
    """A verifier by its dotted path, and how to answer refusals."""
    setting = {"VERIFIER": f"{HERE}.SECRET", "ON_REFUSAL": f"{HERE}.tea", "EVENT_HOOK": True}
    with Site(HOOKKEY_VERIFY=setting) as site:

        class Mixed(HookRequiredMixin, View):
            post = staticmethod(_ok)

        client = site.at(bare=protect(_ok), called=protect()(_ok), mixed=Mixed.as_view())
        for each in ("/bare", "/called", "/mixed"):
            assert client.post(each, headers={"Authorization": "s3cret"}).status_code == 200
            refused = client.post(each, headers=bearer)
            assert (refused.status_code, refused["X-Reason"]) == (418, "wrong_credentials")
        challenge = client.get("/bare", headers={"X-Okta-Verification-Challenge": "v"})
        assert challenge.json() == {"verification": "v"}


def test_a_changed_setting_counts() -> None:
    """As tests change it."""
    with Site(HOOKKEY_VERIFY={"VERIFIER": HeaderSecret("one")}) as site:
        client = site.at(hook=protect(_ok))
        assert client.post("/hook", headers={"Authorization": "one"}).status_code == 200
        with override_settings(HOOKKEY_VERIFY={"VERIFIER": HeaderSecret("two")}):
            assert client.post("/hook", headers={"Authorization": "one"}).status_code == 401


MIDDLEWARE = {"MIDDLEWARE": [f"{HookMiddleware.__module__}.HookMiddleware"]}


def test_middleware_protects_its_paths() -> None:
    """And leaves the others alone."""
    setting = {"VERIFIER": SECRET, "PATHS": ["/hooks/*"]}
    csrf = "django.middleware.csrf.CsrfViewMiddleware"
    for order in ([csrf, *MIDDLEWARE["MIDDLEWARE"]], [*MIDDLEWARE["MIDDLEWARE"], csrf]):
        with Site(HOOKKEY_VERIFY=setting, MIDDLEWARE=order) as site:
            client = site.at(**{"hooks/a": _ok, "open": _open})
            assert client.post("/hooks/a", headers={"Authorization": "s3cret"}).status_code == 200
            assert client.post("/hooks/a").status_code == 401
            assert client.get("/open").content == b"False"
            assert client.post("/open").status_code == 403


def test_middleware_needs_its_setting() -> None:
    """And says so when Django starts."""
    with Site(HOOKKEY_VERIFY={}, **MIDDLEWARE) as site:
        client = site.at(hook=_ok)
        with pytest.raises(ConfigurationError, match="OKTA_CLIENT_ORGURL"):
            client.post("/hook")


def test_async_requests_stay_in_their_loop(verifier: HookVerifier, bearer: dict[str, str]) -> None:
    """Through the middleware too."""
    loops = []

    class Noting:
        def verify_headers(self, headers: Any) -> Any:
            raise AssertionError("the sync one")

        async def averify_headers(self, headers: Any) -> Any:
            loops.append(asyncio.get_running_loop())
            return await verifier.averify_headers(headers)

    async def call() -> tuple[int, bool]:
        answer = await AsyncClient().post("/hook", headers=bearer)
        return answer.status_code, loops == [asyncio.get_running_loop()]

    with Site(HOOKKEY_VERIFY={"VERIFIER": Noting()}, **MIDDLEWARE) as site:
        site.at(hook=_async_ok)
        assert asyncio.run(call()) == (200, True)


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        (5, "must be a dict"),
        ({"VERIFER": SECRET}, "has 'VERIFER'"),
        ({}, "OKTA_CLIENT_ORGURL"),
        ({"VERIFIER": "no.such.thing"}, "cannot be imported"),
        ({"VERIFIER": f"{HERE}.HERE"}, "verifier must be"),
        ({"VERIFIER": SECRET, "PATHS": "/hooks"}, "paths must be a list"),
        ({"VERIFIER": SECRET, "ON_REFUSAL": 5}, "on_refusal"),
        ({"HOOKKEY_ISSUER": "http://acme.okta.com/oauth2/a"}, "https"),
    ],
    ids=str,
)
def test_manage_py_check(setting: Any, problem: str) -> None:
    """Finds what is wrong with the setting, and says it."""
    with Site(HOOKKEY_VERIFY=setting) as site:
        site.at(hook=protect(SECRET)(_ok))
        [error] = [each for each in run_checks() if each.id == "hookkey_verify.E001"]
        assert problem in str(error.msg)


def test_manage_py_check_is_content() -> None:
    """With a right setting, and without one."""
    for options in ({"HOOKKEY_VERIFY": {"VERIFIER": SECRET, "PATHS": ["/a"]}}, {}):
        with Site(**options) as site:
            site.at(hook=protect(SECRET)(_ok))
            call_command("check", fail_level="WARNING")


def test_the_recipe_for_rest_framework(
    site: Site, verifier: HookVerifier, bearer: dict[str, str]
) -> None:
    """The class in the documentation: 401 with a challenge, 503, and request.auth."""
    scope: dict[str, Any] = {"__name__": __name__}
    [recipe] = [code for code in GUIDES_PYTHON if "rest_framework" in code]
    exec(compile(recipe, "docs/protect.md", "exec"), scope)

    def view(judge: Any) -> Any:
        kind = type("Kind", (scope["HookAuthentication"],), {"guard": Guard(judge)})

        @api_view(["POST"])  # type: ignore[untyped-decorator]
        @authentication_classes([kind])  # type: ignore[untyped-decorator]
        def hook(request: Any) -> Response:
            return Response({"subject": request.auth.subject})

        return hook

    class Down:
        def verify_headers(self, headers: Any) -> Any:
            raise KeyError

        averify_headers = verify_headers

    client = site.at(hook=view(verifier), down=view(Down()))
    assert client.post("/hook", headers=bearer).json() == {"subject": CLIENT_ID}
    refused = client.post("/hook")
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")
    assert refused.json() == {"detail": "missing_token"}
    assert client.post("/down", headers=bearer).status_code == 500

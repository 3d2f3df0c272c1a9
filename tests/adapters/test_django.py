"""The Django adapter, beyond the end-to-end tests that all adapters share."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.checks import run_checks
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.test.utils import override_settings
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from rest_framework.decorators import api_view, authentication_classes
from rest_framework.response import Response

from hookkey_verify import (
    ConfigurationError,
    HookSigner,
    HookVerifier,
    StaticKeys,
    VerifiedHook,
)
from hookkey_verify.django import HookMiddleware, HookRequiredMixin, protect
from hookkey_verify.errors import KeyUnavailableError
from hookkey_verify.guard import Guard, HttpAnswer, HttpRefusal, RequestVerifier
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.shared_secret import BasicCredentials, HeaderSecret

from ..conftest import CLIENT_ID, TOKEN_URL
from ..test_readme import GUIDES_PYTHON

SECRET = HeaderSecret("s3cret")
"""A verifier that some settings below name by its dotted path."""

HERE = __name__


def tea(refusal: HttpRefusal) -> HttpAnswer:
    """Replace the refusal by a response with status 418."""
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
    """A temporary URL configuration."""

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
    """A protected view keeps its name, stays sync or async, and is exempt from CSRF checks."""
    sync, asynchronous = protect(verifier)(_ok), protect(verifier)(_async_ok)
    assert (sync.__name__, bool(sync.csrf_exempt)) == ("_ok", True)  # type: ignore[attr-defined]
    assert asyncio.iscoroutinefunction(asynchronous)
    assert not asyncio.iscoroutinefunction(sync)


def test_no_csrf_token(site: Site, verifier: HookVerifier, bearer: dict[str, str]) -> None:
    """A protected view needs no CSRF token, and other views keep their CSRF protection."""
    client = site.at(hook=protect(verifier)(_ok), form=_open)
    assert client.post("/hook", headers=bearer).content == CLIENT_ID.encode()
    assert client.post("/hook").status_code == 401
    assert client.post("/form", headers=bearer).status_code == 403


def test_class_based_views(site: Site, verifier: HookVerifier, bearer: dict[str, str]) -> None:
    """The mixin and Django's method_decorator each protect a class-based view."""

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
    """HOOKKEY_VERIFY sets the verifier by dotted path, ON_REFUSAL and EVENT_HOOK."""
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
    """A setting that a test overrides takes effect at once."""
    with Site(HOOKKEY_VERIFY={"VERIFIER": HeaderSecret("one")}) as site:
        client = site.at(hook=protect(_ok))
        assert client.post("/hook", headers={"Authorization": "one"}).status_code == 200
        with override_settings(HOOKKEY_VERIFY={"VERIFIER": HeaderSecret("two")}):
            assert client.post("/hook", headers={"Authorization": "one"}).status_code == 401


MIDDLEWARE = {"MIDDLEWARE": [f"{HookMiddleware.__module__}.HookMiddleware"]}


def _urls(view: Any = _ok) -> list[Any]:
    """Return views with and without names, and in nested namespaces."""
    inner: Any = ([path("deep", _open, name="deep")], "inner")
    outer: Any = ([path("status", _open, name="status"), path("inner/", include(inner))], "outer")
    return [
        path("hook", view, name="hook"),
        path("hook/<int:number>", view, name="numbered"),
        path("healthz", _open, name="healthz"),
        path("nameless", _open),
        path("outer/", include(outer)),
        path("", include([path("included", _open, name="included")])),
    ]


@pytest.mark.parametrize(
    ("public", "open_paths"),
    [
        ([], []),
        (["healthz"], ["/healthz"]),
        (("healthz", "included"), ["/healthz", "/included"]),
        ([f"{HERE}._open"], ["/nameless"]),
        (["outer"], ["/outer/status", "/outer/inner/deep"]),
        (["outer:inner"], ["/outer/inner/deep"]),
        (["outer:inner:deep"], ["/outer/inner/deep"]),
        (["outer:status"], ["/outer/status"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("is_async", [False, True], ids=["wsgi", "asgi"])
def test_middleware_protects_every_view_but_the_public_ones(
    public: Any, open_paths: list[str], is_async: bool
) -> None:
    """The middleware leaves open exactly the views and namespaces in HOOKKEY_PUBLIC."""
    paths = ["/hook", "/hook/7", "/healthz", "/nameless", "/included"]
    paths += ["/outer/status", "/outer/inner/deep"]
    options = {"HOOKKEY_VERIFY": {"VERIFIER": SECRET}, "HOOKKEY_PUBLIC": public, **MIDDLEWARE}

    def status(where: str, **headers: str) -> int:
        if is_async:
            return asyncio.run(AsyncClient().post(where, headers=headers)).status_code
        return Client().post(where, headers=headers).status_code

    with Site(**options) as site:
        site.urlconf.urlpatterns = _urls()  # type: ignore[attr-defined]
        assert [each for each in paths if status(each) == 200] == open_paths
        assert status("/hook", Authorization="s3cret") == 200
        assert status("/nothing") == 404
        call_command("check", fail_level="WARNING")


@pytest.mark.parametrize(
    ("public", "problem"),
    [
        ("healthz", "must be a list"),
        (5, "must be a list"),
        (["/healthz"], "'/healthz', which no URL pattern"),
        (["inner"], "'inner', which no URL pattern"),
        (["outer:"], "'outer:', which no URL pattern"),
        (["healthz", "deep"], "'deep', which no URL pattern"),
        ([5], "5, which no URL pattern"),
        (["twice"], "both a view and a URL namespace"),
    ],
    ids=str,
)
def test_public_names_that_cannot_be_resolved(public: Any, problem: str) -> None:
    """A wrong entry in HOOKKEY_PUBLIC fails ``manage.py check``, and requests raise."""
    options = {"HOOKKEY_VERIFY": {"VERIFIER": SECRET}, "HOOKKEY_PUBLIC": public, **MIDDLEWARE}
    with Site(**options) as site:
        nothing: list[Any] = []
        twice = [path("twice", _open, name="twice"), path("twice/", include((nothing, "twice")))]
        site.urlconf.urlpatterns = [*_urls(), *twice]  # type: ignore[attr-defined]
        [error] = [each for each in run_checks() if each.id == "hookkey_verify.E002"]
        assert problem in str(error.msg)
        with pytest.raises(ConfigurationError, match="HOOKKEY_PUBLIC"):
            Client().post("/healthz")


CSRF = "django.middleware.csrf.CsrfViewMiddleware"


@pytest.mark.parametrize(
    "order", [[CSRF, *MIDDLEWARE["MIDDLEWARE"]], [*MIDDLEWARE["MIDDLEWARE"], CSRF]], ids=str
)
def test_before_or_after_the_protection_from_csrf(order: list[str]) -> None:
    """The middleware verifies in either order, and public views keep their CSRF protection."""
    options = {"HOOKKEY_VERIFY": {"VERIFIER": SECRET}, "HOOKKEY_PUBLIC": ["open"]}
    with Site(MIDDLEWARE=order, **options) as site:
        client = site.at(hook=_ok)
        site.urlconf.urlpatterns.append(path("open", _open, name="open"))
        assert client.post("/hook", headers={"Authorization": "s3cret"}).status_code == 200
        assert client.post("/hook").status_code == 401
        assert client.get("/open").content == b"False"
        assert client.post("/open").status_code == 403


@pytest.mark.parametrize("is_async", [False, True], ids=["wsgi", "asgi"])
def test_the_view_that_is_called_decides(is_async: bool) -> None:
    """HOOKKEY_PUBLIC applies to the view that runs, even if a later middleware changes the URLs."""
    other = ModuleType("other_urls")
    other.urlpatterns = [path("open", _ok)]  # type: ignore[attr-defined]
    middleware = [*MIDDLEWARE["MIDDLEWARE"], f"{HERE}.reroute"]
    options = {"HOOKKEY_VERIFY": {"VERIFIER": SECRET}, "HOOKKEY_PUBLIC": ["open"]}
    with Site(MIDDLEWARE=middleware, OTHER_URLS=other, **options) as site:
        site.urlconf.urlpatterns = [path("open", _open, name="open")]  # type: ignore[attr-defined]
        if is_async:
            assert asyncio.run(AsyncClient().post("/open")).status_code == 401
        assert Client().post("/open").status_code == 401
        assert Client().post("/open", headers={"Authorization": "s3cret"}).status_code == 200


def reroute(get_response: Any) -> Any:
    """Create a middleware that changes the URL configuration of the request."""

    def middleware(request: HttpRequest) -> Any:
        request.urlconf = django_settings.OTHER_URLS
        return get_response(request)

    return middleware


def test_one_verification_for_one_request(signer: HookSigner, keys: StaticKeys) -> None:
    """The middleware verifies each request once, so a single-use token passes exactly once."""
    verifier = HookVerifier.for_client_assertion(
        keys,
        client_id=CLIENT_ID,
        token_url=TOKEN_URL,
        replay=MemoryReplayStore(single_process=True),
    )
    token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    with Site(HOOKKEY_VERIFY={"VERIFIER": verifier}, **MIDDLEWARE) as site:
        client = site.at(hook=_ok)
        headers = {"Authorization": f"Bearer {token}"}
        assert [client.post("/hook", headers=headers).status_code for _ in range(2)] == [200, 401]


def test_middleware_needs_its_setting() -> None:
    """Without a verifier, the middleware raises and names the missing setting."""
    with Site(HOOKKEY_VERIFY={}, **MIDDLEWARE) as site:
        client = site.at(hook=_ok)
        with pytest.raises(ConfigurationError, match="OKTA_CLIENT_ORGURL"):
            client.post("/hook")


BASIC = BasicCredentials("okta", "p4ssword")
BASIC_HEADER = {"Authorization": "Basic " + b64encode(b"okta:p4ssword").decode()}


class Custom:
    """A custom verifier that may state whether browsers send its credentials."""

    def __init__(self, **attributes: bool) -> None:
        self.__dict__.update(attributes)

    def verify_headers(self, headers: Any) -> VerifiedHook:
        return BASIC.verify_headers(headers)

    async def averify_headers(self, headers: Any) -> VerifiedHook:
        return BASIC.verify_headers(headers)


@pytest.mark.parametrize(
    ("judge", "headers", "exempt"),
    [
        (SECRET, {"Authorization": "s3cret"}, True),
        (HeaderSecret("s3cret", header="X-Hook"), {"X-Hook": "s3cret"}, True),
        (HeaderSecret("hook=s3cret", header="Cookie"), {"Cookie": "hook=s3cret"}, False),
        (HeaderSecret(BASIC_HEADER["Authorization"]), BASIC_HEADER, False),
        (BASIC, BASIC_HEADER, False),
        (Custom(sent_by_browsers=True), BASIC_HEADER, False),
        (Custom(sent_by_browsers=False), BASIC_HEADER, True),
        (Custom(), BASIC_HEADER, True),
    ],
    ids=[
        "header",
        "other",
        "cookie",
        "basic as a secret",
        "basic",
        "own",
        "own, no",
        "own, silent",
    ],
)
def test_who_needs_a_csrf_token(
    judge: RequestVerifier, headers: dict[str, str], exempt: bool
) -> None:
    """Only credentials that a browser sends automatically require a CSRF token."""
    expected = 200 if exempt else 403

    class Mixed(HookRequiredMixin, View):
        hook_verifier = judge
        post = staticmethod(_ok)

    with Site(HOOKKEY_VERIFY={"VERIFIER": judge}, MIDDLEWARE=[CSRF]) as site:
        client = site.at(
            given=protect(judge)(_ok),
            bare=protect(_ok),
            mixed=Mixed.as_view(),
            exempted=csrf_exempt(protect(judge)(_ok)),
            within=protect(judge)(csrf_exempt(_ok)),
            bare_within=protect(csrf_exempt(_ok)),
        )
        for where in ("/given", "/bare", "/mixed"):
            assert client.post(where, headers=headers).status_code == expected
        for where in ("/exempted", "/within", "/bare_within"):
            assert client.post(where, headers=headers).status_code == 200
    order = [*MIDDLEWARE["MIDDLEWARE"], CSRF]
    with Site(HOOKKEY_VERIFY={"VERIFIER": judge}, MIDDLEWARE=order) as site:
        assert site.at(hook=_ok).post("/hook", headers=headers).status_code == expected


def test_the_mixin_stands_first(verifier: HookVerifier, bearer: dict[str, str]) -> None:
    """A class with the mixin after ``View`` cannot be created, because it would be unprotected."""
    with pytest.raises(ConfigurationError, match=r"Wrong is not protected: .* before View"):

        class Wrong(View, HookRequiredMixin):
            hook_verifier = verifier

    class Base(View):
        pass

    with pytest.raises(ConfigurationError, match="before View"):

        class Deep(Base, HookRequiredMixin):
            pass

    class Factory:
        @classmethod
        def as_view(cls, **_: Any) -> Any:
            return _open

    with pytest.raises(ConfigurationError, match="before Factory"):

        class Made(Factory, HookRequiredMixin, View):
            pass

    class Right(HookRequiredMixin, Base):
        hook_verifier = verifier
        post = staticmethod(_ok)

    class Specialized(Right):
        pass

    with Site() as site:
        client = site.at(hook=Specialized.as_view())
        assert client.post("/hook").status_code == 401
        assert client.post("/hook", headers=bearer).status_code == 200


def test_async_requests_stay_in_their_loop(verifier: HookVerifier, bearer: dict[str, str]) -> None:
    """The middleware verifies an async request in the event loop of that request."""
    loops = []

    class Noting:
        def verify_headers(self, headers: Any) -> Any:
            raise AssertionError("the sync method was called")

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
        ({"VERIFIER": SECRET, "PATHS": ["/hooks"]}, "has 'PATHS'"),
        ({"VERIFIER": SECRET, "ON_REFUSAL": 5}, "on_refusal"),
        ({"HOOKKEY_ISSUER": "http://acme.okta.com/oauth2/a"}, "https"),
    ],
    ids=str,
)
def test_manage_py_check(setting: Any, problem: str) -> None:
    """``manage.py check`` reports an error in HOOKKEY_VERIFY."""
    with Site(HOOKKEY_VERIFY=setting) as site:
        site.at(hook=protect(SECRET)(_ok))
        [error] = [each for each in run_checks() if each.id == "hookkey_verify.E001"]
        assert problem in str(error.msg)


def test_manage_py_check_is_content() -> None:
    """``manage.py check`` passes with a valid setting and without a setting."""
    for options in ({"HOOKKEY_VERIFY": {"VERIFIER": SECRET}}, {}):
        with Site(**options) as site:
            site.at(hook=protect(SECRET)(_ok))
            call_command("check", fail_level="WARNING")


def test_the_recipe_for_rest_framework(
    site: Site, verifier: HookVerifier, bearer: dict[str, str]
) -> None:
    """The documented class sets request.auth and answers 401 with a challenge, 503 or 500.

    It answers 503 while keys are unavailable, and 500 for an error of the verifier.
    """
    scope: dict[str, Any] = {"__name__": __name__}
    [recipe] = [code for code in GUIDES_PYTHON if "rest_framework" in code]
    exec(compile(recipe, "docs/frameworks/django.md", "exec"), scope)

    def view(request_verifier: Any) -> Any:
        kind = type("Kind", (scope["HookAuthentication"],), {"guard": Guard(request_verifier)})

        @api_view(["POST"])  # type: ignore[untyped-decorator]
        @authentication_classes([kind])  # type: ignore[untyped-decorator]
        def hook(request: Any) -> Response:
            return Response({"subject": request.auth.subject})

        return hook

    class Failing:
        def __init__(self, error: Exception) -> None:
            self._error = error

        def verify_headers(self, headers: Any) -> Any:
            raise self._error

        averify_headers = verify_headers

    down, broken = Failing(KeyUnavailableError("no keys")), Failing(KeyError())
    client = site.at(hook=view(verifier), down=view(down), broken=view(broken))
    assert client.post("/hook", headers=bearer).json() == {"subject": CLIENT_ID}
    refused = client.post("/hook")
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")
    assert refused.json() == {"detail": "missing_token"}
    for url, status, reason in (
        ("/down", 503, "key_unavailable"),
        ("/broken", 500, "configuration"),
    ):
        failed = client.post(url, headers=bearer)
        assert (failed.status_code, failed.json()) == (status, {"detail": reason})

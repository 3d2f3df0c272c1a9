"""User code that must type-check, under mypy --strict and pyright."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, assert_type

from django.http import HttpRequest, HttpResponse
from django.views import View
from fastapi import Depends, FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware

from hookkey_verify import (
    ApiToken,
    BearerToken,
    CachePolicy,
    HookKeys,
    HookSigner,
    HookVerificationError,
    HookVerifier,
    PublicKey,
    StaticKeys,
    VerifiedHook,
    asgi,
    aws_lambda,
    django,
    fastapi,
    flask,
    wsgi,
)
from hookkey_verify.errors import Reason
from hookkey_verify.guard import Guard, HttpAnswer, RequestVerifier
from hookkey_verify.hooks import (
    AnyOf,
    Hook,
    Hooks,
    ImportHook,
    ImportReply,
    PasswordImportHook,
    PasswordImportReply,
    RegistrationHook,
    RegistrationReply,
    SamlHook,
    SamlReply,
    TelephonyHook,
    TelephonyReply,
    TokenHook,
    TokenReply,
    UnknownHook,
)
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.shared_secret import HeaderSecret


def handler(hook: VerifiedHook) -> dict[str, Any]:
    """A handler can require a ``VerifiedHook``."""
    assert_type(hook.issuer, str | None)
    assert_type(hook.audience, tuple[str, ...])
    assert_type(hook.expires_at, float)
    assert_type(hook.claims, Mapping[str, Any])
    return {"client": hook.client_id, "scopes": list(hook.scopes)}


class OwnKeys:
    """A custom key source without a base class."""

    def __init__(self, key: PublicKey) -> None:
        self._key = key

    def get(
        self, kid: str, *, algorithm: str | None = None, deadline: float | None = None
    ) -> PublicKey:
        """Return the key."""
        return self._key

    async def aget(
        self, kid: str, *, algorithm: str | None = None, deadline: float | None = None
    ) -> PublicKey:
        """Return the key."""
        return self._key

    def close(self) -> None:
        """Do nothing."""


app = Flask(__name__)
api = FastAPI()
verifier: RequestVerifier = HookVerifier(StaticKeys.from_file("k"), issuer="i", audience="a")


@app.post("/flask/<int:number>")
@flask.protect(verifier)
def flask_view(number: int, *, name: str = "") -> str:
    """A protected Flask view keeps its signature."""
    assert_type(flask.current_hook, VerifiedHook)
    return name * number


@flask.protect
async def bare_view(number: int) -> bytes:
    """A protected async Flask view remains a coroutine function."""
    return bytes(number)


@flask.HookKeyVerify(app, verifier).required
def required_view() -> int:
    """The decorator of the extension keeps the signature too."""
    return 1


@django.protect(verifier, on_refusal=lambda refusal: refusal)
def django_view(request: HttpRequest, number: int) -> HttpResponse:
    """A protected Django view keeps its signature."""
    return HttpResponse(str(number))


@django.protect()
async def async_django_view(request: HttpRequest) -> HttpResponse:
    """A protected async Django view remains a coroutine function."""
    return HttpResponse()


class ClassView(django.HookRequiredMixin, View):
    """A class-based view with the mixin as its first base class."""

    hook_verifier = verifier


hook_auth = fastapi.HookAuth(verifier)
api.add_exception_handler(fastapi.HookRefused, fastapi.answer_refusal)


@api.post("/fastapi")
async def operation(hook: Annotated[VerifiedHook, Depends(hook_auth)]) -> str:
    """The dependency's parameter is a ``VerifiedHook``."""
    return hook.kid


@aws_lambda.protect(HeaderSecret("s"))
def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A protected Lambda handler takes an event and a context."""
    return {}


hooks = Hooks(AnyOf(HeaderSecret("s"), verifier))
app.post("/hooks")(flask.serve(hooks))
api.add_route("/hooks", fastapi.serve(hooks))


@hooks.on(TokenHook)
def on_token(hook: TokenHook) -> TokenReply | None:
    """A handler returns the reply of its type or None."""
    return None if hook.is_refresh else TokenReply().access_claim("team", "blue")


@hooks.on(SamlHook)
async def on_saml(hook: SamlHook) -> SamlReply:
    """A handler may be asynchronous."""
    return SamlReply()


@hooks.on(RegistrationHook)
async def on_registration(hook: RegistrationHook) -> RegistrationReply | None:
    """A handler may be asynchronous and return None."""
    return RegistrationReply().allow()


@hooks.on(ImportHook)
def on_import(hook: ImportHook) -> None:
    """A handler may always return None."""


@hooks.on(PasswordImportHook)
def on_password(hook: Hook) -> PasswordImportReply:
    """A handler may take any hook."""
    return PasswordImportReply().verified()


@hooks.on(TelephonyHook)
def on_telephony(hook: TelephonyHook) -> TelephonyReply:
    """A handler of telephony returns a reply."""
    return TelephonyReply().sent()


@hooks.on(UnknownHook)
def on_unknown(hook: UnknownHook) -> dict[str, Any]:
    """A handler of an unknown type returns a JSON object."""
    return {}


another = Hooks(verifier)
another.on(ImportHook)(lambda hook: ImportReply())


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    """Do nothing."""


async def kept(request: HttpRequest) -> None:
    """The decorators keep the types of the decorated functions."""
    assert_type(flask_view(1, name="a"), str)
    assert_type(await bare_view(1), bytes)
    assert_type(required_view(), int)
    assert_type(django_view(request, 1), HttpResponse)
    assert_type(await async_django_view(request), HttpResponse)
    hook = TokenHook({})
    assert_type(on_token(hook), TokenReply | None)
    assert_type(await on_saml(SamlHook({})), SamlReply)
    assert_type(hooks.verify_and_parse(request.headers, request.body), Hook)
    assert_type(await hooks.averify_and_parse(request.headers, request.body), Hook)
    outcome = Guard(verifier).check(request.headers)
    assert_type(outcome, VerifiedHook | HttpAnswer)
    Starlette(middleware=[Middleware(asgi.HookMiddleware, verifier, public=["/healthz"])])
    asgi.HookMiddleware(asgi_app, verifier)
    app.wsgi_app = wsgi.HookMiddleware(app.wsgi_app, verifier)  # type: ignore[method-assign]


def use(headers: dict[str, str], pairs: list[tuple[bytes, bytes]]) -> None:
    """Use the public names as the README does."""
    signer = HookSigner.generate()
    key = PublicKey.from_document(signer.public_jwk(), expected_kid=signer.kid)
    sources = (
        StaticKeys([key]),
        OwnKeys(key),
        HookKeys("https://acme.okta.com", ApiToken("t"), policy=CachePolicy(fresh_for=600)),
        HookKeys("https://acme.okta.com", BearerToken(lambda: "t")),
    )
    for source in sources:
        verifier = HookVerifier(
            source, issuer=["a", "b"], audience=None, replay=MemoryReplayStore(), clock=lambda: 1.0
        )
        try:
            handler(verifier.verify(b"token"))
            handler(verifier.verify_headers(headers))
            handler(verifier.verify_headers(pairs))
            handler(asyncio.run(verifier.averify("token")))
        except HookVerificationError as error:
            assert_type(error.reason, Reason)
            assert_type(error.headers, dict[str, str])

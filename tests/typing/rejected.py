"""User code that must not type-check; each line carries the error that mypy must report."""

from __future__ import annotations

from hookkey_verify import ApiToken, HookKeys, HookVerifier, StaticKeys, VerifiedHook
from hookkey_verify.flask import current_hook, protect
from hookkey_verify.guard import Guard
from hookkey_verify.hooks import (
    AnyOf,
    Hooks,
    PasswordImportHook,
    PasswordImportReply,
    RegistrationHook,
    SamlReply,
    TelephonyHook,
    TelephonyReply,
    TokenHook,
    TokenReply,
)
from hookkey_verify.wsgi import HookMiddleware


def use(keys: StaticKeys, hook: VerifiedHook) -> None:
    """Every statement contains a type error."""
    HookVerifier(keys, issuer="i")  # E: call-arg
    HookVerifier(keys, issuer="i", audience=5)  # E: arg-type
    HookVerifier({"kid": "key"}, issuer="i", audience="a")  # E: arg-type
    HookVerifier.for_client_assertion(keys, client_id="c")  # E: call-arg
    HookVerifier(keys, issuer="i", audience="a").verify(None)  # E: arg-type
    HookKeys("https://acme.okta.com", "token")  # E: arg-type
    ApiToken(5)  # E: arg-type
    hook.kid = "other"  # E: misc
    hook.claims["sub"] = "other"  # E: index
    Guard(keys)  # E: arg-type
    Guard(HookVerifier(keys, issuer="i", audience="a"), event_hook="yes")  # E: arg-type
    protect(StaticKeys)(5)  # E: arg-type
    current_hook.kid = "other"  # E: misc
    HookMiddleware(len, HookVerifier(keys, issuer="i", audience="a"))  # E: arg-type


@protect(HookVerifier(StaticKeys.from_file("k"), issuer="i", audience="a"))
def view(number: int) -> str:
    """A protected view keeps its signature, so the call below is a type error."""
    return str(number)


view("1")  # E: arg-type


hooks = Hooks(HookVerifier(StaticKeys.from_file("k"), issuer="i", audience="a"))
Hooks(StaticKeys.from_file("k"))  # E: arg-type
AnyOf(StaticKeys.from_file("k"))  # E: arg-type
hooks.on(TokenReply)  # E: arg-type


@hooks.on(TokenHook)  # E: type-var
def on_token(hook: TokenHook) -> SamlReply:
    """A handler cannot return the reply of another type."""
    return SamlReply()


@hooks.on(TokenHook)  # E: type-var
async def on_token_later(hook: TokenHook) -> SamlReply:
    """Nor if it is asynchronous."""
    return SamlReply()


@hooks.on(RegistrationHook)  # E: type-var
def on_registration(hook: TokenHook) -> None:
    """A handler cannot take the hook of another type."""


@hooks.on(PasswordImportHook)  # E: type-var
def on_password(hook: PasswordImportHook, more: int) -> PasswordImportReply:
    """A handler takes one argument."""
    return PasswordImportReply()


@hooks.on(TelephonyHook)  # E: type-var
def on_telephony(hook: TelephonyHook) -> TelephonyReply | None:
    """A handler of telephony cannot return None, because Okta would send a second message."""
    return None

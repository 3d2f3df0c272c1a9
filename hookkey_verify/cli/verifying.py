"""From options and settings to a verifier, and from a token to its verdict and checks."""

from __future__ import annotations

from collections.abc import Mapping

import click

from .._jose.issuer import is_authorization_server
from ..errors import ConfigurationError, HookVerificationError
from ..keys.hook_keys import HookKeys
from ..keys.issuer_keys import IssuerKeys
from ..keys.static import StaticKeys
from ..okta.http import check_url
from ..settings import Settings
from ..verifier import HookVerifier, KeySource, VerifiedHook
from .checks import TokenCheck, checks_of
from .wording import FLAGS

__all__ = ["check_url_option", "verdict", "verifier_of"]

_NO_SETTINGS = (
    "no verifier is configured: for client assertions set HOOKKEY_CLIENT_ID and HOOKKEY_TOKEN_URL, "
    "for access tokens HOOKKEY_ISSUER, HOOKKEY_AUDIENCE and HOOKKEY_CLIENT_ID"
)
_NO_VERIFIER = (
    "no verifier is configured: for a client assertion pass --client-id and --token-url, with "
    "--keys or OKTA_CLIENT_ORGURL; for an access token --issuer, --audience and --client-id"
)


def verifier_of(  # noqa: PLR0917 - the options of the command
    key_file: str | None = None,
    kid: str | None = None,
    client_id: str | None = None,
    token_url: str | None = None,
    issuer: str | None = None,
    audience: str | None = None,
    scopes: tuple[str, ...] = (),
    flags: Mapping[str, str] = FLAGS,
) -> tuple[HookVerifier, KeySource]:
    """Return the verifier that options and environment describe, and its keys to be closed.

    ``flags`` are the options that an error may name.
    """
    access = issuer is not None or audience is not None or scopes != ()
    if access and token_url is not None:
        raise click.UsageError(
            "--token-url is for assertions; --issuer, --audience, --scope are for access tokens"
        )
    if kid is not None and key_file is None:
        raise click.UsageError("--kid is for a PEM file that --keys names")
    given = {
        "hook_client_id": client_id,
        "token_url": token_url,
        "issuer": issuer,
        "audience": audience,
        "hook_scopes": scopes or None,
    }
    settings = Settings(given, flags=flags)
    _refuse_nothing_and_bad_urls(settings, key_file, access=access)
    # As everywhere: with an issuer, its access tokens.
    access = access or (token_url is None and settings.text("issuer") is not None)
    if key_file is None:
        keys = _keys_from_env(settings, access=access)
        return HookVerifier.from_env(keys, settings=settings), keys
    static = StaticKeys.from_file(key_file, kid=kid)
    if not access:
        return HookVerifier.from_env(static, settings=settings), static
    verifier = HookVerifier.for_access_token(
        static,
        issuer=settings.need("issuer"),
        audience=settings.need("audience"),
        client_id=settings.need("hook_client_id"),
        scopes=settings.words("hook_scopes"),
    )
    return verifier, static


def _refuse_nothing_and_bad_urls(settings: Settings, key_file: str | None, *, access: bool) -> None:
    """Raise ``ConfigurationError`` when nothing describes a verifier, or a URL is not one."""
    described = any(map(settings.text, ("hook_client_id", "token_url", "issuer")))
    if key_file is None and not access and not described:
        raise ConfigurationError(_NO_VERIFIER if settings.flags else _NO_SETTINGS)
    for name in ("token_url",) if key_file is not None else ("token_url", "issuer"):
        value = settings.text(name)
        if value is not None:
            check_url_option(name, value)


def _keys_from_env(settings: Settings, *, access: bool) -> KeySource:
    if access:
        issuer = settings.need("issuer")
        return IssuerKeys.from_env(issuer=issuer, discover=not is_authorization_server(issuer))
    if settings.text("org_url") is None:
        by_flag = "pass --keys, or " if settings.flags else ""
        raise ConfigurationError(
            f"no keys are configured: {by_flag}set OKTA_CLIENT_ORGURL and OKTA_CLIENT_TOKEN"
        )
    return HookKeys.from_env()


def verdict(
    octets: bytes, verifier: HookVerifier, keys: KeySource
) -> tuple[VerifiedHook | None, HookVerificationError | None, list[TokenCheck]]:
    """Verify a token, make every check of it, and close the keys."""
    hook, refusal = None, None
    try:
        hook = verifier.verify(octets)
    except HookVerificationError as error:
        refusal = error
    finally:
        keys.close()
    return hook, refusal, checks_of(octets, verifier, refusal, keys=_named(keys))


def _named(keys: KeySource) -> str:
    if isinstance(keys, HookKeys):
        return f"a hook key of {keys.org_url}"
    if isinstance(keys, IssuerKeys):
        return f"a key of {keys.issuer}"
    return "a key of the file"


def check_url_option(name: str, value: str) -> None:
    """Raise ``ConfigurationError`` if the value of --token-url or --issuer is not a URL."""
    example = "https://acme.okta.com/oauth2/default"
    if name == "token_url":
        example += "/v1/token"
    check_url(name, value, example=example, query=True)

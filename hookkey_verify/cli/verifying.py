"""From options and settings to a verifier, and from a token to its verdict and checks."""

from __future__ import annotations

from collections.abc import Mapping

import click

from ..errors import ConfigurationError, HookVerificationError
from ..issuer import is_authorization_server
from ..keys.hook_keys import HookKeys
from ..keys.issuer_keys import IssuerKeys
from ..keys.static import StaticKeys
from ..okta.http import check_url
from ..settings import Settings
from ..verifier import HookVerifier, KeySource, VerifiedHook
from .checks import Check, checks_of
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
    settings = Settings(
        {
            "hook_client_id": client_id,
            "token_url": token_url,
            "issuer": issuer,
            "audience": audience,
            "hook_scopes": scopes or None,
        },
        flags=flags,
    )
    for name in ("token_url", "issuer"):
        value = settings.text(name)
        if value is not None and (key_file is None or name == "token_url"):
            check_url_option(name, value)
    described = any(map(settings.text, ("hook_client_id", "token_url", "issuer")))
    if key_file is None and not access and not described:
        raise ConfigurationError(_NO_VERIFIER if flags else _NO_SETTINGS)
    # As everywhere: with an issuer, its access tokens.
    access = access or (token_url is None and settings.text("issuer") is not None)
    keys: KeySource
    if key_file is not None:
        keys = StaticKeys.from_file(key_file, kid=kid)
    elif access:
        of = settings.need("issuer")
        keys = IssuerKeys.from_env(issuer=of, discover=not is_authorization_server(of))
    elif settings.text("org_url") is None:
        raise ConfigurationError(
            f"no keys are configured: {'pass --keys, or ' if flags else ''}set OKTA_CLIENT_ORGURL "
            "and OKTA_CLIENT_TOKEN"
        )
    else:
        keys = HookKeys.from_env()
    if not access or key_file is None:
        return HookVerifier.from_env(keys, settings=settings), keys
    made = HookVerifier.for_access_token(
        keys,
        issuer=settings.need("issuer"),
        audience=settings.need("audience"),
        client_id=settings.need("hook_client_id"),
        scopes=settings.words("hook_scopes"),
    )
    return made, keys


def verdict(
    octets: bytes, verifier: HookVerifier, keys: KeySource
) -> tuple[VerifiedHook | None, HookVerificationError | None, list[Check]]:
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

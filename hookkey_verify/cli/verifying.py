"""Creates the verifier from options and settings, and verifies a token with all checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass

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
from .wording import FLAGS, message

__all__ = ["VerifierOptions", "check_url_option", "checks_and_problem", "verdict", "verifier_of"]

_NO_SETTINGS = (
    "no verifier is configured: for client assertions set HOOKKEY_CLIENT_ID and HOOKKEY_TOKEN_URL, "
    "for access tokens HOOKKEY_ISSUER, HOOKKEY_AUDIENCE and HOOKKEY_CLIENT_ID"
)
_NO_VERIFIER = (
    "no verifier is configured: for a client assertion pass --client-id and --token-url, with "
    "--keys or OKTA_CLIENT_ORGURL; for an access token --issuer, --audience and --client-id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierOptions:
    """The options that describe a verifier."""

    key_file: str | None = None
    kid: str | None = None
    client_id: str | None = None
    token_url: str | None = None
    issuer: str | None = None
    audience: str | None = None
    scopes: tuple[str, ...] = ()

    @property
    def access(self) -> bool:
        """Whether an option is given that applies only to access tokens."""
        return self.issuer is not None or self.audience is not None or self.scopes != ()

    def settings(self, flags: Mapping[str, str]) -> Settings:
        """Return the settings; these options override the environment."""
        if self.access and self.token_url is not None:
            raise click.UsageError(
                "--token-url is for assertions; --issuer, --audience, --scope are for access tokens"
            )
        if self.kid is not None and self.key_file is None:
            raise click.UsageError("--kid is for a PEM file that --keys names")
        given = {
            "hook_client_id": self.client_id,
            "token_url": self.token_url,
            "issuer": self.issuer,
            "audience": self.audience,
            "hook_scopes": self.scopes or None,
        }
        return Settings(given, flags=flags)


def verifier_of(
    options: VerifierOptions, flags: Mapping[str, str] = FLAGS
) -> tuple[HookVerifier, KeySource]:
    """Create a verifier from options and environment; return it and its keys, which must be closed.

    ``flags``: the option names for error messages.
    """
    settings = options.settings(flags)
    if options.key_file is None and not options.access:
        _refuse_nothing(settings)
    _check_urls(settings, ("token_url",) if options.key_file else ("token_url", "issuer"))
    # An issuer selects access tokens, as everywhere else.
    by_issuer = options.token_url is None and settings.text("issuer") is not None
    access = options.access or by_issuer
    keys = (
        _keys_from_env(settings, access=access)
        if options.key_file is None
        else StaticKeys.from_file(options.key_file, kid=options.kid)
    )
    if options.key_file is None or not access:
        return HookVerifier.from_env(keys, settings=settings), keys
    verifier = HookVerifier.for_access_token(
        keys,
        issuer=settings.need("issuer"),
        audience=settings.need("audience"),
        client_id=settings.need("hook_client_id"),
        scopes=settings.words("hook_scopes"),
    )
    return verifier, keys


def _refuse_nothing(settings: Settings) -> None:
    if not any(map(settings.text, ("hook_client_id", "token_url", "issuer"))):
        raise ConfigurationError(_NO_VERIFIER if settings.flags else _NO_SETTINGS)


def _check_urls(settings: Settings, names: tuple[str, ...]) -> None:
    for name in names:
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
    token_bytes: bytes, verifier: HookVerifier, keys: KeySource
) -> tuple[VerifiedHook | None, HookVerificationError | None, list[TokenCheck]]:
    """Verify a token, collect all checks, and close the keys."""
    hook, refusal = None, None
    try:
        hook = verifier.verify(token_bytes)
    except HookVerificationError as error:
        refusal = error
    finally:
        keys.close()
    return hook, refusal, checks_of(token_bytes, verifier, refusal, keys=_named(keys))


def checks_and_problem(
    token_bytes: bytes, options: VerifierOptions, flags: Mapping[str, str] = FLAGS
) -> tuple[list[TokenCheck], str]:
    """Return all checks of a token and what is missing for a verifier, if anything.

    Raises ``ConfigurationError`` if there are options that do not describe a verifier.
    """
    try:
        made = verifier_of(options, flags)
    except ConfigurationError as error:
        if any(astuple(options)):
            raise
        return checks_of(token_bytes, None, None), message(error)
    return verdict(token_bytes, *made)[2], ""


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

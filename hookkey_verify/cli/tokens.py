"""``hookkey sign``, ``verify`` and ``inspect``: tokens, from files or stdin, never from argv."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import click

from ..encoding import EncodingError, json_object
from ..errors import ConfigurationError, HookVerificationError
from ..issuer import is_authorization_server
from ..keys.hook_keys import HookKeys
from ..keys.issuer_keys import IssuerKeys
from ..keys.static import StaticKeys
from ..okta.http import check_url
from ..settings import Settings
from ..signer import HookSigner
from ..verifier import HookVerifier, KeySource, VerifiedHook
from .checks import Check, checks_of, lenient
from .files import InputFile, PathOfFile
from .output import as_json, command, exit_code, message, plain, print_json, print_rows, tell

__all__ = ["inspect", "read_token", "sign", "verdict", "verifier_of", "verify", "want_url"]

MAX_TOKEN = 64 * 1024
FLAGS = {
    "hook_client_id": "--client-id",
    "token_url": "--token-url",
    "issuer": "--issuer",
    "audience": "--audience",
    "hook_scopes": "--scope",
}
_NO_SETTINGS = (
    "no verifier is configured: for client assertions set HOOKKEY_CLIENT_ID and HOOKKEY_TOKEN_URL, "
    "for access tokens HOOKKEY_ISSUER, HOOKKEY_AUDIENCE and HOOKKEY_CLIENT_ID"
)
_NO_VERIFIER = (
    "no verifier is configured: for a client assertion pass --client-id and --token-url, with "
    "--keys or OKTA_CLIENT_ORGURL; for an access token --issuer, --audience and --client-id"
)

_token = click.argument("token", type=InputFile(), default="-", metavar="[FILE]")


def _policy(function: Any) -> Any:
    for option in reversed(
        (
            click.option(
                "--keys", "key_file", type=PathOfFile(),
                help="JWK, JWK Set or PEM file. Default: the org's hook keys (OKTA_CLIENT_*).",
            ),
            click.option("--kid", help="The kid of the key in a PEM file."),
            click.option("--client-id", help="The hook's client id (HOOKKEY_CLIENT_ID)."),
            click.option("--token-url", help="aud of an assertion (HOOKKEY_TOKEN_URL)."),
            click.option("--issuer", help="Of an access token (HOOKKEY_ISSUER)."),
            click.option("--audience", help="Of an access token (HOOKKEY_AUDIENCE)."),
            click.option("--scope", "scopes", multiple=True, help="The same (HOOKKEY_SCOPES)."),
        )
    ):  # fmt: skip
        function = option(function)
    return function


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
            want_url(name, value)
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


def want_url(name: str, value: str) -> None:
    """Raise ``ConfigurationError`` for what is not the URL of a server."""
    check_url(name, value, example="https://acme.okta.com/oauth2/default", query=True)


def read_token(file: BinaryIO) -> bytes:
    """Return the token without what was copied with it: the header's name, Bearer, white space."""
    octets = file.read(MAX_TOKEN + 1).strip(b"\"' \t\r\n")
    if len(octets) > MAX_TOKEN or not octets:
        raise ConfigurationError(f"a file with a token has 1 to {MAX_TOKEN} bytes")
    return re.sub(rb"(?i)\A(?:authorization:\s*)?bearer\s+", b"", octets)


@click.command()
@click.option("--private-key", required=True, type=PathOfFile(),
              help="PEM file of an RSA private key.")  # fmt: skip
@click.option("--kid", required=True, help="The kid in the header.")
@click.option("--client-id", help="iss and sub of a client assertion.")
@click.option("--token-url", help="aud of a client assertion.")
@click.option("--claims", type=InputFile(), help="JSON file of claims to sign instead.")
@click.option("--lifetime", type=float, default=300, show_default=True, help="Seconds.")
@as_json
@command
def sign(  # noqa: PLR0917 - the options of the command
    private_key: str,
    kid: str,
    client_id: str | None,
    token_url: str | None,
    claims: BinaryIO | None,
    lifetime: float,
    as_json: bool,
) -> None:
    """Sign a client assertion as Okta does with a hook key, with a key of your own. For tests.

    Example: hookkey sign --private-key test.pem --kid k1 --client-id 0oa1 --token-url https://acme.com/token
    """
    try:
        signer = HookSigner(Path(private_key).read_bytes(), kid)
    except OSError:
        raise ConfigurationError("the private key file cannot be read") from None
    if claims is not None:
        if client_id is not None or token_url is not None:
            raise click.UsageError("--claims takes the place of --client-id and --token-url")
        token = signer.sign(_claims(claims))
    elif client_id is None or token_url is None:
        raise click.UsageError("give --client-id and --token-url, or --claims")
    else:
        want_url("token_url", token_url)
        token = signer.client_assertion(client_id=client_id, token_url=token_url, lifetime=lifetime)
    if as_json:
        print_json({"token": token, "kid": kid})
    else:
        click.echo(token)


def _claims(file: BinaryIO) -> dict[str, Any]:
    try:
        return json_object(file.read(MAX_TOKEN))
    except EncodingError as error:
        problem = str(error)
    raise ConfigurationError(f"the claims file {problem}")


@click.command()
@_token
@_policy
@as_json
@command
def verify(token: BinaryIO, as_json: bool, **policy: Any) -> None:
    """Verify a token from FILE or stdin and print its claims. Exits with 1 if it is refused.

    Every check is printed on stderr, with what the token has and what was expected.

    Example: hookkey verify token.txt --client-id 0oa1 --token-url https://acme.com/token
    """
    octets = read_token(token)
    hook, error, checks = verdict(octets, *verifier_of(**policy))
    if hook is None:
        assert error is not None  # noqa: S101 - one of both
        if as_json:
            problem = {"reason": error.reason, "message": message(error)}
            print_json({"error": problem, "checks": [check.document() for check in checks]})
        _print_checks(checks, err=True)
        tell(f"hookkey: {plain(message(error))}")
        raise SystemExit(exit_code(error))
    if as_json:
        print_json(_hook(hook))
        return
    _print_checks(checks, err=True)
    tell("verified")
    print_json(dict(hook.claims))


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


def _print_checks(checks: list[Check], *, err: bool = False) -> None:
    rows = [(check.name, check.result, check.text) for check in checks]
    print_rows(("check", "result", "detail"), rows, whole=("check", "result"), err=err)


def _hook(hook: VerifiedHook) -> dict[str, Any]:
    return {
        "verified": True,
        "kid": hook.kid,
        "keyThumbprint": hook.key_thumbprint,
        "header": dict(hook.header),
        "claims": dict(hook.claims),
    }


@click.command()
@_token
@_policy
@as_json
@command
def inspect(token: BinaryIO, as_json: bool, **policy: Any) -> None:
    """Show a token from FILE or stdin, UNVERIFIED, and then every check in order.

    Each check is shown with what the token has and what was expected. Without options or settings
    for a verifier only times are judged. Exits with 1 if a check fails.

    Example: hookkey inspect token.txt --client-id 0oa1 --token-url https://acme.com/token
    """
    octets = read_token(token)
    parts = [lenient(part) for part in octets.split(b".")[:2]]
    problem = ""
    try:
        made = verifier_of(**policy)
    except ConfigurationError as error:
        if any(policy.values()):
            raise
        checks, problem = checks_of(octets, None, None), message(error)
    else:
        checks = verdict(octets, *made)[2]
    if as_json:
        rows = [check.document() for check in checks]
        print_json(
            {
                "unverified": {"header": parts[0], "claims": parts[-1]},
                "problem": problem,
                "checks": rows,
            }
        )
    else:
        click.echo("UNVERIFIED: anybody can write this")
        for name, part in zip(("header", "claims"), parts, strict=False):
            click.echo(f"{name} {json.dumps(part, indent=2)}")
        click.echo()
        _print_checks(checks)
        if problem:
            click.echo("\n" + plain(f"not verified: {problem}"))
    if any(check.result == "failed" for check in checks):
        raise SystemExit(1)

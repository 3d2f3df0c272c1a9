"""``hookkey sign``, ``verify`` and ``inspect``, which take tokens from files or stdin only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, BinaryIO

import click

from .._jose.encoding import EncodingError, json_object
from ..errors import ConfigurationError
from ..signer import HookSigner
from ..verifier import VerifiedHook
from .checks import TokenCheck, decode_unverified
from .files import MAX_TOKEN, InputFile, PathOfFile, read_token
from .org import READS_KEYS
from .output import as_json, command, exit_code, plain, print_json, print_rows, tell
from .verifying import (
    VerifierOptions,
    check_url_option,
    checks_and_problem,
    verdict,
    verifier_of,
)
from .wording import is_given, message

__all__ = ["inspect", "sign", "verify"]

_ORG_KEYS = f"To verify an assertion without --keys, it reads the hook keys and needs {READS_KEYS}"
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
            click.option("--token-url", help="aud of a client assertion (HOOKKEY_TOKEN_URL)."),
            click.option("--issuer", help="iss of an access token (HOOKKEY_ISSUER)."),
            click.option("--audience", help="aud of an access token (HOOKKEY_AUDIENCE)."),
            click.option(
                "--scope", "scopes", multiple=True, help="A required scope (HOOKKEY_SCOPES)."
            ),
        )
    ):  # fmt: skip
        function = option(function)
    return function


@click.command()
@click.option("--private-key", required=True, type=PathOfFile(),
              help="PEM file of an RSA private key.")  # fmt: skip
@click.option("--kid", required=True, help="The kid in the header.")
@click.option("--client-id", help="iss and sub of a client assertion.")
@click.option("--token-url", help="aud of a client assertion.")
@click.option("--claims", type=InputFile(), help="JSON file of claims to sign instead.")
@click.option("--lifetime", type=float, default=300, show_default=True, help="Seconds.")
@as_json
@click.pass_context
@command
def sign(  # noqa: PLR0917 - the options of the command
    context: click.Context,
    /,
    private_key: str,
    kid: str,
    client_id: str | None,
    token_url: str | None,
    claims: BinaryIO | None,
    lifetime: float,
    as_json: bool,
) -> None:
    """Sign a client assertion like Okta, with a key of your own, for tests.

    Example: hookkey sign --private-key test.pem --kid k1 --client-id 0oa1 --token-url https://acme.com/token
    """
    try:
        signer = HookSigner(Path(private_key).read_bytes(), kid)
    except OSError:
        raise ConfigurationError("the private key file cannot be read") from None
    if claims is not None:
        if client_id is not None or token_url is not None or is_given(context, "lifetime"):
            raise click.UsageError(
                "--claims cannot be combined with --client-id, --token-url or --lifetime"
            )
        token = signer.sign(_claims(claims))
    elif client_id is None or token_url is None:
        raise click.UsageError("give --client-id and --token-url, or --claims")
    else:
        check_url_option("token_url", token_url)
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


@click.command(epilog=_ORG_KEYS)
@_token
@_policy
@as_json
@command
def verify(token: BinaryIO, as_json: bool, **policy: Any) -> None:
    """Verify a token from FILE or stdin and print its claims. Exits with 1 if it is refused.

    All checks are printed to stderr with expected and actual values.

    Example: hookkey verify token.txt --client-id 0oa1 --token-url https://acme.com/token
    """
    token_bytes = read_token(token)
    hook, error, checks = verdict(token_bytes, *verifier_of(VerifierOptions(**policy)))
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


def _print_checks(checks: list[TokenCheck], *, err: bool = False) -> None:
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


@click.command(epilog=_ORG_KEYS)
@_token
@_policy
@as_json
@command
def inspect(token: BinaryIO, as_json: bool, **policy: Any) -> None:
    """Show a token from FILE or stdin, UNVERIFIED, followed by all checks.

    Each check has its expected and actual values. Without options or settings for a verifier, only
    times are checked. Exits with 1 if a check fails.

    Example: hookkey inspect token.txt --client-id 0oa1 --token-url https://acme.com/token
    """
    token_bytes = read_token(token)
    parts = [decode_unverified(part) for part in token_bytes.split(b".")[:2]]
    checks, problem = checks_and_problem(token_bytes, VerifierOptions(**policy))
    if as_json:
        unverified = {"header": parts[0], "claims": parts[-1]}
        rows = [check.document() for check in checks]
        print_json({"unverified": unverified, "problem": problem, "checks": rows})
    else:
        click.echo("UNVERIFIED: anyone could have written this")
        for name, part in zip(("header", "claims"), parts, strict=False):
            click.echo(f"{name} {json.dumps(part, indent=2)}")
        click.echo()
        _print_checks(checks)
        if problem:
            click.echo("\n" + plain(f"not verified: {problem}"))
    if any(check.result == "failed" for check in checks):
        raise SystemExit(1)

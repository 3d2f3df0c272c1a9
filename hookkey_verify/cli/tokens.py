"""``hookkey sign``, ``verify`` and ``inspect``: tokens, from files or stdin, never from argv."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import click

from ..encoding import EncodingError, base64url_decode, json_object
from ..errors import (
    AlgorithmError,
    ClaimError,
    ConfigurationError,
    HookVerificationError,
    InsufficientScopeError,
    KeyRejectedError,
    KeySourceConfigurationError,
    KeyUnavailableError,
    MalformedTokenError,
    SignatureError,
    UnknownKeyError,
)
from ..keys.hook_keys import HookKeys
from ..keys.issuer_keys import IssuerKeys
from ..keys.static import StaticKeys
from ..settings import Settings
from ..signer import HookSigner
from ..verifier import HookVerifier, KeySource, VerifiedHook
from .output import as_json, command, print_json, print_rows

__all__ = ["inspect", "read_token", "sign", "verify"]

MAX_TOKEN = 64 * 1024

_token = click.argument("token", type=click.File("rb"), default="-", metavar="[FILE]")


def _policy(function: Any) -> Any:
    for option in reversed(
        (
            click.option(
                "--keys", "key_file", type=click.Path(exists=True, dir_okay=False),
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


def _verifier(  # noqa: PLR0917 - the options of the command
    key_file: str | None,
    kid: str | None,
    client_id: str | None,
    token_url: str | None,
    issuer: str | None,
    audience: str | None,
    scopes: tuple[str, ...],
) -> tuple[HookVerifier, KeySource]:
    """The verifier that the options and the environment describe, and its keys to be closed."""
    access = issuer is not None or audience is not None or scopes != ()
    if access and token_url is not None:
        raise click.UsageError(
            "--token-url is for assertions; --issuer, --audience, --scope are for access tokens"
        )
    settings = Settings(
        {
            "hook_client_id": client_id,
            "token_url": token_url,
            "issuer": issuer,
            "audience": audience,
            "hook_scopes": scopes or None,
        }
    )
    # As everywhere: with an issuer, its access tokens.
    access = access or (token_url is None and settings.text("issuer") is not None)
    keys: KeySource
    if key_file is not None:
        keys = StaticKeys.from_file(key_file, kid=kid)
    else:
        keys = IssuerKeys.from_env(issuer=issuer) if access else HookKeys.from_env()
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


def read_token(file: BinaryIO) -> bytes:
    """The token, with or without the word Bearer before it and white space around it."""
    octets = file.read(MAX_TOKEN + 1).strip()
    if len(octets) > MAX_TOKEN or not octets:
        raise ConfigurationError(f"the token must have 1 to {MAX_TOKEN} bytes")
    return octets[7:].strip() if octets[:7].lower() == b"bearer " else octets


@click.command()
@click.option("--private-key", required=True, type=click.Path(exists=True, dir_okay=False),
              help="PEM file of an RSA private key.")  # fmt: skip
@click.option("--kid", required=True, help="The kid in the header.")
@click.option("--client-id", help="iss and sub of a client assertion.")
@click.option("--token-url", help="aud of a client assertion.")
@click.option("--claims", type=click.File("rb"), help="JSON file of claims to sign instead.")
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
        token = signer.sign(_claims(claims))
    elif client_id is None or token_url is None:
        raise click.UsageError("--client-id and --token-url, or --claims")
    else:
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
    """Verify a token from FILE or stdin and print what it says. Exits with 1 if it is refused.

    Example: hookkey verify token.txt --client-id 0oa1 --token-url https://acme.com/token
    """
    octets = read_token(token)
    verifier, keys = _verifier(**policy)
    try:
        hook = verifier.verify(octets)
    finally:
        keys.close()
    if as_json:
        print_json(_hook(hook))
        return
    click.echo("verified", err=True)
    print_json(dict(hook.claims))


def _hook(hook: VerifiedHook) -> dict[str, Any]:
    return {
        "verified": True,
        "kid": hook.kid,
        "keyThumbprint": hook.key_thumbprint,
        "header": dict(hook.header),
        "claims": dict(hook.claims),
    }


STEPS = ("octets, header, payload", "key", "signature", "claims")

# The step at which each kind of error arises; the first class that fits.
_STEP_OF: tuple[tuple[type[HookVerificationError], int], ...] = (
    (ClaimError, 3),
    (InsufficientScopeError, 3),
    (SignatureError, 2),
    (UnknownKeyError, 1),
    (KeyUnavailableError, 1),
    (KeySourceConfigurationError, 1),
    (KeyRejectedError, 1),
    (MalformedTokenError, 0),
    (AlgorithmError, 0),
)


@click.command()
@_token
@_policy
@as_json
@command
def inspect(token: BinaryIO, as_json: bool, **policy: Any) -> None:
    """Show a token from FILE or stdin, UNVERIFIED, and then every check in order.

    Without options or settings for a verifier only the token is shown. Exits with 1 if a check
    fails.

    Example: hookkey inspect token.txt --client-id 0oa1 --token-url https://acme.com/token
    """
    octets = read_token(token)
    parts = [_lenient(part) for part in octets.split(b".")[:2]]
    checks = _checks(octets, policy)
    if as_json:
        print_json({"unverified": {"header": parts[0], "claims": parts[-1]}, "checks": checks})
    else:
        click.echo("UNVERIFIED: anybody can write this")
        for name, part in zip(("header", "claims"), parts, strict=False):
            click.echo(f"{name} {json.dumps(part, indent=2)}")
        click.echo()
        print_rows(
            ("check", "result", "hint"), [(c["check"], c["result"], c["hint"]) for c in checks]
        )
    if any(check["result"] == "failed" for check in checks):
        raise SystemExit(1)


def _lenient(part: bytes) -> Mapping[str, Any] | str:
    try:
        return json_object(base64url_decode(part.rstrip(b"=")))
    except EncodingError as error:
        return f"cannot be read: {error}"


def _checks(octets: bytes, policy: dict[str, Any]) -> list[dict[str, str]]:
    try:
        verifier, keys = _verifier(**policy)
    except ConfigurationError as error:
        if any(policy.values()):
            raise
        return [{"check": step, "result": "not made", "hint": error.detail} for step in STEPS]
    failed, hint = len(STEPS), ""
    try:
        verifier.verify(octets)
    except HookVerificationError as error:
        failed = next(step for kind, step in _STEP_OF if isinstance(error, kind))
        hint = f"{error.reason}: {error}"
    finally:
        keys.close()
    results = ["passed"] * failed + ["failed"] + ["not reached"] * len(STEPS)
    return [
        {"check": name, "result": result, "hint": hint if result == "failed" else ""}
        for name, result in zip(STEPS, results, strict=False)
    ]

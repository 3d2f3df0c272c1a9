"""The source of the verifier for each set-up. Pure.

Values of the org are in constants, so this source is the same for every hook.
"""

from __future__ import annotations

from dataclasses import dataclass

from .plan import Plan, Setup

__all__ = ["PLACE", "VerifierSource", "verifier_source"]

PLACE = "Security > API > Authorization Servers"
"""Where the Admin Console shows issuers and audiences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierSource:
    """The source that creates ``hooks`` and, for some set-ups, ``tokens``."""

    text: str
    names: tuple[tuple[str, str], ...]
    """The imports: pairs of a module and a name, or "" for the module itself."""
    about: str
    """What Okta sends, for the docstring."""
    environment: tuple[str, ...] = ()
    """The environment variables that the program reads, with their meaning."""
    command: str = ""
    """A command to run once."""
    extra: str = ""
    """An extra of hookkey_verify that the source needs."""


_ORG = "OKTA_CLIENT_ORGURL, OKTA_CLIENT_TOKEN: the org and an API token, to read its hook keys"
_ENDPOINT = """\
{client}
tokens = TokenEndpoint(
    okta,
    signing_key={key},
    issuer=ISSUER,
    audience=AUDIENCE,
    scopes=SCOPES,
)
hooks = Hooks(tokens.verifier)"""


def verifier_source(plan: Plan, *, on_lambda: bool) -> VerifierSource:
    """Return the source for a plan.

    ``on_lambda``: whether processes share no file and no memory, as in AWS Lambda.
    """
    if plan.setup is Setup.ACCESS_TOKEN:
        return _access_token(plan)
    if plan.setup is Setup.TOKEN_ENDPOINT:
        return (_for_assertions if plan.has_key else _for_secrets)(on_lambda)
    return _ASSERTION if plan.setup is Setup.ASSERTION else _SECRET


def _access_token(plan: Plan) -> VerifierSource:
    issuer = "issuer=ISSUER" if plan.is_okta else "issuer=ISSUER, discover=True"
    scopes = "\n        scopes=SCOPES," if plan.scopes else ""
    text = f"""\
hooks = Hooks(
    HookVerifier.for_access_token(
        IssuerKeys.from_env({issuer}),
        audience=AUDIENCE,
        client_id=CLIENT_ID,{scopes}
    )
)"""
    names = [("hookkey_verify", "HookVerifier"), ("hookkey_verify", "IssuerKeys")]
    if plan.unknown:
        names.append(("hookkey_verify", "ConfigurationError"))
        missing = " or ".join(f"not {name}" for name in plan.unknown)
        where = PLACE if plan.is_okta else "see their comments"
        refusal = f'raise ConfigurationError("set {" and ".join(plan.unknown)}: {where}")'
        text = f"if {missing}:\n    {refusal}\n\n{text}"
    about = (
        "Okta gets an access token at its token URL and sends it with each request. The program "
        "verifies the token with the public keys of ISSUER."
    )
    return VerifierSource(text=text, names=tuple(names), about=about)


def _for_assertions(on_lambda: bool) -> VerifierSource:
    """Return the source of a token endpoint for a hook with a hook key."""
    store = (
        'DynamoDBReplayStore(os.environ["TABLE"])'
        if on_lambda
        else "MemoryReplayStore(single_process=True)"
    )
    client = f"""\
okta = HookVerifier.for_client_assertion(
    HookKeys.from_env(),
    client_id=CLIENT_ID,
    token_url=TOKEN_URL,
    replay={store},
)"""
    module = "dynamodb" if on_lambda else "replay"
    names = (
        ("hookkey_verify", "HookKeys"),
        ("hookkey_verify", "HookVerifier"),
        (f"hookkey_verify.{module}", store.partition("(")[0]),
    )
    about = (
        "Okta posts an assertion that its hook key signs to the token URL, and sends the issued "
        "access token with each request. The program answers at both URLs."
    )
    if on_lambda:
        environment = (_ORG, "TABLE: the DynamoDB table of the used assertions")
        return _endpoint(client, names, about, environment, on_lambda=True, extra="dynamodb")
    about += " Run one process: several need a shared replay store."
    return _endpoint(client, names, about, (_ORG,), on_lambda=False)


def _for_secrets(on_lambda: bool) -> VerifierSource:
    """Return the source of a token endpoint for a hook with a client secret."""
    client = 'okta = ClientSecret(CLIENT_ID, os.environ["HOOK_CLIENT_SECRET"])'
    about = (
        "Okta posts its client secret to the token URL, and sends the issued access token with "
        "each request. The program answers at both URLs."
    )
    names = (("hookkey_verify.token_endpoint", "ClientSecret"),)
    environment = ("HOOK_CLIENT_SECRET: the client secret of the hook",)
    return _endpoint(client, names, about, environment, on_lambda=on_lambda)


def _endpoint(
    client: str,
    names: tuple[tuple[str, str], ...],
    about: str,
    environment: tuple[str, ...],
    *,
    on_lambda: bool,
    extra: str = "",
) -> VerifierSource:
    key = "SigningKey" if on_lambda else "SigningKey.from_file"
    kind = "the text of key.pem" if on_lambda else "the path of key.pem"
    return VerifierSource(
        text=_ENDPOINT.format(client=client, key=f'{key}(os.environ["SIGNING_KEY"])'),
        names=(
            ("os", ""),
            ("hookkey_verify", "TokenEndpoint"),
            ("hookkey_verify.signing_key", "SigningKey"),
            *names,
        ),
        about=about,
        environment=(*environment, f"SIGNING_KEY: {kind}, the private key for access tokens"),
        command="openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem",
        extra=extra,
    )


_ASSERTION = VerifierSource(
    text="""\
hooks = Hooks(
    HookVerifier.for_client_assertion(
        HookKeys.from_env(),
        client_id=CLIENT_ID,
        token_url=TOKEN_URL,
    )
)""",
    names=(("hookkey_verify", "HookKeys"), ("hookkey_verify", "HookVerifier")),
    about=(
        "A gateway forwards the assertion that Okta's hook key signs, as the bearer token of each "
        "request."
    ),
    environment=(_ORG,),
)
_SECRET = VerifierSource(
    text='hooks = Hooks(HeaderSecret(os.environ["HOOK_SECRET"], header=HEADER))',
    names=(("os", ""), ("hookkey_verify.shared_secret", "HeaderSecret")),
    about=(
        "Okta sends a secret in a header. A single recorded request discloses it, so prefer a hook "
        "key: to change, pass AnyOf(HeaderSecret(…), HookVerifier…) to Hooks for the time being."
    ),
    environment=("HOOK_SECRET: the value of the header",),
)

"""Reads from an inline hook how Okta authenticates, and the values for a program. Pure.

What Okta sends depends on the token URL; docs/hooks.md has the table.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from ..._jose.issuer import is_authorization_server, is_okta_host
from ..._wire.scope import is_scope
from ...errors import ConfigurationError, HookKeyApiError, NotFoundError
from ...okta.authorization_servers import AuthorizationServer
from ...okta.http import check_url
from ...okta.models import InlineHook
from ...shared_secret import HeaderSecret
from .handlers import HANDLERS

__all__ = ["Plan", "ServerOf", "Setup", "is_okta_url", "plan_for", "setup_of"]

ServerOf = Callable[[str], AuthorizationServer]
"""Returns the org's authorization server with an id, or raises a ``HookKeyApiError``."""

_SERVER: Final = re.compile(r"(https?://[^/?#]+)/oauth2/([A-Za-z0-9_-]{1,64})/v1/token")
"""The token URL of a custom authorization server."""
_ORG_SERVER: Final = re.compile(r"https?://[^/?#]+/oauth2/v1/token")
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)*/?")
"""Paths that no router reads differently: RFC 3986 section 3.3 without escapes."""
_EXAMPLE: Final = "https://hooks.acme.com/hook"
_FORWARDED: Final = (
    "--setup assertion is for hooks with a hook key (private_key_jwt): a client secret is not "
    "signed, so there is no assertion to verify"
)


class Setup(StrEnum):
    """The credential that a hook gets from Okta and must verify."""

    ACCESS_TOKEN = "access-token"  # noqa: S105 - the name of a set-up
    """An access token of an authorization server."""
    TOKEN_ENDPOINT = "token-endpoint"  # noqa: S105
    """An access token that the user's own token URL issues."""
    ASSERTION = "assertion"
    """The client assertion itself, which a gateway or test rig forwards."""
    SECRET = "secret"  # noqa: S105
    """A secret in a header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The values that a program for a hook needs. All texts may contain anything."""

    name: str
    type: str
    uri: str
    setup: Setup
    header: str = ""
    """The header with the secret."""
    client_id: str = ""
    token_url: str = ""
    has_key: bool = False
    """Whether a hook key signs assertions. Otherwise Okta sends a client secret."""
    scopes: tuple[str, ...] = ()
    issuer: str = ""
    """The ``iss`` of access tokens. Empty: unknown."""
    audiences: tuple[str, ...] = ()
    """The ``aud`` of access tokens. Empty: unknown."""
    is_okta: bool = True
    """Whether the issuer is an authorization server of Okta."""
    problem: str = ""
    """Why the audience is unknown."""
    notes: tuple[str, ...] = ()
    """What the user should know about the program."""

    @property
    def unknown(self) -> tuple[str, ...]:
        """The constants that the program has placeholders for."""
        if self.setup is not Setup.ACCESS_TOKEN:
            return ()
        values = {"ISSUER": self.issuer, "AUDIENCE": self.audiences}
        return tuple(name for name, value in values.items() if not value)

    @property
    def hook_path(self) -> str:
        """The path of the hook."""
        return _path(self.uri)

    @property
    def token_path(self) -> str:
        """The path of the token URL."""
        return _path(self.token_url)


def plan_for(hook: InlineHook, *, org_url: str, wanted: Setup | None, server_of: ServerOf) -> Plan:
    """Return the plan for a hook.

    ``hook``: the hook.
    ``org_url``: the URL of its org.
    ``wanted``: the set-up; None reads it from the hook.
    ``server_of``: returns an authorization server; its errors make the audience unknown.

    Raises ``ConfigurationError`` for a hook that no program can protect or answer, and for a
    set-up that the hook does not have.
    """
    if hook.type not in HANDLERS:
        raise ConfigurationError(
            f"there is no handler for hooks of type {hook.type!r}; the types with one are "
            f"{', '.join(HANDLERS)}"
        )
    if hook.method not in ("", "POST"):
        raise ConfigurationError(
            "the hook's method must be POST, the only one that handlers answer"
        )
    check_url("the hook's URI", hook.uri, example=_EXAMPLE, query=True)
    _check_path("URI", hook.uri)
    plan = setup_of(hook, org_url=org_url, wanted=wanted, server_of=server_of)
    if plan.setup is Setup.TOKEN_ENDPOINT:
        _check_path("token URL", plan.token_url)
        if plan.hook_path == plan.token_path:
            raise ConfigurationError(
                "the hook's URI and token URL have the same path; give them different ones"
            )
    return plan


def setup_of(hook: InlineHook, *, org_url: str, wanted: Setup | None, server_of: ServerOf) -> Plan:
    """Return what the hook gets from Okta, as a plan, whether or not a program can answer it.

    The parameters are those of ``plan_for``. Raises ``ConfigurationError`` for a hook that nothing
    can protect, and for a set-up that the hook does not have.
    """
    plan = Plan(name=hook.name, type=hook.type, uri=hook.uri, setup=Setup.SECRET)
    if hook.channel_type != "OAUTH":
        return _with_secret(hook, plan, wanted)
    plan = _with_client(hook, plan)
    if wanted is Setup.SECRET:
        raise ConfigurationError("the hook uses OAuth, so --setup secret does not fit it: omit it")
    if wanted is Setup.ASSERTION:
        if not plan.has_key:
            raise ConfigurationError(_FORWARDED)
        return replace(plan, setup=wanted)
    if wanted is Setup.TOKEN_ENDPOINT:
        return _with_endpoint(plan, org_url)
    return _with_server(plan, org_url, wanted, server_of)


def _with_secret(hook: InlineHook, plan: Plan, wanted: Setup | None) -> Plan:
    if hook.channel_type != "HTTP":
        raise ConfigurationError("the hook's channel type must be HTTP or OAUTH")
    if wanted not in (None, Setup.SECRET):
        raise ConfigurationError(
            f"the hook does not use OAuth, so --setup {wanted} does not fit it: omit it"
        )
    if hook.auth_header is None:
        raise ConfigurationError(
            "Okta calls the hook without credentials, so nothing can protect it: give it an "
            "authentication field and secret, or OAuth with a hook key"
        )
    HeaderSecret("any", header=hook.auth_header)
    return replace(plan, header=hook.auth_header)


def _with_client(hook: InlineHook, plan: Plan) -> Plan:
    if hook.auth_type not in ("private_key_jwt", "client_secret_post"):
        raise ConfigurationError(
            "the hook's authType must be private_key_jwt or client_secret_post"
        )
    if not hook.client_id or not hook.token_url:
        raise ConfigurationError("the hook needs a clientId and a tokenUrl")
    check_url("the hook's token URL", hook.token_url, example=_EXAMPLE, query=True)
    scopes = tuple((hook.scope or "").split())
    if not all(map(is_scope, scopes)):
        raise ConfigurationError(
            "the hook's scope must have scope names that RFC 6749 section 3.3 allows"
        )
    return replace(
        plan,
        setup=Setup.ACCESS_TOKEN,
        client_id=hook.client_id,
        token_url=hook.token_url,
        has_key=hook.auth_type == "private_key_jwt",
        scopes=scopes,
    )


def _with_endpoint(plan: Plan, org_url: str) -> Plan:
    if is_okta_url(plan.token_url, org_url):
        raise ConfigurationError(
            "the hook's token URL is on a host of Okta, where only Okta can answer: it must be "
            "https://…/oauth2/{id}/v1/token, without --setup"
        )
    parts = urlsplit(plan.token_url)
    return replace(
        plan,
        setup=Setup.TOKEN_ENDPOINT,
        issuer=f"{parts.scheme}://{parts.netloc}",
        audiences=(plan.uri,),
        scopes=plan.scopes or ("hooks",),
    )


def _with_server(plan: Plan, org_url: str, wanted: Setup | None, server_of: ServerOf) -> Plan:
    """Find out whether the token URL is Okta's, and read the issuer and the audience."""
    is_okta = is_okta_url(plan.token_url, org_url)
    if is_okta and _ORG_SERVER.fullmatch(plan.token_url):
        raise ConfigurationError(
            "the hook's token URL is Okta's org authorization server, whose access tokens only "
            "Okta can verify: use a custom one, https://…/oauth2/{id}/v1/token"
        )
    match = _SERVER.fullmatch(plan.token_url)
    server: AuthorizationServer | None = None
    problem = ""
    if match is not None and is_okta and not _same_host(plan.token_url, org_url):
        problem = "the token URL is one of another org"
    elif match is not None:
        try:
            server, is_okta = server_of(match[2]), True
        except HookKeyApiError as error:
            is_missing = isinstance(error, NotFoundError)
            problem = (
                f"the org has no authorization server {match[2]}" if is_missing else str(error)
            )
            # Without an answer, it is a custom domain of Okta or a service of the user.
            is_okta = is_okta or not is_missing or wanted is Setup.ACCESS_TOKEN
    if is_okta and match is not None:
        return _with_okta_server(plan, match[1], match[2], server, problem)
    if wanted is None or is_okta:
        note = (
            "the token URL is not Okta's, so the program answers there too; if another "
            "authorization server does, pass --setup access-token"
        )
        return replace(_with_endpoint(plan, org_url), notes=(note,))
    note = "set ISSUER and AUDIENCE to the iss and aud of the tokens that the token URL issues"
    return replace(plan, is_okta=False, notes=(note,))


def _with_okta_server(
    plan: Plan, base: str, id_: str, server: AuthorizationServer | None, problem: str
) -> Plan:
    issuer, audiences = f"{base}/oauth2/{id_}", tuple[str, ...]()
    if server is not None:
        audiences = server.audiences
        problem = "the authorization server has no audience"
        if not server.is_dynamic and is_authorization_server(server.issuer):
            issuer = server.issuer or ""
    notes = () if audiences else (f"AUDIENCE is a placeholder: {problem}",)
    problem = "" if audiences else problem
    return replace(plan, issuer=issuer, audiences=audiences, problem=problem, notes=notes)


def is_okta_url(url: str, org_url: str) -> bool:
    """Return whether only Okta can answer at this URL."""
    return _same_host(url, org_url) or is_okta_host(urlsplit(url).hostname or "")


def _same_host(url: str, org_url: str) -> bool:
    return urlsplit(url).netloc.lower() == urlsplit(org_url).netloc.lower()


def _check_path(what: str, url: str) -> None:
    path = _path(url)
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ConfigurationError(
            f"the path of the hook's {what} must have only segments of letters, digits and "
            "characters that need no escape, because servers read others differently"
        )


def _path(url: str) -> str:
    return urlsplit(url).path or "/"

"""Plans for hooks of a fictional org, as the tests of ``hookkey hooks code`` need them."""

from __future__ import annotations

from typing import Any

from hookkey_verify.cli.hook_code.plan import Plan, Setup, plan_for
from hookkey_verify.errors import ForbiddenError, HookKeyApiError
from hookkey_verify.okta.authorization_servers import AuthorizationServer
from hookkey_verify.okta.models import InlineHook

__all__ = ["ORG", "PLANS", "inline_hook", "planned", "server"]

ORG = "https://acme.okta.com"


def inline_hook(**changes: Any) -> InlineHook:
    """Return a token hook with a hook key whose token URL is Okta's."""
    fields: dict[str, Any] = {
        "id": "cal1",
        "name": "Team claim",
        "type": "com.okta.oauth2.tokens.transform",
        "uri": "https://hooks.acme.com/hook",
        "channel_type": "OAUTH",
        "auth_type": "private_key_jwt",
        "client_id": "0oa1hookclient4x7",
        "hook_key_id": "HKY1",
        "token_url": f"{ORG}/oauth2/aus1/v1/token",
        "scope": "hooks",
    }
    return InlineHook(**{**fields, **changes})


def server(**changes: Any) -> AuthorizationServer:
    """Return an authorization server of the org."""
    issuer = f"{ORG}/oauth2/aus1"
    return AuthorizationServer(
        **{"id": "aus1", "audiences": ("api://hooks",), "issuer": issuer, **changes}
    )


def planned(
    hook: InlineHook,
    wanted: Setup | None = None,
    found: AuthorizationServer | HookKeyApiError | None = None,
) -> Plan:
    """Return the plan for a hook. ``found``: what the org answers; None: it must not be asked."""

    def server_of(_: str) -> AuthorizationServer:
        assert found is not None
        if isinstance(found, HookKeyApiError):
            raise found
        return found

    return plan_for(hook, org_url=ORG, wanted=wanted, server_of=server_of)


_OWN = {"token_url": "https://hooks.acme.com/oauth2/token"}

PLANS = {
    "access token": planned(inline_hook(), found=server()),
    "access token, audience unknown": planned(inline_hook(), found=ForbiddenError("no scope")),
    "access token of another server": planned(inline_hook(**_OWN), Setup.ACCESS_TOKEN),
    "two audiences and no scope": planned(
        inline_hook(scope=None), found=server(audiences=("api://hooks", "api://" + "x" * 80))
    ),
    "token endpoint": planned(inline_hook(**_OWN)),
    "token endpoint, client secret": planned(inline_hook(**_OWN, auth_type="client_secret_post")),
    "assertion": planned(inline_hook(**_OWN), Setup.ASSERTION),
    "secret": planned(inline_hook(channel_type="HTTP", auth_type=None, auth_header="X-Secret")),
}

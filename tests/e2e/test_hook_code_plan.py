"""What ``hookkey hooks code`` reads from a hook: its set-up, issuer, audience and paths."""

from __future__ import annotations

from typing import Any

import pytest

from hookkey_verify import ConfigurationError
from hookkey_verify.cli.hook_code.plan import Setup
from hookkey_verify.errors import (
    ForbiddenError,
    HookKeyApiError,
    NotFoundError,
    TransportError,
)
from hookkey_verify.okta.authorization_servers import AuthorizationServer

from .hook_programs import ORG, inline_hook, planned, server

CUSTOM = "https://id.acme.com"
OWN = "https://hooks.acme.com/oauth2/token"


@pytest.mark.parametrize(
    ("host", "found", "issuer"),
    [
        (ORG, server(), f"{ORG}/oauth2/aus1"),
        (CUSTOM, server(), f"{ORG}/oauth2/aus1"),
        (CUSTOM, server(is_dynamic=True), f"{CUSTOM}/oauth2/aus1"),
        (CUSTOM, server(issuer=f"{CUSTOM}/oauth2/aus1"), f"{CUSTOM}/oauth2/aus1"),
        (CUSTOM, server(issuer="no URL"), f"{CUSTOM}/oauth2/aus1"),
        (CUSTOM, server(issuer=None), f"{CUSTOM}/oauth2/aus1"),
    ],
)
@pytest.mark.parametrize("auth_type", ["private_key_jwt", "client_secret_post"])
def test_okta_issues_the_tokens(
    host: str, found: AuthorizationServer, issuer: str, auth_type: str
) -> None:
    """The issuer is the server's, or has the host of the token URL if it depends on the request."""
    hook = inline_hook(token_url=f"{host}/oauth2/aus1/v1/token", auth_type=auth_type)
    plan = planned(hook, found=found)
    assert (plan.setup, plan.issuer, plan.audiences) == ("access-token", issuer, ("api://hooks",))
    assert (plan.is_okta, plan.unknown, plan.notes) == (True, (), ())
    assert (plan.client_id, plan.scopes) == ("0oa1hookclient4x7", ("hooks",))


@pytest.mark.parametrize(
    ("found", "host", "note"),
    [
        (ForbiddenError("not granted"), ORG, "not granted"),
        (ForbiddenError("not granted"), CUSTOM, "not granted"),
        (TransportError("it does not answer"), CUSTOM, "it does not answer"),
        (NotFoundError("gone"), ORG, "the org has no authorization server aus1"),
        (server(audiences=()), ORG, "the authorization server has no audience"),
        (None, "https://other.oktapreview.com", "the token URL is one of another org"),
    ],
)
def test_an_unknown_audience_is_a_placeholder(
    found: AuthorizationServer | HookKeyApiError | None, host: str, note: str
) -> None:
    """If the audience cannot be read, it is a placeholder, and a note says why."""
    plan = planned(inline_hook(token_url=f"{host}/oauth2/aus1/v1/token"), found=found)
    assert (plan.setup, plan.is_okta, plan.audiences) == ("access-token", True, ())
    assert plan.issuer in (f"{host}/oauth2/aus1", f"{ORG}/oauth2/aus1")
    assert plan.unknown == ("AUDIENCE",)
    assert note in plan.notes[0]


@pytest.mark.parametrize(
    ("token_url", "found"),
    [(OWN, None), ("https://hooks.acme.com/oauth2/x/v1/token", NotFoundError("unknown"))],
)
@pytest.mark.parametrize("wanted", [None, Setup.TOKEN_ENDPOINT])
def test_the_user_issues_the_tokens(
    token_url: str, found: HookKeyApiError | None, wanted: Setup | None
) -> None:
    """At a token URL that is not Okta's, the program issues the tokens itself."""
    plan = planned(inline_hook(token_url=token_url, scope=None), wanted, found)
    assert (plan.setup, plan.has_key, plan.scopes) == ("token-endpoint", True, ("hooks",))
    assert plan.issuer == "https://hooks.acme.com"
    assert plan.audiences == ("https://hooks.acme.com/hook",)
    assert plan.token_path == token_url.removeprefix("https://hooks.acme.com")
    assert (plan.hook_path, plan.unknown) == ("/hook", ())
    assert [*plan.notes] == [] if wanted else ["--setup access-token" in plan.notes[0]]


def test_a_custom_domain_of_another_org() -> None:
    """The option tells a custom domain of another org from a service of the user."""
    hook = inline_hook(token_url=f"{CUSTOM}/oauth2/aus9/v1/token")
    plan = planned(hook, Setup.ACCESS_TOKEN, NotFoundError("unknown"))
    assert (plan.issuer, plan.is_okta) == (f"{CUSTOM}/oauth2/aus9", True)
    assert plan.unknown == ("AUDIENCE",)


def test_another_server_issues_the_tokens() -> None:
    """For an authorization server that is not Okta's, issuer and audience are placeholders."""
    plan = planned(inline_hook(token_url=OWN), Setup.ACCESS_TOKEN)
    assert (plan.setup, plan.is_okta, plan.unknown) == (
        "access-token",
        False,
        ("ISSUER", "AUDIENCE"),
    )


def test_an_assertion_is_verified_on_demand() -> None:
    """The option selects the verification of a forwarded assertion; the org is not asked."""
    plan = planned(inline_hook(), Setup.ASSERTION)
    assert (plan.setup, plan.token_url) == ("assertion", f"{ORG}/oauth2/aus1/v1/token")
    assert plan.unknown == ()


def test_a_secret_in_a_header() -> None:
    """A hook without OAuth is verified by the secret in its header."""
    hook = inline_hook(channel_type="HTTP", auth_header="X-Secret")
    for wanted in (None, Setup.SECRET):
        plan = planned(hook, wanted)
        assert (plan.setup, plan.header, plan.unknown) == ("secret", "X-Secret", ())


@pytest.mark.parametrize(
    ("changes", "wanted", "problem"),
    [
        ({"type": "com.okta.new"}, None, "no handler for hooks of type 'com.okta.new'"),
        ({"method": "PUT"}, None, "method must be POST"),
        ({"uri": ""}, None, "the hook's URI must be a plain URL"),
        ({"uri": "http://hooks.acme.com/x"}, None, "the hook's URI must begin with https://"),
        ({"uri": "https://a.com/{x}"}, None, "the hook's URI still contains a placeholder"),
        ({"uri": "https://a.com/a%20b"}, None, "the path of the hook's URI must have only"),
        ({"uri": "https://a.com//b"}, None, "the path of the hook's URI must have only"),
        ({"uri": "https://a.com/a/../b"}, None, "the path of the hook's URI must have only"),
        ({"channel_type": "HTTP"}, None, "calls the hook without credentials"),
        ({"channel_type": "", "auth_header": ""}, None, "channel type must be HTTP or OAUTH"),
        ({"channel_type": "HTTP", "auth_header": ""}, None, "the name of a request header"),
        ({"channel_type": "HTTP", "auth_header": "a b"}, None, "the name of a request header"),
        ({"channel_type": "HTTP", "auth_header": "A"}, Setup.ASSERTION, "does not use OAuth"),
        ({"auth_type": None}, None, "authType must be"),
        ({"client_id": None}, None, "needs a clientId and a tokenUrl"),
        ({"token_url": None}, None, "needs a clientId and a tokenUrl"),
        ({"token_url": "https://a.com/\n"}, None, "the hook's token URL contains a character"),
        ({"scope": 'a "b"'}, None, "the hook's scope must have scope names"),
        ({"token_url": f"{ORG}/oauth2/v1/token"}, None, "Okta's org authorization server"),
        ({"token_url": f"{ORG}/token"}, None, "on a host of Okta, where only Okta can answer"),
        ({"token_url": f"{ORG}/token"}, Setup.ACCESS_TOKEN, "on a host of Okta"),
        ({}, Setup.TOKEN_ENDPOINT, "on a host of Okta, where only Okta can answer"),
        ({}, Setup.SECRET, "the hook uses OAuth"),
        ({"auth_type": "client_secret_post"}, Setup.ASSERTION, "no assertion to verify"),
        ({"token_url": "https://a.com/hook"}, None, "have the same path"),
        ({"token_url": "https://a.com/a%20b"}, None, "the path of the hook's token URL"),
    ],
)
def test_hooks_without_a_program(
    changes: dict[str, Any], wanted: Setup | None, problem: str
) -> None:
    """A hook that no program can protect or answer is an error that says what to change."""
    with pytest.raises(ConfigurationError, match=problem.replace("(", r"\(")):
        planned(inline_hook(**changes), wanted)


@pytest.mark.parametrize("uri", ["https://a.com", "https://a.com/", "https://a.com?x=1"])
def test_the_root_is_a_path(uri: str) -> None:
    """A URI without a path is served at the root."""
    assert planned(inline_hook(uri=uri), found=server()).hook_path == "/"

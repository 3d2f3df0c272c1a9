"""Checks of the configured issuer of access tokens."""

from __future__ import annotations

import pytest

from hookkey_verify import ConfigurationError, IssuerKeys
from hookkey_verify._jose.issuer import (
    is_authorization_server,
    refuse_lookalikes,
    refuse_org_server,
)


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        ("https://acme.okta.com/oauth2/default", True),
        ("https://login.acme.com/oauth2/aus1x-_", True),
        ("http://127.0.0.1:8000/oauth2/aus1", True),
        ("https://acme.okta.com", False),
        ("https://acme.okta.com/oauth2", False),
        ("https://acme.okta.com/oauth2/", False),
        ("https://acme.okta.com/oauth2/default/v1", False),
        ("https://acme.okta.com/oauth2/default?a", False),
        ("0oa1qz8hookclient4x7", False),
        (None, False),
        (["https://acme.okta.com/oauth2/default"], False),
    ],
)
def test_is_authorization_server(issuer: object, expected: bool) -> None:
    """A custom authorization server is recognized only by a full issuer …/oauth2/{id}."""
    assert is_authorization_server(issuer) is expected


@pytest.mark.parametrize(
    "issuer",
    [
        "https://acme.okta.com",
        "https://acme.okta.com/",
        "https://acme.oktapreview.com",
        "https://acme.okta-emea.com/oauth2",
        "https://ACME.okta.com",
    ],
)
def test_the_org_server_is_refused(issuer: str) -> None:
    """The org server, whose tokens are opaque, is refused; the error says what to use instead."""
    with pytest.raises(ConfigurationError, match=r"opaque.*custom authorization server"):
        refuse_org_server(issuer)


@pytest.mark.parametrize(
    "issuer",
    [
        "https://acme.okta.com/oauth2/default",
        "https://hooks.acme.com",
        "https://acme.okta.com.evil.example",
        "https://acmeokta.com",
        "https://[::1",
        "0oa1",
    ],
)
def test_others_are_not(issuer: str) -> None:
    """``refuse_org_server`` accepts other issuers; other checks find other defects in them."""
    refuse_org_server(issuer)


SERVER = "https://acme.okta.com/oauth2/aus1"


@pytest.mark.parametrize(
    "issuer",
    [
        f"{SERVER}/",
        f"{SERVER}/v1",
        f"{SERVER}/v1/token",
        f"{SERVER}/v1/keys/",
        f"{SERVER}/.well-known/openid-configuration",
        f"{SERVER}/.well-known/oauth-authorization-server",
        "https://acme-admin.okta.com/oauth2/aus1",
        "https://acme-admin.okta.com/oauth2/aus1/v1/token",
    ],
)
def test_what_is_near_an_issuer(issuer: str) -> None:
    """A URL that resembles an issuer but is not one is refused; the error names the issuer."""
    with pytest.raises(
        ConfigurationError, match=r"did you mean https://acme.okta.com/oauth2/aus1\?"
    ):
        IssuerKeys(issuer)


@pytest.mark.parametrize(
    "issuer",
    [
        SERVER,
        "https://login.acme.com/oauth2/aus1",
        "https://acme.eu.auth0.com/",
        "https://id.acme.com/oidc/v1",
        "https://id.acme.com/v1/token",
        "https://sso-admin.acme.com/oauth2/aus1",
        "https://acme-admin.okta.com.evil.example/oauth2/aus1",
        "https://acme.okta.com/oauth2/aus1/x",
    ],
)
def test_what_may_be_an_issuer(issuer: str) -> None:
    """``refuse_lookalikes`` accepts valid issuers and URLs of other identity providers."""
    refuse_lookalikes(issuer)

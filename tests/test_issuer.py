"""Who can be the issuer of an access token."""

from __future__ import annotations

import pytest

from hookkey_verify import ConfigurationError
from hookkey_verify.issuer import is_authorization_server, refuse_org_server


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
    """…/oauth2/{id}, in full."""
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
    """Its access tokens are opaque, and the error says what to use instead."""
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
    """Whatever else is wrong with them is found elsewhere."""
    refuse_org_server(issuer)

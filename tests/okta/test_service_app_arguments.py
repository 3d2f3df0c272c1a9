"""ServiceApp: arguments, repr and copies."""

from __future__ import annotations

import copy
import pickle
import time
from typing import Any

import pytest

from hookkey_verify import ConfigurationError, HookKeys, HookSigner, ServiceApp
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.okta.client import HookKeysClient

from .service_apps import service_app


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"org_url": "acme"}, "org_url"),
        ({"client_id": ""}, "client_id"),
        ({"client_id": None}, "client_id"),
        ({"client_id": "a b"}, "client_id"),
        ({"private_key": "-----BEGIN"}, "private_key"),
        ({"private_key": None}, "private_key"),
        ({"key_id": "a\n"}, "kid"),
        ({"scopes": ()}, "scopes"),
        ({"scopes": "okta.inlineHooks.read"}, "scopes"),
        ({"scopes": ["a b"]}, "scopes"),
        ({"scopes": [5]}, "scopes"),
        ({"dpop": 1}, "dpop"),
        ({"verify": False}, "verify"),
    ],
    ids=repr,
)
def test_wrong_arguments(app_key: HookSigner, arguments: dict[str, Any], named: str) -> None:
    """A wrong argument is refused at construction, and the error names it."""
    given = {
        "org_url": "https://acme.okta.com",
        "client_id": "0oa1",
        "private_key": app_key._key,
        **arguments,
    }
    with pytest.raises(ConfigurationError, match=named):
        ServiceApp(**given)


def test_secrets_stay_inside(okta: OktaEmulator, app_key: HookSigner) -> None:
    """The repr of a service app shows no secret, and an app cannot be pickled or copied."""
    app = service_app(okta, app_key)
    app.prepare(time.monotonic() + 2, time.monotonic())
    assert repr(app) == "ServiceApp(…)"
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(ConfigurationError, match="secret"):
            attempt(app)


def test_a_token_goes_to_its_own_org_only(app_key: HookSigner) -> None:
    """A client of another org refuses the credentials of a service app."""
    app = ServiceApp("https://acme.okta.com", "0oa1", app_key._key)
    for kind in (HookKeys, HookKeysClient):
        with pytest.raises(ConfigurationError, match="another org"):
            kind("https://other.okta.com", app)
        kind("https://ACME.okta.com/", app).close()

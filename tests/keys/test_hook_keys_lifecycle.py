"""HookKeys: arguments, repr and ``close``."""

from __future__ import annotations

from typing import Any

import pytest

from hookkey_verify import ApiToken, BearerToken, ConfigurationError, HookKeys
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import KeySourceConfigurationError

from .faulty_org import NO_KEY


def test_close_keeps_what_is_known(okta: OktaEmulator, org_keys: HookKeys, key_id: str) -> None:
    """``close`` is idempotent: cached keys are still served, and nothing is fetched."""
    org_keys.get(key_id)
    org_keys.close()
    org_keys.close()
    assert org_keys.get(key_id).kid == key_id
    with pytest.raises(KeySourceConfigurationError, match="closed"):
        org_keys.get(NO_KEY)
    assert len(okta.requests) == 1


def test_the_context_manager_closes(okta: OktaEmulator, key_id: str) -> None:
    """The context manager returns the source and closes it after the block."""
    keys = HookKeys(okta.url, BearerToken(okta.api_token))
    with keys as entered:
        assert entered is keys
    with pytest.raises(KeySourceConfigurationError, match="closed"):
        keys.get(key_id)


def test_repr_names_the_org_only(org_keys: HookKeys, okta: OktaEmulator) -> None:
    """The repr contains the org and no secret."""
    assert repr(org_keys) == f"HookKeys({okta.url!r})"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"org_url": "http://acme.okta.com"}, "org_url"),
        ({"credentials": "token"}, "credentials"),
        ({"policy": {"fresh_for": 5}}, "policy"),
        ({"directory": 1}, "directory"),
        ({"shared": 5}, "shared"),
        ({"on_event": "print"}, "on_event"),
        ({"clock": 5}, "clock"),
        ({"verify": False}, "verify"),
    ],
    ids=repr,
)
def test_wrong_arguments(arguments: dict[str, Any], named: str) -> None:
    """The error at construction names the wrong argument."""
    given = {"org_url": "https://acme.okta.com", "credentials": ApiToken("x"), **arguments}
    with pytest.raises(ConfigurationError, match=named):
        HookKeys(**given)

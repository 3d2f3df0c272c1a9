"""Rotations without all permissions, and the keys of applications."""

from __future__ import annotations

import pytest

from hookkey_verify import ApiToken, HookSigner
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import (
    ForbiddenError,
    ValidationFailedError,
)
from hookkey_verify.okta.applications import ApplicationKeysClient
from hookkey_verify.okta.service_app import ServiceApp

from .rotations import NAME, NEXT, Org, an_org

READ = ("okta.inlineHooks.read",)
HOOKS = (*READ, "okta.inlineHooks.manage")
APPS = "/api/v1/apps"


def _with_scopes(okta: OktaEmulator, app_key: HookSigner, *scopes: str) -> ServiceApp:
    client_id = okta.create_service_app(app_key.public_jwk(), scopes)
    return ServiceApp(okta.url, client_id, app_key._key, scopes=scopes)


def test_the_permission_to_read_only(okta: OktaEmulator, app_key: HookSigner) -> None:
    """Without okta.inlineHooks.manage, a plan is possible, and a run names the scope."""
    with an_org(okta, _with_scopes(okta, app_key, *READ)) as org:
        org.hook(at_okta=True)
        report = org.rotation().plan()
        assert not report.finished
        assert "okta.apps.read" in report.notes[0]
        with pytest.raises(ForbiddenError, match=r"okta\.inlineHooks\.manage"):
            org.rotation(verifiers_ready=True).run()


def test_without_a_permission_for_applications(okta: OktaEmulator, app_key: HookSigner) -> None:
    """If keys of applications cannot be read, somebody must confirm that they have the key."""
    with an_org(okta, _with_scopes(okta, app_key, *HOOKS)) as org:
        hook = org.hook(at_okta=True)
        report = org.rotation().run()
        assert report.waiting_for == "verifiers"
        assert len(report.notes) == 1
        assert org.rotation(verifiers_ready=True).run().finished
        assert org.key_of(hook) == NAME


def test_an_application_that_can_only_be_read(okta: OktaEmulator, app_key: HookSigner) -> None:
    """If the application lacks the key, the run names the scope, whatever is confirmed.

    After somebody has added the key, a run ends with a note about the old key there.
    """
    with an_org(okta, _with_scopes(okta, app_key, *HOOKS, "okta.apps.read")) as org:
        hook = org.hook(at_okta=True)
        with pytest.raises(ForbiddenError, match=r"okta\.apps\.manage"):
            org.rotation(verifiers_ready=True).run()
        assert org.key_of(hook) == NAME
        key = next(key for key in org.keys.list() if key.name == NEXT)
        with ApplicationKeysClient(okta.url, ApiToken(okta.api_token)) as administrator:
            client_id = hook["channel"]["config"]["clientId"]
            administrator.add(client_id, org.keys.public_key(key.key_id))
        report = org.rotation().run()
        assert report.finished
        assert "remove the key" in report.notes[0]
        assert len(org.kids(hook)) == 2


def test_the_application_of_another_org(org: Org) -> None:
    """If the org does not know the client of a hook, the verifiers must be confirmed."""
    org.okta.create_hook(
        "https://hooks.acme.com/hook",
        key=NAME,
        client_id="0oaStranger",
        token_url="https://other.okta.com/oauth2/aus1/v1/token",
    )
    assert org.rotation().run().waiting_for == "verifiers"
    assert org.rotation(applications=None).run().waiting_for == "verifiers"


def test_an_application_that_does_not_have_the_old_key(org: Org) -> None:
    """If the application verifies with other keys, they remain, and nothing is confirmed."""
    hook = org.hook(at_okta=True)
    org.okta.create_key("Other")
    org.hooks.replace(
        org.hook("Other hook", key="Other")["id"],
        client_id=hook["channel"]["config"]["clientId"],
        token_url=hook["channel"]["config"]["tokenUrl"],
    )
    rotation = org.keys.rotation("Other", org.hooks, applications=org.applications, keep=0)
    report = rotation.run()
    rotation.close()
    assert report.waiting_for == "verifiers"
    assert len(org.kids(hook)) == 1


def test_another_key_with_the_kid_of_the_new_one(org: Org) -> None:
    """If the application has another key under the new kid, Okta's refusal ends the run."""
    hook = org.hook(at_okta=True)
    new = org.keys.create(NEXT)
    foreign = HookSigner.generate(kid=new.key_id).public_jwk()
    client_id = hook["channel"]["config"]["clientId"]
    org.applications._exchange("POST", f"{APPS}/{client_id}/credentials/jwks", foreign)
    with pytest.raises(ValidationFailedError):
        org.rotation(verifiers_ready=True).run()
    assert org.key_of(hook) == NAME


def test_a_hook_without_a_client_that_can_be_asked_about(org: Org) -> None:
    """A client id that cannot be a part of a path is not looked up."""
    org.okta.create_hook(
        "https://hooks.acme.com/hook",
        key=NAME,
        client_id="a/../b",
        token_url=f"{org.okta.issuer}/v1/token",
    )
    assert org.rotation().run().waiting_for == "verifiers"

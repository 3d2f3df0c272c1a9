"""The most frequent mistakes, and which value each error message tells the user to change."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from hookkey_verify import (
    ApiToken,
    ConfigurationError,
    HookKeyError,
    HookKeys,
    HookSigner,
    HookVerificationError,
    HookVerifier,
    IssuerKeys,
    StaticKeys,
)
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.flask import HookKeyVerify, protect

CLIENT_ID, TOKEN_URL, AUDIENCE = "0oa1hookclient4x7", "https://hooks.acme.com/token", "api://hooks"


class Org:
    """A local org, its key sources, and the tokens it sends."""

    def __init__(self, okta: OktaEmulator) -> None:
        self.okta = okta
        self.signer = okta.signer(okta.create_key("mistakes")["keyId"])
        self.hook_keys = HookKeys(okta.url, ApiToken(okta.api_token))
        self.issuer_keys = IssuerKeys(okta.issuer)

    def assertion(self) -> str:
        return self.signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)

    def for_assertions(self, keys: Any = None, **options: Any) -> HookVerifier:
        options = {"client_id": CLIENT_ID, "token_url": TOKEN_URL, **options}
        return HookVerifier.for_client_assertion(keys or self.hook_keys, **options)

    def for_access_tokens(self, **options: Any) -> HookVerifier:
        options = {"audience": AUDIENCE, "client_id": CLIENT_ID, **options}
        return HookVerifier.for_access_token(self.issuer_keys, **options)

    def access_token(self) -> str:
        return self.okta.access_token(CLIENT_ID)


@pytest.fixture
def org(okta: OktaEmulator) -> Iterator[Org]:
    made = Org(okta)
    yield made
    made.hook_keys.close()
    made.issuer_keys.close()


def message(act: Callable[[], object]) -> str:
    with pytest.raises(HookKeyError) as caught:
        act()
    return str(caught.value)


def test_wrong_org_url(org: Org) -> None:
    """The message names the org that has no such key."""
    with OktaEmulator() as other:
        keys = HookKeys(other.url, ApiToken(other.api_token))
        said = message(lambda: org.for_assertions(keys).verify(org.assertion()))
        assert f"{other.url} has no hook key with this kid" in said
        assert "a key of another org" in said
        keys.close()


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("https://acme-admin.okta.com", "https://acme.okta.com"),
        ("https://acme-admin.okta.com/admin/dashboard", "https://acme.okta.com"),
        ("https://acme.okta.com/oauth2/default", "https://acme.okta.com"),
    ],
)
def test_admin_url(url: str, right: str) -> None:
    """The message suggests the org's own URL."""
    said = message(lambda: HookKeys(url, ApiToken("t")))
    assert "org_url" in said
    assert f"did you mean {right}?" in said


def test_admin_url_as_issuer() -> None:
    """The message suggests the issuer with the org's own host."""
    said = message(lambda: IssuerKeys("https://acme-admin.okta.com/oauth2/default"))
    assert "did you mean https://acme.okta.com/oauth2/default?" in said


@pytest.mark.parametrize(
    "url", ["https://{yourOktaDomain}", "https://${yourOktaDomain}", "https://yourOktaDomain"]
)
def test_placeholder(url: str) -> None:
    """The message names the argument that still contains a placeholder, and shows an example."""
    said = message(lambda: HookKeys(url, ApiToken("t")))
    assert "org_url still contains a placeholder" in said
    assert "https://acme.okta.com" in said
    said = message(lambda: IssuerKeys(f"{url}/oauth2/default"))
    assert "issuer still contains a placeholder" in said


def test_missing_token(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the environment variable, or the missing header of a request."""
    monkeypatch.setenv("OKTA_CLIENT_ORGURL", "https://acme.okta.com")
    monkeypatch.delenv("OKTA_CLIENT_TOKEN", raising=False)
    assert "set OKTA_CLIENT_TOKEN" in message(HookKeys.from_env)
    said = message(lambda: org.for_access_tokens().verify(f"Bearer {org.access_token()}"))
    assert "it begins with Bearer: pass the token alone" in said
    said = message(lambda: org.for_access_tokens().verify_headers({}))
    assert "the request has no Authorization header" in said


def test_string_instead_of_credentials() -> None:
    """The message names the class to wrap the token in, and does not repeat the token."""
    said = message(lambda: HookKeys("https://acme.okta.com", "00secret"))  # type: ignore[arg-type]
    assert "ApiToken(token)" in said
    assert "00secret" not in said
    said = message(lambda: ApiToken("{apiToken}"))
    assert "token still contains a placeholder" in said
    said = message(lambda: ApiToken("SSWS 00secret"))
    assert "token must be the token alone, without SSWS or Bearer" in said


def test_wrong_client_id(org: Org) -> None:
    """The message and ``expected`` contain the configured client ID."""
    verifier = org.for_access_tokens(client_id="0oa9mistyped")
    with pytest.raises(HookVerificationError) as caught:
        verifier.verify(org.access_token())
    assert str(caught.value).endswith(': expected cid "0oa9mistyped"')
    assert caught.value.expected == "0oa9mistyped"
    said = message(lambda: org.for_assertions(client_id="0oa9mistyped").verify(org.assertion()))
    assert 'expected iss "0oa9mistyped"' in said


def test_wrong_audience(org: Org) -> None:
    """The message names every configured audience."""
    for audience, expected, words in (
        ("api://other", "api://other", '"api://other"'),
        (["b", "a"], ("a", "b"), '"a" or "b"'),
    ):
        with pytest.raises(HookVerificationError) as caught:
            org.for_access_tokens(audience=audience).verify(org.access_token())
        assert str(caught.value).endswith(f": expected aud {words}")
        assert caught.value.expected == expected


@pytest.mark.parametrize(
    ("module", "missing", "extra"),
    [
        ("flask", "flask", "flask"),
        ("fastapi", "fastapi", "fastapi"),
        ("django", "django", "django"),
        ("valkey", "redis", "valkey"),
        ("emulator", "starlette", "emulator"),
    ],
)
def test_missing_extra(module: str, missing: str, extra: str) -> None:
    """The message contains the extra to install."""
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"try: import hookkey_verify.{module} as m; getattr(m, 'OktaEmulator', 0)\n"
        f"except ImportError as error: print(error)\n"
        f"except Exception as error: print(error)\n"
        f"else: m.ValkeyKeyStore('valkey://127.0.0.1:1', secret='s' * 32)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"hookkey_verify[{extra}]" in done.stdout + done.stderr


def test_hook_keys_for_access_tokens(org: Org) -> None:
    """A key source of the wrong kind is refused; the message names the right kind."""
    for issuer in (None, "https://acme.okta.com/oauth2/aus1"):
        with pytest.raises(ConfigurationError, match=r"keys must be IssuerKeys\(issuer\)"):
            HookVerifier.for_access_token(
                org.hook_keys, issuer=issuer, audience=AUDIENCE, client_id=CLIENT_ID
            )
    said = message(lambda: org.for_assertions(org.issuer_keys))
    assert "keys must be HookKeys(org_url" in said
    said = message(lambda: org.for_assertions().verify(org.access_token()))
    assert "HookVerifier.for_access_token(IssuerKeys(issuer)" in said


@pytest.mark.parametrize(("off", "what"), [(-600, "iat"), (4000, "exp")])
def test_skewed_clock(org: Org, off: float, what: str) -> None:
    """The message names the clock and the leeway that was exceeded."""
    verifier = org.for_assertions(clock=lambda: time.time() + off)
    with pytest.raises(HookVerificationError) as caught:
        verifier.verify(org.assertion())
    assert f"{what} is more than 60 seconds (leeway)" in str(caught.value)
    assert "correct" in str(caught.value)
    assert "clock" in str(caught.value)
    assert caught.value.expected == 60


def test_decorator_order(verifier: HookVerifier, caplog: pytest.LogCaptureFixture) -> None:
    """A ``protect`` above the route is detected at the first request; the log says what to do."""
    app = Flask(__name__)
    hooks = HookKeyVerify(app, verifier)
    protect(verifier)(app.post("/wrong")(lambda: {"commands": []}))
    hooks.required(app.post("/right", endpoint="right")(lambda: {"commands": []}))
    assert app.test_client().post("/wrong").status_code == 500
    assert "below" in caplog.text
    assert "@app.route" in caplog.text
    assert app.test_client().post("/right").status_code == 401


def test_expired_token(org: Org) -> None:
    """The message says by how much exp has passed, and when the clock is at fault instead."""
    old = org.signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL, lifetime=1)
    verifier = org.for_assertions(leeway=0, clock=lambda: time.time() + 5)
    said = message(lambda: verifier.verify(old))
    assert "exp is more than 0 seconds (leeway) behind this machine's clock" in said
    assert "if new tokens are refused too, correct that clock" in said


def test_unknown_kid(org: Org) -> None:
    """The message names the configured kids, or the issuer that was asked."""
    keys = StaticKeys.from_jwk(HookSigner.generate("mine").public_jwk())
    said = message(lambda: org.for_assertions(keys).verify(org.assertion()))
    assert "the kids of the configured keys are 'mine'" in said
    said = message(lambda: org.for_access_tokens().verify(org.assertion()))
    assert f"{org.okta.issuer} has no key with this kid" in said
    assert "verify it with HookKeys" in said


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://127.0.0.1:9", "the connection was refused or lost (https://127.0.0.1:9)"),
        ("https://acme.invalid", "the host name cannot be resolved (https://acme.invalid)"),
    ],
)
def test_unreachable_org(org: Org, url: str, problem: str) -> None:
    """The message names the address, and says whether the host is unknown or refused to connect."""
    keys = HookKeys(url, ApiToken("t"))
    assert problem in message(lambda: org.for_assertions(keys).verify(org.assertion()))
    keys.close()


def test_wrong_token_url(org: Org) -> None:
    """The message shows the configured URL exactly; no HTTP response contains it."""
    with pytest.raises(HookVerificationError) as caught:
        org.for_assertions(token_url=TOKEN_URL + "/").verify(org.assertion())
    assert str(caught.value).endswith(f': expected aud "{TOKEN_URL}/"')
    assert TOKEN_URL not in str(caught.value.headers)

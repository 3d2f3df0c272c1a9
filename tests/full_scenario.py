"""Everything that the package does, in one scenario, and a search for the secrets in its output.

The emulated org calls hooks with client assertions, access tokens, a secret and a password. Good
and bad tokens, wrong secrets and outages follow. All objects report to one function.
"""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import BytesIO
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlencode

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask import Flask

from hookkey_verify import (
    ApiToken,
    AsyncHookKeysClient,
    CachePolicy,
    HookKeys,
    HookKeysClient,
    HookSigner,
    HookVerifier,
    IssuerKeys,
    TokenEndpoint,
)
from hookkey_verify.dynamodb import DynamoDBReplayStore
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.endpoint import HealthEndpoint
from hookkey_verify.errors import HookKeyError
from hookkey_verify.events import OnEvent
from hookkey_verify.flask import protect, serve
from hookkey_verify.guard import Guard
from hookkey_verify.jwks_bridge import JwksBridge
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.shared_secret import BasicCredentials, HeaderSecret
from hookkey_verify.signing_key import SigningKey
from hookkey_verify.testing import bad_tokens
from hookkey_verify.token_endpoint import ASSERTION_TYPE, ClientSecret
from hookkey_verify.valkey import ValkeyReplayStore
from hookkey_verify.verifier import VerifierByIssuer

from .faults import ManualClock
from .okta.service_apps import service_app
from .servers import free_port, wsgi_server
from .valkeys import valkey_server

__all__ = ["LEAK", "Scenario"]

LEAK = 8
"""Length of the parts of a secret that are searched for."""
CLIENT_ID = "0oa1qz8hookclient4x7"
OTHER_ID = "0oa2secretclient9z1"
BODY = {"marker": "b0dy-0f-the-h00k-k33p-it"}
CLAIM = "cl4im-0f-a-us3r-k33p-it"
SECRETS = {
    "client secret": "cl13nt-s3cret-k33p-it",
    "wrong client secret": "wr0ng-s3cret-0f-a-client",
    "header secret": "h34der-s3cret-k33p-it",
    "wrong header secret": "wr0ng-s3cret-0f-a-header",
    "password": "p4ssw0rd-0f-0kta-k33p-it",
    "password of the store": "v4lkey-p4ssw0rd-k33p-it",
    "wrong password of the store": "wr0ng-p4ssw0rd-0f-v4lkey",
    "AWS key": "4ws-s3cret-access-k3y-k33p-it",
    "wrong API token": "00wr0ng-4pi-t0ken-0f-okta",
    "body": BODY["marker"],
    "claim": CLAIM,
}
POLICY = CachePolicy(fresh_for=100, stale_if_error=50, refresh_ahead=0, negative_for=1)


class Scenario:
    """Plays the scenario and knows its secrets."""

    def __init__(self, okta: OktaEmulator, on_event: OnEvent | None) -> None:
        self.okta = okta
        self.on_event = on_event
        self.statuses: list[int] = []
        self.tokens: set[str] = set()
        self._secrets = {*SECRETS.values(), okta.api_token}
        self._windows: set[str] = set()

    def play(self, signer: HookSigner, app_key: HookSigner) -> None:
        """Carry out everything."""
        self.pem(app_key)
        self.pem(signer)
        with ExitStack() as stack:
            self._deliveries(stack)
            self._clients(stack, app_key)
            self._verifiers(stack, signer)
            self._stores()
        self.collect()

    def leaks(self, text: str) -> list[str]:
        """Return the parts of secrets that the text contains."""
        found = {text[at : at + LEAK] for at in range(len(text) - LEAK + 1)}
        return sorted(found & self._windows)

    def collect(self) -> None:
        """Collect the parts of all secrets, before ``leaks`` searches for them."""
        whole = [*self._secrets]
        for token in self.tokens:
            whole += [part for part in token.split(".") if len(part) > 40]
            whole += _values(token)
        self._windows = {
            each[at : at + LEAK] for each in whole for at in range(len(each) - LEAK + 1)
        }

    def pem(self, signer: HookSigner) -> None:
        """Make a private key one of the secrets."""
        pem = signer._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._secrets |= {line for line in pem.decode().splitlines() if "-" not in line}

    def _recorded(self, app: Any) -> Any:
        """Keep the credentials of each request to an application."""

        def recording(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            length = int(environ.get("CONTENT_LENGTH") or 0)
            body = environ["wsgi.input"].read(length)
            environ["wsgi.input"] = BytesIO(body)
            form = dict(parse_qsl(body.decode())) if b"grant_type=" in body else {}
            self.tokens |= {form[name] for name in ("client_assertion",) if name in form}
            kind, _, value = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
            self._secrets |= {value} if kind == "Basic" else set()
            self.tokens |= {value} if kind == "Bearer" else set()
            return app(environ, start_response)  # type: ignore[no-any-return]

        return recording

    def _deliveries(self, stack: ExitStack) -> None:
        """Let the org call hooks: OAuth with an assertion and a secret, a header, and Basic."""
        okta, on_event = self.okta, self.on_event
        app = Flask(__name__)
        port = stack.enter_context(wsgi_server(self._recorded(app)))
        url = f"http://127.0.0.1:{port}"
        keys = stack.enter_context(_keys(okta, on_event))
        assertions = HookVerifier.for_client_assertion(
            keys,
            client_id=CLIENT_ID,
            token_url=f"{url}/token",
            replay=MemoryReplayStore(single_process=True, on_event=on_event),
            on_event=on_event,
        )
        endpoint = TokenEndpoint(
            [assertions, ClientSecret(OTHER_ID, SECRETS["client secret"])],
            signing_key=SigningKey.generate(),
            issuer=url,
            audience="api://hooks",
            scopes=["hooks"],
            on_event=on_event,
        )
        header = HeaderSecret(SECRETS["header secret"], header="X-Secret", on_event=on_event)
        basic = BasicCredentials("okta", SECRETS["password"], on_event=on_event)
        client = stack.enter_context(HookKeysClient(okta.url, ApiToken(okta.api_token)))
        bridge = JwksBridge(client, on_event=on_event)
        app.post("/token")(serve(endpoint))
        app.get("/jwks")(serve(bridge))
        app.get("/health")(serve(HealthEndpoint(endpoint, assertions, bridge)))
        verifiers: dict[str, Any] = {"oauth": endpoint.verifier, "header": header, "basic": basic}
        for name, verifier in verifiers.items():
            protected: Any = protect(verifier)
            app.post(f"/{name}", endpoint=name)(protected(_hook))
        oauth: dict[str, Any] = {"token_url": f"{url}/token", "scope": "hooks"}
        key = okta.create_key("Token hook")
        password = b64encode(f"okta:{SECRETS['password']}".encode()).decode()
        hooks = [
            okta.create_hook(f"{url}/oauth", name="a", key=key, client_id=CLIENT_ID, **oauth),
            okta.create_hook(
                f"{url}/oauth",
                name="b",
                client_id=OTHER_ID,
                client_secret=SECRETS["client secret"],
                **oauth,
            ),
            okta.create_hook(
                f"{url}/oauth",
                name="c",
                client_id=OTHER_ID,
                client_secret=SECRETS["wrong client secret"],
                **oauth,
            ),
            okta.create_hook(
                f"{url}/header", name="d", secret=("X-Secret", SECRETS["header secret"])
            ),
            okta.create_hook(
                f"{url}/header", name="e", secret=("X-Secret", SECRETS["wrong header secret"])
            ),
            okta.create_hook(
                f"{url}/basic", name="f", secret=("Authorization", f"Basic {password}")
            ),
            okta.create_hook(f"{url}/basic", name="g"),
        ]
        self.statuses += [okta.fire(hook["id"], BODY).steps[-1].status or 0 for hook in hooks]
        self._refused(endpoint)
        for path in ("/jwks", "/health"):
            self.statuses.append(_status(url + path))

    def _refused(self, endpoint: TokenEndpoint) -> None:
        """Send the tokens once more: unchanged, changed, and to the wrong endpoint."""
        guard = Guard(endpoint.verifier)
        kind = {"content-type": "application/x-www-form-urlencoded"}
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE}
        for token in list(self.tokens):
            changed = token[:-8] + token[-16:-8]
            self.tokens.add(changed)
            for each in (token, changed):
                body = urlencode({**form, "client_assertion": each}).encode()
                endpoint.respond("POST", kind, body)
                asyncio.run(endpoint.arespond("POST", kind, body))
                guard.check({"authorization": f"Bearer {each}"})
                asyncio.run(guard.acheck({"authorization": f"Bearer {each}"}))

    def _clients(self, stack: ExitStack, app_key: HookSigner) -> None:
        """Call the management API: with a service app, a wrong token, and during an outage."""
        okta, on_event = self.okta, self.on_event
        app = service_app(okta, app_key)
        with HookKeysClient(okta.url, app, on_event=on_event) as client:
            client.jwks()
            assert client.find("Token hook") is not None
        wrong = ApiToken(SECRETS["wrong API token"])
        with HookKeysClient(okta.url, wrong, max_wait=0, on_event=on_event) as client:
            with suppress(HookKeyError):
                client.list()

        async def main() -> None:
            token = ApiToken(okta.api_token)
            okta.fail("garbage", times=1)
            async with AsyncHookKeysClient(okta.url, token, max_wait=0, on_event=on_event) as each:
                with suppress(HookKeyError):
                    await each.list()
                await each.list()

        asyncio.run(main(), debug=True)

    def _verifiers(self, stack: ExitStack, signer: HookSigner) -> None:
        """Verify good and bad tokens, then during an outage, and with rejected credentials."""
        okta, on_event, clock = self.okta, self.on_event, ManualClock()
        key = okta.create_key("Another")
        good = okta.signer(key["keyId"])
        keys = stack.enter_context(_keys(okta, on_event, clock=clock))
        token_url = "https://hooks.acme.com/token"
        given: dict[str, Any] = {"token_url": token_url, "on_event": on_event}
        one = HookVerifier.for_client_assertion(keys, client_id=CLIENT_ID, **given)
        two = HookVerifier.for_client_assertion(keys, client_id=OTHER_ID, **given)
        both = VerifierByIssuer(one, two, on_event=on_event)
        arguments: dict[str, Any] = {"client_id": CLIENT_ID, "token_url": token_url}
        tokens = [bad.token for bad in bad_tokens(good, **arguments)]
        tokens += [good.client_assertion(**arguments), signer.client_assertion(**arguments)]
        tokens += [good.sign({"iss": CLIENT_ID, "exp": 9e9, "aud": CLAIM, "email": CLAIM})]
        tokens += [good.sign({"iss": CLAIM, "sub": CLAIM, "exp": 9e9, "jti": CLAIM})]
        self.tokens |= {token for token in tokens if token.count(".") == 2 and len(token) > 400}
        for clock.now in (1000, 1101, 1160):  # fresh, stale and expired keys
            if clock.now > 1000:
                okta.fail(503, times=4)
            for token in tokens:
                _try(one, token)
                _try(both, token)
        okta.faults.clear()
        wrong = HookKeys(okta.url, ApiToken(SECRETS["wrong API token"]), on_event=on_event)
        with wrong:
            _try(HookVerifier.for_client_assertion(wrong, client_id=CLIENT_ID, **given), tokens[-1])
            _try(HookVerifier.for_client_assertion(wrong, client_id=CLIENT_ID, **given), tokens[-4])
        issuer_keys = stack.enter_context(IssuerKeys(okta.issuer, on_event=on_event))
        access = HookVerifier.for_access_token(
            issuer_keys, audience="api://hooks", client_id=CLIENT_ID, on_event=on_event
        )
        for client_id in (CLIENT_ID, OTHER_ID):
            token = okta.access_token(client_id)
            self.tokens.add(token)
            _try(access, token)

    def _stores(self) -> None:
        """Claim tokens at stores that work, reject the password, and are unreachable."""
        on_event = self.on_event
        jti = "jt1-0f-a-t0ken-k33p-it"
        self._secrets.add(jti)
        password, wrong = SECRETS["password of the store"], SECRETS["wrong password of the store"]
        with valkey_server(requirepass=password) as server:
            for each in (password, wrong):
                url = server.url.replace("//", f"//:{each}@")
                _claim(ValkeyReplayStore(url, timeout=2, on_event=on_event), jti)
        port = free_port()
        for when in ("refuse", "accept"):
            url = f"redis://:{password}@127.0.0.1:{port}"
            options: dict[str, Any] = {"when_unreachable": when, "on_event": on_event}
            _claim(ValkeyReplayStore(url, timeout=0.2, **options), jti)
        _claim(
            DynamoDBReplayStore(
                "hookkey-used-tokens",
                endpoint_url=f"http://127.0.0.1:{port}",
                region_name="us-east-1",
                aws_access_key_id="AKIAEXAMPLE",
                aws_secret_access_key=SECRETS["AWS key"],
                on_event=on_event,
            ),
            jti,
        )


@contextmanager
def _keys(okta: OktaEmulator, on_event: OnEvent | None, **options: Any) -> Iterator[HookKeys]:
    token = ApiToken(okta.api_token)
    with HookKeys(okta.url, token, policy=POLICY, on_event=on_event, **options) as keys:
        yield keys


def _hook() -> dict[str, Any]:
    return {}


def _try(verifier: Any, token: str) -> None:
    with suppress(HookKeyError):
        verifier.verify(token)
    with suppress(HookKeyError):
        asyncio.run(verifier.averify(token))


def _claim(store: Any, jti: str) -> None:
    for _ in range(2):
        with suppress(HookKeyError):
            store.claim("https://issuer.example", jti, 9e9)
    store.close()


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return int(response.status)
    except HTTPError as error:
        error.close()
        return error.code


def _values(token: str) -> list[str]:
    """Return the long texts among the claims of a token that are not configured."""
    with suppress(ValueError, IndexError, RecursionError):
        payload = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        if isinstance(claims, dict):
            return [
                value
                for name, value in claims.items()
                if isinstance(value, str) and name == "jti" and re.fullmatch(r"[\w.-]{16,}", value)
            ]
    return []

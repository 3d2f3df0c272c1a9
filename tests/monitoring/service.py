"""A service with everything that has metrics: the emulator, keys, verifiers, endpoints, a store.

Threads of the test process send the requests. Prometheus scrapes the process over HTTP.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from prometheus_client import CollectorRegistry, start_http_server

from hookkey_verify import (
    ApiToken,
    CachePolicy,
    HookKeys,
    HookKeysClient,
    HookSigner,
    HookVerifier,
    TokenEndpoint,
)
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import HookKeyError
from hookkey_verify.hooks import (
    Hooks,
    ImportHook,
    RegistrationHook,
    RegistrationReply,
    SamlHook,
    TokenHook,
    TokenReply,
)
from hookkey_verify.jwks_bridge import JwksBridge
from hookkey_verify.prometheus import Metrics
from hookkey_verify.shared_secret import HeaderSecret
from hookkey_verify.signing_key import SigningKey
from hookkey_verify.token_endpoint import ASSERTION_TYPE
from hookkey_verify.valkey import ValkeyReplayStore

from ..faults import Behaviour, FaultServer, after, json_answer
from ..valkeys import Valkey, valkey_server

__all__ = ["Service", "running_service"]

CLIENT_ID: Final = "0oa1qz8hookclient4x7"
TOKEN_URL: Final = "https://hooks.acme.com/oauth2/token"
PUBLIC_KEYS: Final = "/api/v1/hook-keys/public/"
FORM: Final = [("Content-Type", "application/x-www-form-urlencoded")]
HOOK_SECRET: Final = "the-secret-of-the-hook"
SLOW: Final = 1.6
"""Seconds that a slow handler takes."""
SLOW_CALLERS: Final = 60
"""Threads that call it, so that enough calls end in each of the shortened intervals."""
PAUSE: Final = 0.05
"""Seconds between two rounds of requests, so that a machine with two cores is not busy."""


@dataclass
class Service:
    """A running service.

    ``okta``, ``valkey``: what it depends on.
    ``metrics_port``: the port that Prometheus scrapes.
    """

    okta: OktaEmulator
    valkey: Valkey
    metrics: Metrics
    metrics_port: int
    signer: HookSigner
    keys: HookKeys
    verifier: HookVerifier
    endpoint: TokenEndpoint
    hooks: Hooks
    bridge: JwksBridge
    client: HookKeysClient
    _stack: ExitStack
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _errors: list[BaseException] = field(default_factory=list)
    _watched: list[HookVerifier] = field(default_factory=list)

    def repeat(self, work: Callable[[], object], pause: float = PAUSE) -> None:
        """Repeat something in a thread until the service ends. Refusals are ignored."""

        def run() -> None:
            try:
                while not self._stop.wait(pause):
                    with suppress(HookKeyError):
                        work()
            except BaseException as error:
                self._errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def end(self) -> None:
        """Stop the threads. Raises what one of them raised."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        if self._errors:
            raise self._errors[0]

    def assertion(self, signer: HookSigner | None = None, **options: Any) -> str:
        """Return a new client assertion."""
        signer = signer or self.signer
        return signer.client_assertion(
            **{"client_id": CLIENT_ID, "token_url": TOKEN_URL, **options}
        )

    def request_token(self, **form: str) -> None:
        """Send a token request to the endpoint, and verify the token that it issues."""
        fields = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion(),
            **form,
        }
        answer = self.endpoint.respond("POST", FORM, urlencode(fields).encode())
        if answer.status == 200:
            self.endpoint.verifier.verify(json.loads(answer.body)["access_token"])

    def verifier_of(self, keys: HookKeys, **options: Any) -> HookVerifier:
        """Return a verifier of client assertions that reports to the metrics."""
        return HookVerifier.for_client_assertion(
            keys, client_id=CLIENT_ID, token_url=TOKEN_URL, on_event=self.metrics, **options
        )

    def keys_of(self, url: str, token: str, **options: Any) -> HookKeys:
        """Return a key source that reports to the metrics and is closed with the service."""
        keys = HookKeys(url, ApiToken(token), on_event=self.metrics, **options)
        return self._stack.enter_context(closing(keys))

    def store_of(self, url: str, **options: Any) -> ValkeyReplayStore:
        """Return a replay store that reports to the metrics and is closed with the service."""
        store = ValkeyReplayStore(url, on_event=self.metrics, timeout=1, **options)
        return self._stack.enter_context(closing(store))

    # Healthy traffic

    def start_traffic(self) -> None:
        """Send what a healthy service receives, and a few invalid tokens."""
        self.repeat(self.request_token)
        self.repeat(lambda: self.verifier.verify(self.assertion()))
        self.repeat(lambda: self.verifier.verify("not a token"), 0.8)
        self.repeat(self.verify_twice, 1.5)
        self.repeat(lambda: self.request_token(scope="other"), 1)
        self.repeat(lambda: self.bridge.respond("GET", [], b""), 0.2)
        self.repeat(self.client.list, 0.3)
        self.repeat(lambda: self.call_hook(TokenHook.EVENT_TYPE), 0.1)

    def call_hook(self, event_type: str) -> None:
        """Send a request to a hook."""
        body = json.dumps({"eventType": event_type}).encode()
        self.hooks.respond("POST", {"Authorization": HOOK_SECRET}, body)

    def verify_twice(self) -> None:
        """Send a token twice."""
        token = self.assertion()
        self.verifier.verify(token)
        self.verifier.verify(token)

    # Troubles

    def start_misconfiguration(self) -> None:
        """Use wrong credentials at Okta and at the replay store."""
        keys = self.keys_of(self.okta.url, "wrong")
        verifier = self.verifier_of(keys)
        client = HookKeysClient(self.okta.url, ApiToken("wrong"), on_event=self.metrics)
        self._stack.enter_context(closing(client))
        store = self.store_of(f"redis://:wrong@127.0.0.1:{self.valkey.port}")
        misconfigured = self.verifier_of(self.keys, replay=store)
        self._watch(verifier)
        self.repeat(lambda: verifier.verify(self.assertion()))
        self.repeat(client.list, 0.5)
        self.repeat(lambda: misconfigured.verify(self.assertion()))

    def start_attacks(self) -> None:
        """Send tokens for others, replayed tokens, made-up kids and wrong token requests."""
        private_key, numbers = generate_private_key(65537, 2048), count()

        def guess() -> None:
            signer = HookSigner(private_key, f"made-up-{next(numbers)}")
            self.verifier.verify(self.assertion(signer))

        url = "https://other.example/token"
        self.repeat(lambda: self.verifier.verify(self.assertion(token_url=url)), 0.01)
        self.repeat(self.verify_twice)
        self.repeat(guess)
        self.repeat(lambda: self.request_token(scope="other"), 0.02)

    def change_a_key(self) -> None:
        """Verify with a source that then answers with another key under the same kid."""
        signer, other = HookSigner.generate("changed"), HookSigner.generate("changed")
        answers = [json_answer(200, each.public_jwk()) for each in (signer, other)]
        keys = self.keys_of(self._server(*answers).url, "any", policy=CachePolicy(fresh_for=1))
        verifier = self.verifier_of(keys)
        self._watch(verifier)
        self.repeat(lambda: verifier.verify(self.assertion(signer)))

    def slow_down(self) -> None:
        """Verify with a source that answers the second request after 1.5 seconds."""
        first, second = HookSigner.generate("first"), HookSigner.generate("second")
        slow = after(1.5, json_answer(200, second.public_jwk()))
        server = self._server(json_answer(200, first.public_jwk()), slow)
        verifier = self.verifier_of(self.keys_of(server.url, "any"))
        # Many at once wait for one fetch. A few before make the series exist before it counts them.
        verifier.verify(self.assertion(first))
        self._stop.wait(1)
        with ThreadPoolExecutor(40) as pool:
            list(pool.map(lambda _: verifier.verify(self.assertion(second)), range(40)))

    def start_handler_failures(self) -> None:
        """Call hooks without a handler, and with handlers that fail or are slow."""
        self.repeat(lambda: self.call_hook(SamlHook.EVENT_TYPE), 0.3)  # there is no handler
        self.repeat(lambda: self.call_hook(RegistrationHook.EVENT_TYPE), 0.3)
        for _ in range(SLOW_CALLERS):
            self.repeat(lambda: self.call_hook(ImportHook.EVENT_TYPE))

    def start_okta_outage(self, path: str = PUBLIC_KEYS) -> None:
        """Let Okta answer the requests for this path and below with 500."""
        self.okta.fail(500, path=path, times=1_000_000)

    def end_okta_outage(self) -> None:
        """Let Okta answer again."""
        self.okta.faults.clear()

    def accept_unchecked(self) -> None:
        """Verify with a store that accepts tokens while it is unreachable."""
        store = self.store_of(self.valkey.url, when_unreachable="accept")
        verifier = self.verifier_of(self.keys, replay=store)
        self.repeat(lambda: verifier.verify(self.assertion()))

    def _server(self, *script: Behaviour) -> FaultServer:
        return self._stack.enter_context(FaultServer(*script))

    def _watch(self, verifier: HookVerifier) -> None:
        self.metrics.watch(verifier)
        self._watched.append(verifier)  # metrics reference it weakly


@contextmanager
def running_service(
    policy: CachePolicy, *, bridge_fresh_for: float = 1, bridge_stale_for: float = 1
) -> Iterator[Service]:
    """Run a service without traffic.

    ``policy``: how long keys are cached.
    ``bridge_fresh_for``, ``bridge_stale_for``: arguments of its ``JwksBridge``.
    """
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    with ExitStack() as stack:
        okta = stack.enter_context(OktaEmulator(rate_limit=1_000_000))
        valkey = stack.enter_context(valkey_server())
        scraped, thread = start_http_server(0, "127.0.0.1", registry)
        stack.callback(thread.join, 10)
        stack.callback(scraped.server_close)
        stack.callback(scraped.shutdown)
        signer = okta.signer(okta.create_key("hook")["keyId"])
        token = ApiToken(okta.api_token)
        keys = stack.enter_context(
            closing(HookKeys(okta.url, token, policy=policy, on_event=metrics))
        )
        store = ValkeyReplayStore(valkey.url, timeout=1, on_event=metrics)
        stack.callback(store.close)
        verifier = HookVerifier.for_client_assertion(
            keys, client_id=CLIENT_ID, token_url=TOKEN_URL, replay=store, on_event=metrics
        )
        endpoint = TokenEndpoint(
            verifier,
            signing_key=SigningKey.generate(),
            issuer="https://hooks.acme.com",
            audience="https://hooks.acme.com/hook",
            scopes=["hook"],
            on_event=metrics,
        )
        client = HookKeysClient(okta.url, token, on_event=metrics)
        stack.callback(client.close)
        bridge = JwksBridge(
            client, fresh_for=bridge_fresh_for, stale_for=bridge_stale_for, on_event=metrics
        )
        hooks = Hooks(HeaderSecret(HOOK_SECRET), on_event=metrics)
        hooks.on(TokenHook)(lambda hook: TokenReply().debug(team="blue"))
        hooks.on(RegistrationHook)(lambda hook: RegistrationReply().deny(""))
        hooks.on(ImportHook)(lambda hook: time.sleep(SLOW))
        metrics.watch(endpoint, bridge)
        service = Service(
            okta=okta,
            valkey=valkey,
            metrics=metrics,
            metrics_port=scraped.server_port,
            signer=signer,
            keys=keys,
            verifier=verifier,
            endpoint=endpoint,
            hooks=hooks,
            bridge=bridge,
            client=client,
            _stack=stack,
        )
        try:
            yield service
        finally:
            service.end()

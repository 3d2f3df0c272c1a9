"""Assembles the parts of an org."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from starlette.requests import Request

from .._runtime.clock import Clock
from .authorization_server import EmulatedServer
from .delivery import Deliverer
from .faults import Faults
from .hook_clients import HookClients
from .hook_keys import HookKeyStore
from .inline_hooks import EmulatedHook, InlineHooks
from .log_writer import LogWriter
from .org_tokens import OrgTokens
from .service_apps import ServiceApps
from .store import Store
from .system_log import SystemLog
from .token_rules import TokenRules
from .verdict import Delivery

__all__ = ["Operation", "Parts", "RequestLine"]

Operation = tuple[str, Callable[[Request], Awaitable[Any]], list[str]]
"""A path, the function that answers requests to it with JSON values, and the methods."""


@dataclass(frozen=True, slots=True)
class RequestLine:
    """One answered request."""

    method: str
    path: str
    status: int
    at: float = field(default=0.0, compare=False)
    """Epoch seconds, by the org's clock."""
    milliseconds: float = field(default=0.0, compare=False)
    fault: str = field(default="", compare=False)
    """The injected fault; empty if there was none."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an org."""

    api_token: str = field(repr=False)
    clock: Clock
    keys: HookKeyStore
    hooks: InlineHooks
    apps: ServiceApps
    clients: HookClients
    tokens: OrgTokens
    server: EmulatedServer
    rules: TokenRules
    log: SystemLog
    deliverer: Deliverer
    faults: Faults
    requests: deque[RequestLine]
    """The last 10,000 requests that were answered."""
    deliveries: deque[Delivery]
    """The last 200 calls of inline hooks."""

    @classmethod
    def assemble(
        cls, store: Store, api_token: str | None, new_key: Callable[[], RSAPrivateKey], clock: Clock
    ) -> Parts:
        """Create the parts of an org whose state is in ``store``.

        ``store``: stores the state of the org.
        ``api_token``: the accepted API token. None: the stored one, or a new one.
        ``new_key``: a function that generates RSA keys.
        ``clock``: a function that returns epoch seconds.

        Raises ``OktaError`` if the store cannot be written.
        """
        token = _kept_token(store, api_token)

        def is_used(key_id: str) -> bool:
            return hooks.uses(key_id)

        log = SystemLog(clock)
        writer = LogWriter(log)
        keys = HookKeyStore(
            new_key=new_key,
            is_used=is_used,
            clock=clock,
            store=store,
            on_change=writer.key_changed,
        )
        apps = ServiceApps(clock=clock, store=store)
        server = EmulatedServer(apps, new_key=new_key, clock=clock, store=store)
        clients = HookClients(apps, server, keys.signer_of)

        def hook_changed(change: str, hook: EmulatedHook) -> None:
            writer.hook_changed(change, hook)
            clients.hook_changed(change, hook, hooks.all())

        hooks = InlineHooks(has_key=keys.has, clock=clock, store=store, on_change=hook_changed)
        deliveries: deque[Delivery] = deque(maxlen=200)
        return cls(
            api_token=token,
            clock=clock,
            keys=keys,
            hooks=hooks,
            apps=apps,
            clients=clients,
            tokens=OrgTokens(apps, clock),
            server=server,
            rules=TokenRules(has_hook=hooks.has, clock=clock, store=store),
            log=log,
            deliverer=Deliverer(
                keys.signer_of,
                clock=clock,
                on_delivery=deliveries.append,
                on_exchange=writer.delivered,
            ),
            faults=Faults(),
            requests=deque(maxlen=10_000),
            deliveries=deliveries,
        )

    def is_recursive(self, access_token: str, issuer: str) -> bool:
        """Return whether issuing this token calls the hook that has requested it.

        Okta would call the hook for each token that the hook needs, until its time limit ends.
        GUESS: only the time-out is documented.
        https://support.okta.com/help/s/article/how-to-prevent-timeout-errors-for-token-inline-hooks
        """
        hook_id = self.rules.hook_id
        if hook_id is None or not self.hooks.has(hook_id) or not self.rules.for_clients:
            return False
        hook = self.hooks.get(hook_id)
        client_id = jwt.decode(access_token, options={"verify_signature": False})["cid"]
        wanted = (f"{issuer}/v1/token", "ACTIVE", client_id)
        return (hook.token_url, hook.status, hook.client_id) == wanted


def _kept_token(store: Store, given: str | None) -> str:
    kept = store.load("org", lambda body: str(body["value"])).get("API token")
    token = given or kept or secrets.token_urlsafe(32)
    if token != kept:
        store.put("org", "API token", {"value": token})
    return token

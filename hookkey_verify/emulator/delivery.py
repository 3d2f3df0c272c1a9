"""Calls inline hooks like Okta.

https://developer.okta.com/docs/concepts/inline-hooks/: the token request and the call share three
seconds, redirects are not followed, and a timeout or 5xx is retried once, except for token and
telephony hooks. GUESS marks undocumented behavior.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from .._runtime.clock import Clock, wall_clock
from ..errors import ConfigurationError
from ..signer import HookSigner
from .delivery_client import ASSERTION_TYPE, TIMEOUT, exchange, refusal_text
from .delivery_rules import CONSEQUENCES, ONCE
from .inline_hooks import EmulatedHook
from .json_object import json_object
from .okta_error import OktaError, identifier
from .payloads import payload
from .secret_values import event_secrets, without
from .verdict import Delivery, DeliveryStep, judged

__all__ = ["Deliverer", "Event"]

Event = Mapping[str, Any] | bytes
"""The body of a request to a hook: a JSON object, or bytes that are sent as they are."""

ASSERTION_LIFETIME: Final = 300  # GUESS: not documented; an Okta server accepts up to 3600
MAX_LIFETIME: Final = 10 * 365 * 86_400
RENEW: Final = 30
"""Seconds before its expiry at which a token is renewed. GUESS: that Okta caches tokens."""

OnExchange = Callable[[EmulatedHook, Delivery], object]


class Deliverer:
    """Calls the hooks of one org like Okta. Thread-safe. Tokens are reused until they expire."""

    def __init__(
        self,
        signer: Callable[[str], HookSigner],
        *,
        clock: Clock = wall_clock,
        on_delivery: Callable[[Delivery], object] = lambda _: None,
        on_exchange: OnExchange = lambda *_: None,
    ) -> None:
        """Prepare deliveries.

        ``signer``: a function that returns the signer for the ``id`` (``HKY…``) of a hook key.
        ``clock``: a function that returns epoch seconds.
        ``on_delivery``: a function that is called with each delivery.
        ``on_exchange``: a function that is called with the hook and the delivery.
        """
        self._signer = signer
        self._clock = clock
        self._on_delivery = on_delivery
        self._on_exchange = on_exchange
        self._tokens: dict[str, tuple[tuple[str | None, ...], str, float]] = {}

    def fire(
        self,
        hook: EmulatedHook,
        body: Event | None = None,
        *,
        variant: str | None = None,
        retry: bool = False,
    ) -> Delivery:
        """Deliver one event.

        ``hook``: the hook to call.
        ``body``: the event; bytes are sent as they are. Default None: a realistic event.
        ``variant``: the variant of that event. Default None: the first of the type's ``VARIANTS``.
        ``retry``: whether to retry also the types that Okta otherwise calls once. Default False.

        Raises ``ConfigurationError`` for an unknown variant, and for one together with a body.
        """
        at = self._clock()
        sent = self.event(hook, body, variant=variant)
        attempts = 1 if hook.type in ONCE and not retry else 2
        delivery = self._delivered(hook, sent, attempts)
        delivery = replace(delivery, at=at, body=sent, id="dlv" + identifier(17))
        self._on_delivery(delivery)
        self._on_exchange(hook, delivery)
        return delivery

    def event(
        self, hook: EmulatedHook, body: Event | None = None, *, variant: str | None = None
    ) -> bytes:
        """Return the bytes that ``fire`` sends for these arguments."""
        if body is not None and variant is not None:
            raise ConfigurationError("variant cannot be combined with a body")
        if isinstance(body, bytes):
            return body
        if body is None:
            body = payload(hook.type, hook_id=hook.id, now=self._clock(), variant=variant)
        if isinstance(body, Mapping):
            with suppress(TypeError, ValueError, RecursionError):
                return json.dumps(dict(body)).encode()
        # It is not raised above, because the context of an error may contain the body.
        raise ConfigurationError("body must be a JSON object, or its bytes")

    def _delivered(self, hook: EmulatedHook, event: bytes, attempts: int) -> Delivery:
        began = time.monotonic()
        steps: list[DeliveryStep] = []
        failed, answer = True, b""
        for attempt in range(attempts):
            deadline = time.monotonic() + TIMEOUT
            authorization, failed = self._authorization(hook, deadline, steps)
            if failed:
                break
            step, again, answer = self._call(hook, event, authorization, deadline)
            steps.append(step)
            if not again or attempt:
                break
        spent = (time.monotonic() - began) * 1000
        if failed or not steps[-1].ok:
            verdict = f"{CONSEQUENCES[hook.type]}: {steps[-1].problem}"
            return Delivery(hook.id, hook.type, tuple(steps), "failed", verdict, milliseconds=spent)
        return judged(hook, tuple(steps), event, answer, spent)

    def _authorization(
        self, hook: EmulatedHook, deadline: float, steps: list[DeliveryStep]
    ) -> tuple[dict[str, str], bool]:
        """Return the authentication headers, and whether the token request failed."""
        if hook.channel_type == "HTTP":
            return dict([hook.auth_header] if hook.auth_header else []), False
        client = _client(hook)
        known, token, until = self._tokens.get(hook.id, (None, "", 0.0))
        if known != client or until <= self._clock():
            step, issued = self._token(hook, deadline)
            steps.append(step)
            if issued is None:
                return {}, True
            token, until = issued
            self._tokens[hook.id] = client, token, until
        return {"Authorization": f"Bearer {token}"}, False

    def _token(
        self, hook: EmulatedHook, deadline: float
    ) -> tuple[DeliveryStep, tuple[str, float] | None]:
        """Request a token. The form is that of Okta's servers; for hooks it is inferred."""
        form = {"grant_type": "client_credentials"} | ({"scope": hook.scope} if hook.scope else {})
        facts: dict[str, Any] = {}
        if hook.auth_type == "private_key_jwt":
            try:
                signer = self._signer(hook.hook_key_id or "")
            except OktaError:
                gone = "the hook key is gone"
                return DeliveryStep("token", f"POST {hook.token_url}", problem=gone), None
            form["client_assertion_type"] = ASSERTION_TYPE
            form["client_assertion"] = signer.client_assertion(
                client_id=hook.client_id, token_url=hook.token_url, lifetime=ASSERTION_LIFETIME
            )
            sent = {"client_assertion": f"signed with kid {signer.kid}"}
            facts["token"] = form["client_assertion"]
        else:
            form |= {"client_id": hook.client_id, "client_secret": hook.client_secret}
            sent = {"client_id": hook.client_id, "client_secret": "(hidden)"}
        answer = exchange(hook.token_url, deadline, data=form, headers=dict(hook.headers))
        request = f"POST {hook.token_url}"
        facts |= {"milliseconds": answer.milliseconds, "status": answer.status}
        if answer.problem or answer.status != 200:
            secret = form.get("client_assertion") or form["client_secret"]
            told = refusal_text(answer.body, ("error", "error_description"), [secret])
            problem = answer.problem or f"the token URL answers {answer.status}{told}"
            return DeliveryStep("token", request, sent, problem=problem, **facts), None
        token, lifetime, problem = _issued(answer.body)
        if problem:
            return DeliveryStep("token", request, sent, problem=problem, **facts), None
        return DeliveryStep("token", request, sent, **facts), (
            token,
            self._clock() + lifetime - RENEW,
        )

    def _call(
        self,
        hook: EmulatedHook,
        event: bytes,
        authorization: Mapping[str, str],
        deadline: float,
    ) -> tuple[DeliveryStep, bool, bytes]:
        """Post the event. Return the step, whether Okta would retry, and the response body."""
        headers = {
            **dict(hook.headers),
            "Accept": "application/json",
            "Content-Type": "application/json",
            **authorization,
        }
        answer = exchange(hook.uri, deadline, data=event, headers=headers)
        hidden = event_secrets(event)
        status = answer.status
        problem, again = answer.problem, bool(answer.problem) and status is None
        if status is not None and not problem:
            if 300 <= status < 400:
                problem = f"the hook answers {status}, and redirects are not followed"
            elif status not in (200, 204):
                told = refusal_text(
                    answer.body, ("reason", "detail"), authorization.values(), hidden
                )
                problem, again = f"the hook answers {status}{told}", status >= 500
        sent = {name: _hidden(value) for name, value in authorization.items()}
        token = authorization["Authorization"][7:] if hook.channel_type == "OAUTH" else ""
        secrets = (*((token,) if token else authorization.values()), *hidden)
        shown = without(answer.body.decode("utf-8", "replace"), secrets)[:2_000]
        step = DeliveryStep(
            "hook",
            f"POST {hook.uri}",
            sent,
            status,
            problem,
            shown,
            answer.milliseconds,
            token=token,
            secrets=secrets,
        )
        return step, again, answer.body


def _client(hook: EmulatedHook) -> tuple[str | None, ...]:
    """Return the cache key of a token, which changes with the hook's credentials."""
    secret = hook.hook_key_id or hook.client_secret
    return hook.token_url, hook.auth_type, hook.client_id, secret, hook.scope


def _issued(body: bytes) -> tuple[str, float, str]:
    """Return token, lifetime in seconds and problem. Okta requires expires_in (OKTA-702184)."""
    document = json_object(body)
    if document is None:
        return "", 0, "the token URL does not answer with a JSON object"
    token, lifetime = document.get("access_token"), document.get("expires_in")
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        return "", 0, "the token URL answers without access_token"
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float):
        lifetime = 0
    if not 0 < lifetime <= MAX_LIFETIME:
        return "", 0, "the token URL answers without expires_in"
    return token, lifetime, ""


def _hidden(value: str) -> str:
    """Describe a credential by its length and, if it is a known one, its scheme."""
    scheme, _, rest = value.partition(" ")
    if scheme in ("Basic", "Bearer"):
        return f"{scheme} ({len(rest)} characters)"
    return f"({len(value)} characters)"

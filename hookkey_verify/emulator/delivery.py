"""How Okta calls an inline hook, and what it makes of the answer.

https://developer.okta.com/docs/concepts/inline-hooks/: three seconds for token and call together,
redirects are not followed, at most one more attempt after a time-out or a 5xx, and none at all for
token and telephony hooks. What is not documented is marked GUESS.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal
from urllib.parse import unquote_plus

import requests
from urllib3.exceptions import DecodeError, HTTPError

from ..clock import Clock, wall_clock
from ..signer import HookSigner
from .inline_hooks import InlineHook
from .json_object import json_object
from .okta_error import OktaError
from .payloads import payload

__all__ = ["Deliverer", "Delivery", "Step"]

TIMEOUT: Final = 3.0
"""Seconds for the token and the call together."""
MAX_ANSWER: Final = 256 * 1024
"""Bytes of an answer."""
ASSERTION_LIFETIME: Final = 300  # GUESS: not documented; an Okta server accepts up to 3600
MAX_LIFETIME: Final = 10 * 365 * 86_400
MAX_TEXT: Final = 150
"""Characters of what an answer says."""
RENEW: Final = 30
"""Seconds before its end at which a token is renewed. GUESS: that Okta keeps tokens is inferred."""
_ONCE: Final = ("com.okta.oauth2.tokens.transform", "com.okta.telephony.provider")
"""Hooks that are never tried a second time."""

CONSEQUENCES: Final[Mapping[str, str]] = {
    "com.okta.oauth2.tokens.transform": "the token is issued without the hook's changes",
    "com.okta.saml.tokens.transform": "the assertion is sent without the hook's changes",
    "com.okta.user.pre-registration": "the registration is denied",
    "com.okta.import.transform": "the user is created without the hook's changes",
    "com.okta.user.credential.password.import": "the password counts as wrong: sign-in fails",
    "com.okta.telephony.provider": "Okta's own provider sends the message",
}
"""What happens to the user when a hook fails."""

COMMANDS: Final[Mapping[str, frozenset[str]]] = {
    "com.okta.oauth2.tokens.transform": frozenset(
        {"com.okta.identity.patch", "com.okta.access.patch"}
    ),
    "com.okta.saml.tokens.transform": frozenset({"com.okta.assertion.patch"}),
    "com.okta.user.pre-registration": frozenset(
        {
            "com.okta.action.update",
            "com.action.update",  # sic, in three of Okta's own examples
            "com.okta.user.profile.update",
            "com.okta.user.progressive.profile.update",
        }
    ),
    "com.okta.import.transform": frozenset(
        {
            "com.okta.action.update",
            "com.okta.appUser.profile.update",
            "com.okta.user.profile.update",
            "com.okta.user.update",
        }
    ),
    "com.okta.user.credential.password.import": frozenset({"com.okta.action.update"}),
    "com.okta.telephony.provider": frozenset({"com.okta.telephony.action"}),
}
"""The commands that a hook of each type may answer with."""

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_PUBLIC_VALUES: Final = ("client_credentials", ASSERTION_TYPE)
"""Of a token request."""

Outcome = Literal["commands", "no change", "error", "failed"]


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a delivery. Secrets and tokens are not in it, only their kind and length."""

    name: str
    """"token" or "hook"."""
    request: str
    sent: Mapping[str, str] = field(default_factory=dict)
    """What the request said of its caller."""
    status: int | None = None
    """None: no answer."""
    problem: str = ""
    body: str = ""
    """The hook's answer, cut."""
    milliseconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Tell whether this step did what it should."""
        return not self.problem


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one event."""

    hook_id: str
    type: str
    steps: tuple[Step, ...]
    outcome: Outcome
    verdict: str
    """In words: what Okta would do to the user's flow."""
    commands: tuple[Mapping[str, Any], ...] = ()
    answer: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the hook answered, if that was JSON."""
    milliseconds: float = 0.0
    at: float = 0.0
    """When it began, in epoch seconds."""

    @property
    def ok(self) -> bool:
        """Tell whether the hook was reached and answered as Okta wants it."""
        return self.outcome in ("commands", "no change")

    def document(self) -> dict[str, Any]:
        """Return the delivery as JSON values."""
        return {**asdict(self), "ok": self.ok}


class Deliverer:
    """Calls the hooks of one org as Okta does. Thread-safe; tokens are kept until they are due."""

    def __init__(
        self,
        signer: Callable[[str], HookSigner],
        *,
        clock: Clock = wall_clock,
        timeout: float = TIMEOUT,
        on_delivery: Callable[[Delivery], object] = lambda _: None,
    ) -> None:
        """``signer`` returns what signs with the hook key of an ``id`` (``HKY…``).

        ``clock`` returns epoch seconds, ``timeout`` is in seconds; ``on_delivery`` is told of each.
        """
        self._signer = signer
        self._clock = clock
        self._timeout = timeout
        self._on_delivery = on_delivery
        self._tokens: dict[str, tuple[tuple[str | None, ...], str, float]] = {}

    def fire(self, hook: InlineHook, body: Mapping[str, Any] | None = None) -> Delivery:
        """Deliver one event; ``body`` None makes a realistic one of the hook's type."""
        at = self._clock()
        delivery = replace(self._delivered(hook, body), at=at)
        self._on_delivery(delivery)
        return delivery

    def _delivered(self, hook: InlineHook, body: Mapping[str, Any] | None) -> Delivery:
        document = payload(hook.type, source=hook.id, now=self._clock()) if body is None else body
        began = time.monotonic()
        steps: list[Step] = []
        failed, answer = True, b""
        for attempt in range(1 if hook.type in _ONCE else 2):
            deadline = time.monotonic() + self._timeout
            authorization, failed = self._authorization(hook, deadline, steps)
            if failed:
                break
            step, again, answer = self._call(hook, document, authorization, deadline)
            steps.append(step)
            if not again or attempt:
                break
        spent = (time.monotonic() - began) * 1000
        if failed or not steps[-1].ok:
            verdict = f"{CONSEQUENCES[hook.type]}: {steps[-1].problem}"
            return Delivery(hook.id, hook.type, tuple(steps), "failed", verdict, milliseconds=spent)
        return _judged(hook, tuple(steps), answer, spent)

    def _authorization(
        self, hook: InlineHook, deadline: float, steps: list[Step]
    ) -> tuple[dict[str, str], bool]:
        """The headers that authenticate the call, and whether they could not be had."""
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

    def _token(self, hook: InlineHook, deadline: float) -> tuple[Step, tuple[str, float] | None]:
        """Ask the token URL. The form is what an Okta server wants; for hooks it is inferred."""
        form = {"grant_type": "client_credentials"} | ({"scope": hook.scope} if hook.scope else {})
        if hook.auth_type == "private_key_jwt":
            try:
                signer = self._signer(hook.hook_key_id or "")
            except OktaError:
                gone = "the hook key is gone"
                return Step("token", f"POST {hook.token_url}", problem=gone), None
            form["client_assertion_type"] = ASSERTION_TYPE
            form["client_assertion"] = signer.client_assertion(
                client_id=hook.client_id, token_url=hook.token_url, lifetime=ASSERTION_LIFETIME
            )
            sent = {"client_assertion": f"signed with kid {signer.kid}"}
        else:
            form |= {"client_id": hook.client_id, "client_secret": hook.client_secret}
            sent = {"client_id": hook.client_id, "client_secret": "(hidden)"}
        answer = _exchange(hook.token_url, deadline, data=form, headers=dict(hook.headers))
        request = f"POST {hook.token_url}"
        facts: dict[str, Any] = {"milliseconds": answer.milliseconds, "status": answer.status}
        if answer.problem or answer.status != 200:
            told = _refusal_text(answer.body, ("error", "error_description"), form.values())
            problem = answer.problem or f"the token URL answers {answer.status}{told}"
            return Step("token", request, sent, problem=problem, **facts), None
        token, lifetime, problem = _issued(answer.body)
        if problem:
            return Step("token", request, sent, problem=problem, **facts), None
        return Step("token", request, sent, **facts), (token, self._clock() + lifetime - RENEW)

    def _call(
        self,
        hook: InlineHook,
        document: Mapping[str, Any],
        authorization: Mapping[str, str],
        deadline: float,
    ) -> tuple[Step, bool, bytes]:
        """Post the event; also whether Okta would try again, and the answer's body."""
        headers = {
            **dict(hook.headers),
            "Accept": "application/json",
            "Content-Type": "application/json",
            **authorization,
        }
        octets = json.dumps(document).encode()
        answer = _exchange(hook.uri, deadline, data=octets, headers=headers)
        status = answer.status
        problem, again = answer.problem, bool(answer.problem) and status is None
        if status is not None and not problem:
            if 300 <= status < 400:
                problem = f"the hook answers {status}, and redirects are not followed"
            elif status not in (200, 204):
                told = _refusal_text(answer.body, ("reason", "detail"), authorization.values())
                problem, again = f"the hook answers {status}{told}", status >= 500
        sent = {name: _hidden(value) for name, value in authorization.items()}
        shown = answer.body[:2_000].decode("utf-8", "replace")
        step = Step("hook", f"POST {hook.uri}", sent, status, problem, shown, answer.milliseconds)
        return step, again, answer.body


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int | None
    body: bytes
    problem: str
    milliseconds: float


def _exchange(url: str, deadline: float, *, data: Any, headers: Mapping[str, str]) -> _Answer:
    """Post, and give up at the deadline, whatever the pace of the answer."""
    began = time.monotonic()
    result: list[_Answer] = []

    def work() -> None:
        status, body, problem = _posted(url, data, headers, deadline - time.monotonic())
        result.append(_Answer(status, body, problem, (time.monotonic() - began) * 1000))

    # A thread that is left behind when the answer drips; requests has no total time-out.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    if result:
        return result[0]
    spent = (time.monotonic() - began) * 1000
    return _Answer(None, b"", f"no answer within {TIMEOUT:.0f} seconds, token included", spent)


def _posted(
    url: str, data: Any, headers: Mapping[str, str], left: float
) -> tuple[int | None, bytes, str]:
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                url,
                data=data,
                headers=dict(headers),
                allow_redirects=False,
                stream=True,
                timeout=max(left, 0.001),
            )
            with answer:
                try:
                    body = answer.raw.read(MAX_ANSWER + 1, decode_content=True) or b""
                except DecodeError:
                    return answer.status_code, b"", "the answer is not encoded as it says"
        if len(body) > MAX_ANSWER:
            return answer.status_code, b"", f"the answer is larger than {MAX_ANSWER} bytes"
        return answer.status_code, body, ""
    except requests.Timeout:
        return None, b"", f"no answer within {TIMEOUT:.0f} seconds, token included"
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        return None, b"", f"no connection, or it was lost ({type(error).__name__})"


def _client(hook: InlineHook) -> tuple[str | None, ...]:
    """Whom a token was issued to, and by whom: after a change it is another's."""
    secret = hook.hook_key_id or hook.client_secret
    return hook.token_url, hook.auth_type, hook.client_id, secret, hook.scope


def _refusal_text(octets: bytes, names: Collection[str], sent: Iterable[str]) -> str:
    """Return the reason that a refusal states, in members of RFC 6749 or RFC 9457, cut.

    A member that repeats a piece of what was ``sent``, which holds credentials, is left out.
    """
    document = json_object(octets) or {}
    values = [document.get(name) for name in names]
    told = [
        value[:MAX_TEXT]
        for value in values
        if isinstance(value, str) and value.isprintable() and not _repeats(value, sent)
    ]
    return f" ({': '.join(told)})" if told else ""


def _repeats(text: str, sent: Iterable[str]) -> bool:
    """Tell whether a text has eight characters in a row of a credential, escaped or not."""
    plain = text + unquote_plus(text)
    secrets = (each for each in sent if each not in _PUBLIC_VALUES)
    return any(
        secret[start : start + 8] in plain
        for secret in secrets
        for start in range(max(1, len(secret) - 7))
    )


def _issued(octets: bytes) -> tuple[str, float, str]:
    """Token, lifetime in seconds and problem. Without expires_in Okta fails (OKTA-702184)."""
    document = json_object(octets)
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
    """How a credential is shown: its length, and its scheme; other first words are its own."""
    scheme, _, rest = value.partition(" ")
    if scheme in ("Basic", "Bearer"):
        return f"{scheme} ({len(rest)} characters)"
    return f"({len(value)} characters)"


def _judged(hook: InlineHook, steps: tuple[Step, ...], octets: bytes, spent: float) -> Delivery:
    """What Okta makes of a 200 or a 204."""
    document = json_object(octets)

    def judged(outcome: Outcome, verdict: str, *commands: Mapping[str, Any]) -> Delivery:
        answer = document or {}
        return Delivery(hook.id, hook.type, steps, outcome, verdict, commands, answer, spent)

    if steps[-1].status == 204 or not octets.strip():
        return judged("no change", "the hook changes nothing")

    def failed(problem: str) -> Delivery:
        delivery = judged("failed", f"{CONSEQUENCES[hook.type]}: {problem}")
        return replace(delivery, steps=(*steps[:-1], replace(steps[-1], problem=problem)))

    if document is None:
        return failed("the answer is not a JSON object")
    if document.get("error"):
        error = document["error"]
        summary = error.get("errorSummary") if isinstance(error, dict) else None
        words = str(summary or "no summary")[:MAX_TEXT]
        return judged("error", f"the flow ends with the hook's error: {words}")
    commands = document.get("commands", [])
    if not isinstance(commands, list) or not all(isinstance(each, dict) for each in commands):
        return failed("commands is not a list of objects")
    known = COMMANDS[hook.type]
    types = [each.get("type") for each in commands]
    strange = [each for each in types if not isinstance(each, str) or each not in known]
    if strange:
        # GUESS: what Okta does with a command of another hook is not documented.
        return failed(f"{str(strange[0])[:MAX_TEXT]!r} is not a command of this hook")
    if not commands:
        return judged("no change", "the hook changes nothing")
    names = ", ".join(str(each["type"]) for each in commands)
    return judged("commands", f"the hook's commands are carried out: {names}", *commands)

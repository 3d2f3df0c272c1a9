"""Every reason has a counter label, a test that produces it, and an entry in docs/runbook.md.

Real parts produce them: the emulator or a faulty server over HTTP, tokens that are signed with real
keys, Valkey.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import click
import pytest
import trio
import yaml
from prometheus_client import CollectorRegistry

from hookkey_verify import (
    CachePolicy,
    HookKeys,
    HookSigner,
    HookVerifier,
    IssuerKeys,
    errors,
    token_endpoint,
)
from hookkey_verify._metrics import API_REASONS, counter_of
from hookkey_verify.cli.commands import hookkey
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import HookKeyApiError, HookKeyError, HookVerificationError, Reason
from hookkey_verify.events import Event, EventName
from hookkey_verify.guard import Guard, HttpAnswer
from hookkey_verify.health import STATUSES, Part
from hookkey_verify.hooks import Hooks, SamlReply, TokenHook
from hookkey_verify.okta import ApiToken, HookKeysClient, InlineHooksClient
from hookkey_verify.prometheus import Metrics
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.shared_secret import BasicCredentials, HeaderSecret
from hookkey_verify.testing import bad_access_tokens, bad_tokens
from hookkey_verify.valkey import ValkeyReplayStore
from hookkey_verify.verifier import KeySource, ReplayStore

from .commands import check_command
from .conftest import CLIENT_ID, TOKEN_URL
from .faults import FaultServer, json_answer
from .monitoring.prometheus_server import needs_prometheus, promtool
from .monitoring.queries import METRICS, alerts, groupings, metric_of, selectors
from .servers import free_port
from .valkeys import valkey_server

DOCS = Path(__file__).parent.parent / "docs"
RUNBOOK = (DOCS / "runbook.md").read_text()
AUDIENCE = "api://hooks"


@dataclass(frozen=True, slots=True)
class Scene:
    """A local org with one hook key, and what a case creates. All events reach ``metrics``."""

    okta: OktaEmulator
    signer: HookSigner
    stranger: HookSigner
    metrics: Metrics
    stack: ExitStack = field(default_factory=ExitStack)

    def hook_keys(self, url: str = "", token: str = "", **arguments: Any) -> HookKeys:
        return self.stack.enter_context(
            HookKeys(
                url or self.okta.url,
                ApiToken(token or self.okta.api_token),
                on_event=self.metrics,
                **arguments,
            )
        )

    def verifier(
        self, keys: KeySource | None = None, replay: ReplayStore | None = None
    ) -> HookVerifier:
        return HookVerifier.for_client_assertion(
            keys or self.hook_keys(),
            client_id=CLIENT_ID,
            token_url=TOKEN_URL,
            replay=replay,
            on_event=self.metrics,
        )

    def assertion(self, signer: HookSigner | None = None) -> str:
        return (signer or self.signer).client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)

    def sent(self, *tokens: str, by: HookVerifier | None = None) -> HttpAnswer:
        """Return the answer to a request that has an Authorization header for each token."""
        headers = [("Authorization", f"Bearer {token}") for token in tokens]
        answer = Guard(by or self.verifier()).check(headers)
        assert isinstance(answer, HttpAnswer)
        return answer

    def handled(self, body: bytes, reply: Any) -> HttpAnswer:
        """Return the answer to a verified request whose handler returns this."""
        hooks = Hooks(self.verifier(), on_event=self.metrics)
        hooks.on(TokenHook)(lambda hook: reply)
        return hooks.respond("POST", {"Authorization": f"Bearer {self.assertion()}"}, body)

    def client(self, url: str = "", token: str = "") -> HookKeysClient:
        return self.stack.enter_context(
            HookKeysClient(
                url or self.okta.url,
                ApiToken(token or self.okta.api_token),
                max_wait=0,
                on_event=self.metrics,
            )
        )


# --- refused requests


def _a_bad_token(reason: Reason) -> Callable[[Scene], HttpAnswer]:
    """Return a case that sends a client assertion with one defect."""

    def sent(scene: Scene) -> HttpAnswer:
        zoo = bad_tokens(scene.signer, client_id=CLIENT_ID, token_url=TOKEN_URL)
        return scene.sent(next(bad.token for bad in zoo if bad.reason is reason))

    return sent


def _a_bad_access_token(reason: Reason) -> Callable[[Scene], HttpAnswer]:
    """Return a case that sends an access token with one defect."""

    def sent(scene: Scene) -> HttpAnswer:
        zoo = bad_access_tokens(
            scene.signer,
            issuer=scene.okta.issuer,
            audience=AUDIENCE,
            client_id=CLIENT_ID,
            scopes=["hooks"],
        )
        jwks = {"keys": [scene.signer.public_jwk()]}
        with FaultServer(json_answer(200, jwks)) as server:
            keys = IssuerKeys(scene.okta.issuer, jwks_url=f"{server.url}/keys")
            verifier = HookVerifier.for_access_token(
                scene.stack.enter_context(keys),
                audience=AUDIENCE,
                client_id=CLIENT_ID,
                scopes=["hooks"],
                on_event=scene.metrics,
            )
            token = next(bad.token for bad in zoo if bad.reason is reason)
            return scene.sent(token, by=verifier)

    return sent


def _no_token(scene: Scene) -> HttpAnswer:
    return scene.sent()


def _two_tokens(scene: Scene) -> HttpAnswer:
    return scene.sent(scene.assertion(), scene.assertion())


def _a_deleted_key(scene: Scene) -> HttpAnswer:
    key = scene.okta.create_key("old")
    signer = scene.okta.signer(key["keyId"])
    scene.okta.delete_key(key["id"])
    return scene.sent(scene.assertion(signer))


def _used_before(scene: Scene) -> HttpAnswer:
    replay = MemoryReplayStore(single_process=True, on_event=scene.metrics)
    verifier, assertion = scene.verifier(replay=replay), scene.assertion()
    verifier.verify(assertion)
    return scene.sent(assertion, by=verifier)


def _a_wrong_secret(scene: Scene) -> HttpAnswer:
    verifier = HeaderSecret("the-configured-secret", on_event=scene.metrics)
    answer = Guard(verifier).check({"Authorization": "another-secret"})
    assert isinstance(answer, HttpAnswer)
    return answer


def _an_org_that_cannot_be_reached(scene: Scene) -> HttpAnswer:
    keys = scene.hook_keys(f"http://127.0.0.1:{free_port()}")
    return scene.sent(scene.assertion(), by=scene.verifier(keys))


def _the_rate_limit_is_used_up(scene: Scene) -> HttpAnswer:
    scene.okta.fail(429)
    return scene.sent(scene.assertion())


def _made_up_kids(scene: Scene) -> HttpAnswer:
    keys = scene.hook_keys(policy=CachePolicy(first_seen_burst=1, first_seen_interval=3600))
    verifier = scene.verifier(keys)
    scene.sent(scene.assertion(HookSigner.generate("made-up")), by=verifier)
    return scene.sent(scene.assertion(), by=verifier)


def _a_revoked_api_token(scene: Scene) -> HttpAnswer:
    return scene.sent(scene.assertion(), by=scene.verifier(scene.hook_keys(token="00revoked")))


def _a_private_key(scene: Scene) -> HttpAnswer:
    document = {**scene.signer.public_jwk(), "d": "AQAB"}
    with FaultServer(json_answer(200, document)) as server:
        return scene.sent(scene.assertion(), by=scene.verifier(scene.hook_keys(server.url)))


def _other_material_under_the_kid(scene: Scene) -> HttpAnswer:
    kid, ago = scene.signer.kid, 1000.0
    old, new = scene.signer.public_jwk(), {**scene.stranger.public_jwk(), "kid": kid}
    with FaultServer(json_answer(200, old), json_answer(200, new)) as server:
        keys = scene.hook_keys(
            server.url, policy=CachePolicy(fresh_for=100), clock=lambda: time.monotonic() - ago
        )
        keys.warm_up(kid)
        ago = 0
        return scene.sent(scene.assertion(), by=scene.verifier(keys))


def _claimed_at(scene: Scene, url: str) -> HttpAnswer:
    replay = ValkeyReplayStore(url, on_event=scene.metrics)
    scene.stack.callback(replay.close)
    return scene.sent(scene.assertion(), by=scene.verifier(replay=replay))


def _no_replay_store(scene: Scene) -> HttpAnswer:
    return _claimed_at(scene, f"valkey://127.0.0.1:{free_port()}")


def _a_replay_store_with_a_password(scene: Scene) -> HttpAnswer:
    with valkey_server(requirepass="not-in-the-url") as server:
        return _claimed_at(scene, server.url)


class _OwnError(HookVerificationError):
    """An error of a user that sets no reason."""


class _OwnKeys:
    """A key source of a user."""

    def get(self, kid: str, **_: Any) -> Any:
        raise _OwnError

    async def aget(self, kid: str, **_: Any) -> Any:
        raise _OwnError

    def close(self) -> None:
        """Do nothing."""


def _an_error_without_a_reason(scene: Scene) -> HttpAnswer:
    return scene.sent(scene.assertion(), by=scene.verifier(_OwnKeys()))


def _another_event_loop(scene: Scene) -> HttpAnswer:
    headers = {"Authorization": f"Bearer {scene.assertion()}"}
    answer = trio.run(Guard(scene.verifier()).acheck, headers)
    assert isinstance(answer, HttpAnswer)
    return answer


REFUSALS: dict[Reason, Callable[[Scene], HttpAnswer]] = {
    Reason.MISSING_TOKEN: _no_token,
    Reason.MALFORMED_TOKEN: _a_bad_token(Reason.MALFORMED_TOKEN),
    Reason.MULTIPLE_TOKENS: _two_tokens,
    Reason.TOKEN_TOO_LARGE: _a_bad_token(Reason.TOKEN_TOO_LARGE),
    Reason.UNSUPPORTED_HEADER: _a_bad_token(Reason.UNSUPPORTED_HEADER),
    Reason.TOKEN_TYPE_NOT_ALLOWED: _a_bad_token(Reason.TOKEN_TYPE_NOT_ALLOWED),
    Reason.ALGORITHM_NOT_ALLOWED: _a_bad_token(Reason.ALGORITHM_NOT_ALLOWED),
    Reason.UNKNOWN_KEY: _a_deleted_key,
    Reason.INVALID_SIGNATURE: _a_bad_token(Reason.INVALID_SIGNATURE),
    Reason.MISSING_CLAIM: _a_bad_token(Reason.MISSING_CLAIM),
    Reason.INVALID_CLAIM: _a_bad_token(Reason.INVALID_CLAIM),
    Reason.WRONG_ISSUER: _a_bad_token(Reason.WRONG_ISSUER),
    Reason.WRONG_AUDIENCE: _a_bad_token(Reason.WRONG_AUDIENCE),
    Reason.WRONG_SUBJECT: _a_bad_token(Reason.WRONG_SUBJECT),
    Reason.WRONG_CLIENT: _a_bad_access_token(Reason.WRONG_CLIENT),
    Reason.LIFETIME_TOO_LONG: _a_bad_token(Reason.LIFETIME_TOO_LONG),
    Reason.ISSUED_IN_FUTURE: _a_bad_token(Reason.ISSUED_IN_FUTURE),
    Reason.NOT_YET_VALID: _a_bad_token(Reason.NOT_YET_VALID),
    Reason.EXPIRED: _a_bad_token(Reason.EXPIRED),
    Reason.REPLAYED: _used_before,
    Reason.WRONG_CREDENTIALS: _a_wrong_secret,
    Reason.INSUFFICIENT_SCOPE: _a_bad_access_token(Reason.INSUFFICIENT_SCOPE),
    Reason.KEY_UNAVAILABLE: _an_org_that_cannot_be_reached,
    Reason.KEY_SOURCE_THROTTLED: _the_rate_limit_is_used_up,
    Reason.KEY_LOOKUP_LIMITED: _made_up_kids,
    Reason.KEY_SOURCE_MISCONFIGURED: _a_revoked_api_token,
    Reason.KEY_REJECTED: _a_private_key,
    Reason.KEY_CHANGED: _other_material_under_the_kid,
    Reason.REPLAY_STORE_UNAVAILABLE: _no_replay_store,
    Reason.REPLAY_STORE_MISCONFIGURED: _a_replay_store_with_a_password,
    Reason.UNSPECIFIED: _an_error_without_a_reason,
    Reason.CONFIGURATION: _another_event_loop,
}


# --- failed calls of the management API


def _an_unexpected_status(scene: Scene) -> None:
    scene.okta.fail(405)
    scene.client().list()


def _a_wrong_api_token(scene: Scene) -> None:
    scene.client(token="00wrong").list()


def _a_missing_permission(scene: Scene) -> None:
    scene.okta.fail(403)
    scene.client().list()


def _no_such_key(scene: Scene) -> None:
    scene.client().get("HKYdoesnotexist")


def _a_name_that_is_taken(scene: Scene) -> None:
    scene.okta.create_key("taken")
    scene.client().create("taken")


def _deletion_of_a_used_key(scene: Scene) -> None:
    key = scene.okta.create_key("used")
    scene.okta.create_hook("https://hooks.acme.com/hook", key=key)
    scene.client().delete(key["id"])


def _one_key_too_many(scene: Scene) -> None:
    for number in range(49):  # and the key of the scene
        scene.okta.create_key(f"key {number}")
    scene.client().create("one more")


def _a_rotation_that_cannot_go_on(scene: Scene) -> None:
    scene.okta.org.set_used(scene.okta.create_key("rotated")["id"])
    hooks = InlineHooksClient(scene.okta.url, ApiToken(scene.okta.api_token))
    rotation = scene.client().rotation("rotated", scene.stack.enter_context(hooks), patience=0)
    rotation.run()


def _too_many_calls(scene: Scene) -> None:
    scene.okta.fail(429)
    scene.client().list()


def _no_connection(scene: Scene) -> None:
    scene.client(f"http://127.0.0.1:{free_port()}").list()


API_FAILURES: dict[Reason, Callable[[Scene], None]] = {
    Reason.API_ERROR: _an_unexpected_status,
    Reason.API_AUTHENTICATION_FAILED: _a_wrong_api_token,
    Reason.API_FORBIDDEN: _a_missing_permission,
    Reason.API_NOT_FOUND: _no_such_key,
    Reason.API_VALIDATION_FAILED: _a_name_that_is_taken,
    Reason.API_KEY_IN_USE: _deletion_of_a_used_key,
    Reason.API_KEY_LIMIT: _one_key_too_many,
    Reason.API_ROTATION_STOPPED: _a_rotation_that_cannot_go_on,
    Reason.API_RATE_LIMITED: _too_many_calls,
    Reason.API_UNREACHABLE: _no_connection,
}
OF_THE_API = [reason for reason in Reason if reason.value in API_REASONS]


# --- verified requests that cannot be handled


def _a_body_that_is_not_json(scene: Scene) -> HttpAnswer:
    return scene.handled(b"{", None)


def _another_reply(scene: Scene) -> HttpAnswer:
    return scene.handled(b'{"eventType": "com.okta.oauth2.tokens.transform"}', SamlReply())


OF_HOOKS: dict[Reason, Callable[[Scene], HttpAnswer]] = {
    Reason.INVALID_PAYLOAD: _a_body_that_is_not_json,
    Reason.INVALID_REPLY: _another_reply,
}
OF_VERIFIERS = [reason for reason in Reason if reason not in {*OF_THE_API, *OF_HOOKS}]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def scene(okta: OktaEmulator, stranger: HookSigner, registry: CollectorRegistry) -> Iterator[Scene]:
    signer = okta.signer(okta.create_key("hooks")["keyId"])
    made = Scene(okta, signer, stranger, Metrics(registry))
    with made.stack:
        yield made


def _counted(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """Return the sum of the samples with this name and these labels."""
    samples = (sample for metric in registry.collect() for sample in metric.samples)
    return sum(
        each.value
        for each in samples
        if each.name == name and labels.items() <= each.labels.items()
    )


@pytest.mark.parametrize("reason", OF_VERIFIERS)
def test_a_refused_request(scene: Scene, registry: CollectorRegistry, reason: Reason) -> None:
    """The counter of verifications counts the request under the reason of the response."""
    answer = REFUSALS[reason](scene)
    document = json.loads(answer.body)
    assert document["reason"] == reason
    assert answer.status == document["status"]
    name = "hookkey_verifications_total"
    assert _counted(registry, name, reason=reason.value) == 1
    assert _counted(registry, name, reason=reason.value, outcome="refused") == 1


@pytest.mark.parametrize("reason", OF_HOOKS)
def test_a_request_that_cannot_be_handled(
    scene: Scene, registry: CollectorRegistry, reason: Reason
) -> None:
    """The counter of handled requests counts a verified request, with the reason as outcome."""
    answer = OF_HOOKS[reason](scene)
    document = json.loads(answer.body)
    assert (document["reason"], document["status"]) == (reason, answer.status)
    assert _counted(registry, "hookkey_handled_total") == 1
    assert _counted(registry, "hookkey_handled_total", outcome=reason.value) == 1
    assert _counted(registry, "hookkey_verifications_total", outcome="refused") == 0


@pytest.mark.parametrize("reason", OF_THE_API)
def test_a_failed_call_of_the_api(
    scene: Scene, registry: CollectorRegistry, reason: Reason
) -> None:
    """The counter of API errors is 0 before the first failure, and counts one under its reason."""
    name = "hookkey_api_errors_total"
    assert registry.get_sample_value(name, {"reason": reason.value}) == 0
    with pytest.raises(HookKeyApiError) as caught:
        API_FAILURES[reason](scene)
    assert caught.value.reason is reason
    assert registry.get_sample_value(name, {"reason": reason.value}) == 1
    assert _counted(registry, name) == 1


# --- the runbook


def runbook_queries() -> list[str]:
    """Return all queries of the runbook."""
    return _blocks("promql")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", RUNBOOK, re.MULTILINE | re.DOTALL)


def _is_counted_as_event(name: EventName) -> bool:
    counter = counter_of(Event(name, source="", reason=""))
    return counter is not None and counter.prometheus == "events"


SEVERITIES = {alert.name: alert.labels["severity"] for alert in alerts()}
ENTRIES: dict[str, str] = dict(
    re.findall(r"^### (\S+)\n\n(.*?)(?=^##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
)
COMMANDS = [line for block in _blocks("sh") for line in block.splitlines()]
STATUS_CODES = {
    kind.__dict__["reason"]: kind.status_code
    for kind in map(errors.__dict__.get, errors.__all__)
    if isinstance(kind, type) and issubclass(kind, HookKeyError) and "reason" in vars(kind)
}
VALUES: dict[str, Collection[str]] = {
    "reason": {str(reason) for reason in Reason},
    "outcome": {
        *re.findall(r"\w+", EventName.__doc__ or ""),
        *re.findall(r'"([a-z_]+)"', Path(token_endpoint.__file__).read_text()),
        *map(str, Reason),
    },
    "event": {name.value for name in EventName if _is_counted_as_event(name)},
    "part": get_args(Part),
    "status": STATUSES,
    "source": {HeaderSecret.__name__, BasicCredentials.__name__},
}
"""The values that a query may select."""


def test_the_runbook_has_an_entry_for_each_alert_and_reason() -> None:
    """The alerts have an entry each, in the order of alerts.yml; then each reason has one."""
    headings = re.findall(r"^### (.*)$", RUNBOOK, re.MULTILINE)
    assert [*ENTRIES] == headings
    assert headings[: len(SEVERITIES)] == [*SEVERITIES]
    assert sorted(headings[len(SEVERITIES) :]) == sorted(Reason)


@pytest.mark.parametrize("name", [*SEVERITIES, *map(str, Reason)])
def test_an_entry(name: str) -> None:
    """An entry has a query that confirms it, then says what to do, in at most 20 lines of text."""
    meaning, query, action = ENTRIES[name].partition("```promql\n")
    assert meaning
    assert query
    assert action.partition("```\n")[2].strip()
    text = re.sub(r"^```\w*\n", "", ENTRIES[name], flags=re.MULTILINE)
    assert len([line for line in text.splitlines() if line]) <= 20


@pytest.mark.parametrize("alert", SEVERITIES)
def test_the_severity_of_an_alert(alert: str) -> None:
    """The entry of an alert begins with the severity that alerts.yml gives it."""
    assert ENTRIES[alert].startswith(f"**{SEVERITIES[alert].capitalize()}.** ")


@pytest.mark.parametrize("reason", [*OF_VERIFIERS, *OF_HOOKS])
def test_the_response_of_a_reason(reason: Reason) -> None:
    """The entry of a reason begins with the status, and says that Okta retries only after 5xx."""
    status = STATUS_CODES[reason]
    what_okta_does = "final" if status < 500 else "retried once"
    assert ENTRIES[reason].startswith(f"**{status}, {what_okta_does}")


@pytest.mark.parametrize("query", runbook_queries())
def test_a_query_selects_what_exists(query: str) -> None:
    """A query names only metrics, labels and values that ``Metrics`` exports."""
    of_prometheus = {"instance", "job"}
    exported = set(of_prometheus)
    assert [*selectors(query)]
    for metric, matchers in selectors(query):
        name, labels = metric_of(metric)
        assert name in METRICS
        exported |= labels
        for label, operator, value in matchers:
            assert label in labels | of_prometheus
            values = value.split("|") if operator in ("=~", "!~") else [value]
            for each in values:
                assert any(re.fullmatch(each, known) for known in VALUES[label]), each
    assert groupings(query) <= exported


@needs_prometheus
def test_promtool_accepts_the_queries(tmp_path: Path) -> None:
    """All queries of the runbook are valid PromQL."""
    rules = [
        {"record": f"query_{number}", "expr": query}
        for number, query in enumerate(runbook_queries())
    ]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "runbook", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", str(file))


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_exists(line: str) -> None:
    """Each shell command is a ``hookkey`` command with its arguments, and its options exist."""
    check_command(line)


def test_commands_in_the_text_exist() -> None:
    """Each command that the text of the runbook names exists."""
    named = re.findall(r"`hookkey ([a-z]+)(?: ([a-z]+))?`", RUNBOOK)
    assert named
    for name, sub in named:
        command = hookkey.commands[name]
        assert not sub or (isinstance(command, click.Group) and sub in command.commands)


@pytest.mark.parametrize("target", sorted({*re.findall(r"\]\(([^)]+)\)", RUNBOOK)}))
def test_a_link(target: str) -> None:
    """A link leads to a heading of the runbook, to a guide, or to a heading of a guide."""
    file, _, anchor = target.partition("#")
    if file.startswith("https://"):
        return
    text = (DOCS / file).read_text() if file else RUNBOOK
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
    assert not anchor or anchors.count(anchor) == 1


def test_texts_of_logs_that_the_runbook_quotes() -> None:
    """Texts that the runbook tells readers to look for in the logs are those of the package."""
    package = "\n".join(path.read_text() for path in Path(errors.__file__).parent.rglob("*.py"))
    quoted = re.findall(r"`((?:the|this|too|a|an|check|headers) [a-z_ ]+)`", RUNBOOK)
    assert len(quoted) >= 8
    assert [text for text in quoted if text not in package] == []

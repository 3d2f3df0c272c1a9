"""Outcomes: how the emulator treats each kind of reply, by the type of hook."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.emulator.verdict import Delivery
from hookkey_verify.hooks import ReplyProblem, TokenReply, check_reply, parse_hook
from hookkey_verify.hooks.rules import EVENT_TYPES

from ..faults import FaultServer, answer

TOKENS, SAML, REGISTRATION, IMPORT, PASSWORD, TELEPHONY = EVENT_TYPES
ACTION = "com.okta.action.update"
GOOD: dict[str, Any] = {
    TOKENS: [
        {
            "type": "com.okta.access.patch",
            "value": [{"op": "add", "path": "/claims/team", "value": "blue"}],
        }
    ],
    SAML: [
        {
            "type": "com.okta.assertion.patch",
            "value": [{"op": "replace", "path": "/subject/nameId", "value": "mia"}],
        }
    ],
    REGISTRATION: [{"type": ACTION, "value": {"registration": "ALLOW"}}],
    IMPORT: [{"type": ACTION, "value": {"result": "CREATE_USER"}}],
    PASSWORD: [{"type": ACTION, "value": {"credential": "VERIFIED"}}],
    TELEPHONY: [{"type": "com.okta.telephony.action", "value": [{"status": "SUCCESSFUL"}]}],
}
UNFIT: dict[str, Any] = {
    TOKENS: {
        "type": "com.okta.access.patch",
        "value": [{"op": "replace", "path": "/claims/missing", "value": 1}],
    },
    SAML: {"type": "com.okta.assertion.patch", "value": [{"op": "remove", "path": "/claims/x"}]},
    REGISTRATION: {"type": ACTION, "value": {"registration": "deny"}},
    IMPORT: {"type": ACTION, "value": {"result": "LINK_USER"}},
    PASSWORD: {"type": ACTION, "value": {"credential": "verified"}},
    TELEPHONY: {"type": "com.okta.telephony.action", "value": {"status": "SUCCESSFUL"}},
}


def fired(
    okta: OktaEmulator,
    kind: str,
    reply: Any,
    *,
    status: int = 200,
    event: Any = None,
    variant: str | None = None,
) -> Delivery:
    """Let the org call a hook that answers with this reply, and return the delivery."""
    body = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    with FaultServer(answer(status, body)) as handler:
        hook = okta.create_hook(handler.url, kind, name=f"hook {len(okta.hooks.list())}")
        return okta.fire(hook["id"], event, variant=variant)


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_good_commands(okta: OktaEmulator, kind: str) -> None:
    """A valid reply ends in "commands" and has no problems."""
    delivery = fired(okta, kind, {"commands": GOOD[kind]})
    assert (delivery.outcome, delivery.problems, delivery.ok) == ("commands", (), True)
    assert delivery.commands == tuple(GOOD[kind])
    assert delivery.steps[-1].ok


@pytest.mark.parametrize(
    ("kind", "effect"),
    [
        (TOKENS, "the token is issued without the hook's changes"),
        (SAML, "the assertion is sent without the hook's changes"),
        (REGISTRATION, "the registration is denied"),
        (IMPORT, "the user is created without the hook's changes"),
        (PASSWORD, "sign-in fails"),
        (TELEPHONY, "Okta's own provider sends the message"),
    ],
)
def test_an_unfit_command_drops_the_whole_reply(okta: OktaEmulator, kind: str, effect: str) -> None:
    """One unfit command prevents the others, and the verdict names its JSON Pointer."""
    delivery = fired(okta, kind, {"commands": [*GOOD[kind], UNFIT[kind]]})
    assert (delivery.outcome, delivery.commands) == ("failed", ())
    assert effect in delivery.verdict
    [problem] = [each for each in delivery.problems if each.severity == "error"]
    assert problem.path.startswith("/commands")
    assert f"{problem.path}: {problem.message}" in delivery.verdict
    assert delivery.steps[-1].problem in delivery.verdict


@pytest.mark.parametrize(
    ("kind", "effect"),
    [
        (TOKENS, "no token is issued"),
        (SAML, "the sign-in is denied"),
        (REGISTRATION, "the registration is denied"),
        (IMPORT, "the failure is logged"),
        (PASSWORD, "sign-in fails"),
        (TELEPHONY, "Okta's own provider sends the message"),
    ],
)
def test_an_error_wins(okta: OktaEmulator, kind: str, effect: str) -> None:
    """A reply with an error ends in "error", whatever commands it has."""
    for commands in (None, GOOD[kind], [UNFIT[kind]]):
        reply = {"error": {"errorSummary": "Not today."}, "commands": commands}
        delivery = fired(okta, kind, reply)
        assert (delivery.outcome, delivery.commands, delivery.ok) == ("error", (), False)
        assert effect in delivery.verdict
        assert delivery.verdict.endswith("Not today.")


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_an_empty_error(okta: OktaEmulator, kind: str) -> None:
    """An empty error is an error, with a warning at its path; null is none."""
    delivery = fired(okta, kind, {"commands": GOOD[kind], "error": {}})
    assert delivery.outcome == "error"
    assert "/error" in [each.path for each in delivery.problems]
    assert fired(okta, kind, {"commands": GOOD[kind], "error": None}).outcome == "commands"


def test_an_empty_error_denies_a_registration(okta: OktaEmulator) -> None:
    """The verdict and the warning about ``error: {}`` say that the registration is denied."""
    delivery = fired(okta, REGISTRATION, {"error": {}})
    assert (delivery.outcome, "the registration is denied" in delivery.verdict) == ("error", True)
    [problem] = delivery.problems
    assert (problem.path, problem.severity) == ("/error", "warning")


@pytest.mark.parametrize(
    ("reply", "path"),
    [
        ({"error": "no"}, "/error"),
        ({"error": [{}]}, "/error"),
        ({"error": {"errorSummary": 5}}, "/error/errorSummary"),
        ({"error": {"errorCauses": {}}}, "/error/errorCauses"),
        ({"error": {}, "debugContext": []}, "/debugContext"),
    ],
)
def test_an_error_of_another_form(okta: OktaEmulator, reply: Any, path: str) -> None:
    """A reply that Okta cannot read has no effect, even if it has an error."""
    delivery = fired(okta, TOKENS, reply)
    assert delivery.outcome == "failed"
    assert path in [each.path for each in delivery.problems if each.severity == "error"]


@pytest.mark.parametrize("kind", [TOKENS, SAML, REGISTRATION, IMPORT, PASSWORD])
@pytest.mark.parametrize(
    ("status", "body"),
    [(204, b""), (200, b""), (200, b"{}"), (200, b'{"commands": null, "error": null}')],
)
def test_no_change(okta: OktaEmulator, kind: str, status: int, body: bytes) -> None:
    """A reply without commands changes nothing, and the verdict says what Okta does then."""
    delivery = fired(okta, kind, body, status=status)
    assert (delivery.outcome, delivery.problems, delivery.ok) == ("no change", (), True)
    assert ("sign-in fails" in delivery.verdict) is (kind == PASSWORD)
    assert ("the registration is allowed" in delivery.verdict) is (kind == REGISTRATION)


@pytest.mark.parametrize(
    ("status", "body"), [(204, b""), (200, b""), (200, b"{}"), (200, b'{"commands": []}')]
)
def test_telephony_needs_a_status(okta: OktaEmulator, status: int, body: bytes) -> None:
    """A telephony hook that reports no status fails, because Okta sends the message itself."""
    delivery = fired(okta, TELEPHONY, body, status=status)
    assert (delivery.outcome, delivery.ok) == ("failed", False)
    assert delivery.verdict.startswith("Okta's own provider sends the message")
    severity = "warning" if body else "error"
    assert [each.severity for each in delivery.problems] == [severity]


def test_rules_that_depend_on_the_event(okta: OktaEmulator) -> None:
    """The reply is checked against the event that was sent, also if it was sent as bytes."""
    reply = TokenReply().id_claim("team", "blue").to_dict()
    assert fired(okta, TOKENS, reply).outcome == "commands"
    delivery = fired(okta, TOKENS, reply, variant="client-credentials", event=None)
    assert [each.rule for each in delivery.problems] == ["no_id_token"]
    assert delivery.outcome == "failed"
    assert fired(okta, TOKENS, reply, event=delivery.body).problems == delivery.problems
    # Without an event that can be read, these rules are not checked.
    assert fired(okta, TOKENS, reply, event=b"no JSON").outcome == "commands"


def test_problems_in_the_document(okta: OktaEmulator) -> None:
    """The document lists problems with path, rule, message, severity and source, as JSON."""
    delivery = fired(okta, TOKENS, {"commands": [*GOOD[TOKENS], UNFIT[TOKENS]], "later": 1})
    document = json.loads(json.dumps(delivery.document()))
    assert document["problems"] == [each._asdict() for each in delivery.problems]
    assert [each["path"] for each in document["problems"]] == [
        "/later",
        "/commands/1/value/0/path",
    ]
    assert set(document["problems"][0]) == {"path", "rule", "message", "severity", "source"}
    request = parse_hook(delivery.body)
    expected = check_reply(TOKENS, delivery.steps[-1].body, request)
    assert delivery.problems == tuple(expected)
    assert all(isinstance(each, ReplyProblem) for each in delivery.problems)


def test_many_problems(okta: OktaEmulator) -> None:
    """A delivery lists 100 problems at most, and the verdict counts all errors."""
    delivery = fired(okta, TOKENS, {"commands": [1] * 1000})
    assert len(delivery.problems) == 100
    assert delivery.verdict.endswith("/commands/0: A command must be an object. (and 999 more)")


def test_a_reply_that_cannot_be_displayed(okta: OktaEmulator) -> None:
    """Deep levels, lone surrogates and infinities are replaced, and the outcome is the same."""
    good = TokenReply().access_claim("a", _nested(90)).to_json()
    for body in (good, good.replace(b"90", b'"\\ud800"'), good.replace(b"90", b"1e999")):
        delivery = fired(okta, TOKENS, body)
        assert (delivery.outcome, delivery.problems) == ("commands", ())
        assert "\\u2026" in json.dumps(delivery.document(), allow_nan=False)
    delivery = fired(okta, TOKENS, b'{"debugContext": {"\\udfff": [1e999, "\\ud800"]}}')
    assert delivery.answer == {"debugContext": {"?": ["inf", "?"]}}


def test_a_request_that_cannot_be_displayed(okta: OktaEmulator) -> None:
    """The rules that depend on the request apply to every request that can be read."""
    event = {"eventType": TOKENS, "data": {"access": {"claims": {"x": _nested(90)}}}}
    for body in (json.dumps(event), json.dumps(event).replace("90", '"\\ud800"')):
        delivery = fired(okta, TOKENS, {"commands": [UNFIT[TOKENS]]}, event=body.encode())
        assert (delivery.outcome, delivery.problems[0].rule) == ("failed", "missing_target")
        assert okta.log.query({}).events[-1]["outcome"]["reason"].startswith("Path not found")


def _nested(depth: int) -> Any:
    value: Any = depth
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(("size", "outcome"), [(262_143, "no change"), (262_144, "failed")])
def test_the_limit_of_a_reply(okta: OktaEmulator, size: int, outcome: str) -> None:
    """A reply must be smaller than 256 KB."""
    body = b'{"debugContext": {"a": "' + b"x" * (size - 27) + b'"}}'
    assert len(body) == size
    assert fired(okta, TOKENS, body).outcome == outcome


def test_the_misspelled_command(okta: OktaEmulator) -> None:
    """The spelling of three of Okta's examples is carried out, with a warning."""
    commands = [{"type": "com.action.update", "value": {"registration": "DENY"}}]
    delivery = fired(okta, REGISTRATION, {"commands": commands})
    assert delivery.outcome == "commands"
    assert [each.severity for each in delivery.problems] == ["warning"]


def test_a_delivery_hides_the_event(okta: OktaEmulator) -> None:
    """Neither repr nor document contains the password or the code of the event."""
    for kind, secret in ((PASSWORD, "Invented-Pa55word"), (TELEPHONY, "011111")):
        delivery = fired(okta, kind, {"commands": GOOD[kind]})
        assert secret.encode() in delivery.body
        assert secret not in repr(delivery) + json.dumps(delivery.document())

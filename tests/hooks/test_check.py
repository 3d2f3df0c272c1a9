"""check_reply: what it reports, and what it does not."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from hookkey_verify.errors import ConfigurationError
from hookkey_verify.hooks import rules
from hookkey_verify.hooks.check import check_reply
from hookkey_verify.hooks.payloads import TokenHook, parse_hook
from hookkey_verify.hooks.replies import TokenReply

from .reply_examples import VALID
from .reply_mutants import MUTANTS, Mutant
from .reply_parts import REQUESTS, TOKEN_REQUEST, commands, patch
from .schemas import SCHEMAS

NOT_IN_THE_SCHEMA = {"link_without_user", "size"}


@pytest.mark.parametrize("name", VALID)
def test_a_valid_reply_has_no_problem(name: str) -> None:
    """No valid reply of the reference causes a problem, in any form and with its request."""
    built, document, request = VALID[name]
    event_type = request.get("eventType", rules.TOKEN)
    for form in (document, json.dumps(document), json.dumps(document).encode(), built):
        assert check_reply(event_type, form, request) == []
        assert check_reply(event_type, form) == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.rule} {m.path}"[:60])
def test_a_faulty_reply_is_reported(mutant: Mutant) -> None:
    """A faulty reply has one problem, with the right path, rule and severity, and a source."""
    before = deepcopy(mutant.request)
    problems = check_reply(mutant.event_type, mutant.reply, mutant.request)
    assert [(p.path, p.rule, p.severity) for p in problems] == [
        (mutant.path, mutant.rule, mutant.severity)
    ]
    assert problems[0].source.startswith("https://")
    assert problems[0].message.endswith(".")
    assert mutant.request == before


def test_there_are_enough_faulty_replies() -> None:
    """At least 60 faulty replies cover every rule that check_reply reports."""
    assert len(MUTANTS) >= 60
    built_only = {"reply_type"}
    assert {mutant.rule for mutant in MUTANTS} == set(rules.SOURCES) - built_only


def test_every_reserved_claim_is_reported() -> None:
    """The ID token has 55 reserved claims, and the access token 10 and 9 doubtful ones."""
    assert len(rules.RESERVED_ID_CLAIMS) == 55
    assert len(rules.RESERVED_ACCESS_CLAIMS) == 10
    assert len(rules.SOMETIMES_RESERVED_ACCESS_CLAIMS) == 9
    for claim in rules.RESERVED_ID_CLAIMS:
        (problem,) = check_reply(TokenHook, patch("identity", "add", f"/claims/{claim}", "x"))
        assert (problem.rule, problem.severity) == ("reserved_claim", "error")


def test_the_limit_of_256_kb_is_exact() -> None:
    """A reply of 256 KB is too large, and one byte less is not."""
    frame = len(b'{"debugContext":{"a":""}}')
    body = {"debugContext": {"a": "x" * (256 * 1024 - 1 - frame)}}
    encoded = json.dumps(body, separators=(",", ":"))
    assert check_reply(rules.TOKEN, body) == check_reply(rules.TOKEN, encoded) == []
    body["debugContext"]["a"] += "x"
    assert [p.rule for p in check_reply(rules.TOKEN, body)] == ["size"]
    assert [p.rule for p in check_reply(rules.TOKEN, encoded + " ")] == ["size"]
    assert [p.rule for p in check_reply(rules.TOKEN, b"x" * 300_000)] == ["not_json", "size"]


def test_operations_are_applied_in_order() -> None:
    """A later operation may use what an earlier one added, and not what one removed."""
    added = [
        {"op": "add", "path": "/claims/new", "value": {}},
        {"op": "add", "path": "/claims/new/a", "value": [1]},
    ]
    more = [
        {"op": "replace", "path": "/claims/new/a/0", "value": 2},
        {"op": "remove", "path": "/claims/new/a/0"},
        {"op": "remove", "path": "/claims/new/a"},
    ]
    reply = commands(("access.patch", added), ("access.patch", more))
    assert check_reply(TokenHook, reply, TOKEN_REQUEST) == []
    reply = commands(("access.patch", added), ("access.patch", [more[2], more[2]]))
    (problem,) = check_reply(TokenHook, reply, TOKEN_REQUEST)
    assert (problem.path, problem.rule) == ("/commands/1/value/1/path", "missing_target")


def test_several_problems_are_all_reported() -> None:
    """Each problem of a reply is reported, in the order of the reply."""
    reply = commands(
        ("access.patch", [{"op": "add", "path": "/claims/iss"}, {"op": "x", "path": "y"}])
    )
    assert [p.path for p in check_reply(TokenHook, reply)] == [
        "/commands/0/value/0/value",
        "/commands/0/value/0/path",
        "/commands/0/value/1/op",
        "/commands/0/value/1/path",
    ]


@pytest.mark.parametrize("event_type", [*REQUESTS, "com.okta.other"])
def test_no_content_is_reported_only_where_it_is_not_documented(event_type: str) -> None:
    """A response without a body is documented for all hooks but telephony."""
    found = [p.rule for p in check_reply(event_type, None)]
    assert found == (["no_content"] if event_type == rules.TELEPHONY else [])


def test_null_counts_as_absent() -> None:
    """Okta shows members without a value as null, so null is not a problem."""
    reply: dict[str, Any] = {"error": None, "commands": None, "debugContext": None}
    assert check_reply(rules.TOKEN, reply, TOKEN_REQUEST) == []
    value = [{"status": "PENDING", "provider": None}]
    assert check_reply(rules.TELEPHONY, commands(("telephony.action", value))) == []
    cause = {"errorSummary": "x", "errorCauses": [{"reason": None}, {"location": "elsewhere"}]}
    assert check_reply(rules.REGISTRATION, {"error": cause}, REQUESTS[rules.REGISTRATION]) == []


def test_a_request_that_cannot_be_read_skips_its_rules() -> None:
    """Requests without data or with claims of the wrong type cause no false alarm."""
    reply = patch("access", "add", "/claims/a", "b")
    assert check_reply(TokenHook, reply, {"data": None}) == []
    assert check_reply(TokenHook, reply, {"data": {"access": {"claims": None}}}) == []
    attribute = patch("assertion", "replace", "/subject/nameId", "x")
    assert check_reply(rules.SAML, attribute, {"data": {}}) == []
    null = patch("assertion", "add", "/authentication/sessionLifetime", None)
    assert [p.rule for p in check_reply(rules.SAML, null)] == ["null_value"]


def test_shapes_that_differ_from_the_common_ones_are_accepted() -> None:
    """SAML attributes need no types, and patches of other hooks may contain null and floats."""
    claim = {"attributeValues": [{"value": "x"}, {"value": "y", "attributes": None}]}
    assert check_reply(rules.SAML, patch("assertion", "add", "/claims/a", claim)) == []
    attributes = patch("assertion", "replace", "/claims/a/attributes", {"NameFormat": "urn:x"})
    assert check_reply(rules.SAML, attributes) == []
    removal = patch("access", "remove", "/claims/team", None)
    assert check_reply(TokenHook, removal, TOKEN_REQUEST) == []
    float_ = {"debugContext": {"a": 0.5, "b": [True, None]}}
    assert check_reply(TokenHook, float_) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/subject/confirmation", {"method": "urn:x", "data": {"recipient": "https://a.io"}}),
        ("/authentication/authnContext", {"authnContextClassRef": "urn:x"}),
        ("/conditions/audienceRestriction", []),
        ("/claims/a/attributeValues", []),
        ("/claims/a/attributes", {}),
        ("/claims/a/unknown", 5),
        ("/subject/unknown", 5),
    ],
)
def test_values_that_fit_an_assertion(path: str, value: object) -> None:
    """Objects and arrays in their places, and members that Okta does not document, are accepted."""
    assert check_reply(rules.SAML, patch("assertion", "replace", path, value)) == []


def test_an_unknown_type_of_hook_is_checked_for_the_common_rules() -> None:
    """The commands of an unknown type are not judged."""
    assert check_reply("com.okta.new", commands(("new.command", 1))) == []
    assert [p.rule for p in check_reply("com.okta.new", {"commands": 1})] == ["commands"]


def test_the_request_may_be_a_hook() -> None:
    """A parsed request and a payload class are accepted."""
    hook = parse_hook(TOKEN_REQUEST)
    reply = patch("access", "remove", "/claims/absent")
    assert [p.rule for p in check_reply(type(hook), reply, hook)] == ["missing_target"]


def test_a_reply_that_contains_itself_is_not_json() -> None:
    """A cycle ends in a problem, not in a RecursionError."""
    cycle: dict[str, Any] = {}
    cycle["debugContext"] = cycle
    assert [p.rule for p in check_reply(TokenHook, cycle)] == ["not_json"]


class _Raising(list[int]):
    """An object whose elements and JSON cannot be read."""

    def __iter__(self) -> Any:
        raise RuntimeError

    def to_dict(self) -> Any:
        raise RuntimeError


class _NoMethod:
    to_dict = 5


@pytest.mark.parametrize("reply", [_Raising, _Raising(), _NoMethod(), TokenReply, object()])
def test_an_object_that_cannot_be_read_is_not_json(reply: Any) -> None:
    """An exception of an object of the user is a problem of the reply, also inside of it."""
    for form in (reply, {"commands": reply}, {"debugContext": {"a": [reply]}}):
        assert [p.rule for p in check_reply(TokenHook, form)] == ["not_json"]


@pytest.mark.parametrize("hook_type", [None, 1, object, dict])
def test_a_wrong_hook_type_is_refused(hook_type: Any) -> None:
    """A hook_type that is neither text nor a payload class is a ConfigurationError."""
    with pytest.raises(ConfigurationError, match="hook_type"):
        check_reply(hook_type, {})


def test_a_wrong_request_is_refused() -> None:
    """A request that is not an object is a ConfigurationError."""
    with pytest.raises(ConfigurationError, match="request"):
        check_reply(TokenHook, {}, [])  # type: ignore[arg-type]


_JSON = st.sampled_from([None, True, 0, 300, 299, 86401, 1.5, "", "x", [], ["x"], {}, {"a": "b"}])
_NAMES = """
/claims/a /claims/iss /claims/iss/x /claims/sub /claims/groups /claims/a/attributes /claims
/claims/ /claims/a~1b /claims/a~2 /claims/a~ /claims/jti~1 claims/a x /scopes/x
/token/lifetime/expiration /token /tokens/x /lifetime/expiration /lifetimes /subject/nameId
/subject /authentication/sessionLifetime /conditions/audienceRestriction
"""
_PATHS = st.sampled_from(["", *_NAMES.split()])
_CLAIM_VALUES = st.lists(
    st.fixed_dictionaries(
        {}, optional={"value": _JSON, "attributes": _JSON | st.just({"xsi:type": 1})}
    ),
    max_size=2,
)
_CLAIM = st.fixed_dictionaries(
    {},
    optional={
        "attributes": _JSON | st.just({"NameFormat": 1}),
        "attributeValues": _CLAIM_VALUES | _JSON,
    },
)
_OPERATION = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from(["add", "replace", "remove", "test", None]),
        "path": _PATHS | _JSON,
        "value": _JSON | _CLAIM,
    },
)
_ACTION_VALUE = st.dictionaries(
    st.sampled_from(
        ["registration", "result", "credential", "id", "status", "password", "provider"]
    ),
    st.sampled_from(
        ["ALLOW", "DENY", "CREATE_USER", "VERIFIED", "LINK_USER", "SUCCESSFUL", "", None, 1]
    ),
    max_size=3,
)
_VALUE = _JSON | _ACTION_VALUE | st.lists(_OPERATION | _ACTION_VALUE, max_size=2)
_ERROR = _JSON | st.fixed_dictionaries(
    {},
    optional={
        "errorSummary": _JSON,
        "errorCauses": _JSON
        | st.lists(st.dictionaries(st.sampled_from(["reason", "x"]), _JSON), max_size=2),
    },
)


_GOOD_OPERATION = st.builds(
    lambda op, path, value: {"op": op, "path": path, "value": None if op == "remove" else value},
    st.sampled_from(["add", "replace", "remove"]),
    st.sampled_from(["/claims/a", "/claims/a~1b/0", "/claims/sub", "/subject/nameId"]),
    st.sampled_from(["x", 1, ["x"], {"attributeValues": [{"value": "x"}]}]),
)
_GOOD_OPERATIONS = st.lists(_GOOD_OPERATION, min_size=1, max_size=2)
_GOOD_VALUES: dict[str, st.SearchStrategy[Any]] = {
    rules.ACCESS_PATCH: _GOOD_OPERATIONS,
    rules.IDENTITY_PATCH: _GOOD_OPERATIONS,
    rules.ASSERTION_PATCH: _GOOD_OPERATIONS,
    rules.ACTION_UPDATE: st.sampled_from(
        [{"registration": "DENY"}, {"result": "CREATE_USER"}, {"credential": "VERIFIED"}]
    ),
    rules.USER_UPDATE: st.just({"id": "00u7"}),
    rules.TELEPHONY_ACTION: st.just([{"status": "PENDING", "provider": None}]),
}


def _replies(event_type: str) -> st.SearchStrategy[Any]:
    """Return replies of which many are valid and many are nearly valid."""
    good = st.sampled_from(rules.COMMANDS[event_type]).flatmap(
        lambda type_: st.fixed_dictionaries(
            {"type": st.just(type_), "value": _GOOD_VALUES.get(type_, _ACTION_VALUE)}
        )
    )
    types = st.sampled_from([*rules.COMMANDS[event_type], "com.action.update"])
    command = st.fixed_dictionaries({"type": types}, optional={"value": _VALUE}) | _JSON
    nearly = st.fixed_dictionaries({"commands": st.lists(good, min_size=1, max_size=2)})
    reply = st.fixed_dictionaries(
        {},
        optional={
            "commands": st.lists(command, max_size=2) | _JSON,
            "error": _ERROR,
            "debugContext": _JSON,
        },
    )
    return nearly | reply | _JSON


@given(data=st.sampled_from(list(SCHEMAS)).flatmap(lambda t: st.tuples(st.just(t), _replies(t))))
@settings(max_examples=500, deadline=None)
def test_check_reply_agrees_with_the_schemas(data: tuple[str, Any]) -> None:
    """A generated reply has an error exactly if it does not match the JSON Schema."""
    event_type, reply = data
    if reply is None:
        return
    problems = check_reply(event_type, reply if isinstance(reply, dict) else json.dumps(reply))
    errors = [p for p in problems if p.severity == "error" and p.rule not in NOT_IN_THE_SCHEMA]
    assert Draft202012Validator(SCHEMAS[event_type]).is_valid(reply) == (not errors), errors
    assert check_reply(event_type, reply, REQUESTS[event_type]) is not None


@pytest.mark.parametrize("name", VALID)
def test_the_valid_replies_match_the_schemas(name: str) -> None:
    """The schemas accept every valid reply of the reference."""
    _, document, request = VALID[name]
    assert Draft202012Validator(SCHEMAS[request.get("eventType", rules.TOKEN)]).is_valid(document)

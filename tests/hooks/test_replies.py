"""The builders: what they produce, and what they refuse."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookkey_verify.errors import HookKeyError, InvalidReplyError
from hookkey_verify.hooks import rules
from hookkey_verify.hooks.check import check_reply
from hookkey_verify.hooks.payloads import Hook, RegistrationHook, SamlHook, TokenHook, parse_hook
from hookkey_verify.hooks.pointer import MISSING, join, lookup, patched, split
from hookkey_verify.hooks.replies import (
    ImportReply,
    PasswordImportReply,
    RegistrationReply,
    Reply,
    SamlReply,
    TelephonyReply,
    TokenReply,
)

from .reply_examples import VALID
from .reply_parts import ACCESS_ONLY, ID_ONLY, PROGRESSIVE, TOKEN_REQUEST, commands

SECRET = "do-not-show"


def _hook(request: dict[str, Any], event_type: str = rules.TOKEN) -> Hook:
    return parse_hook({"eventType": event_type, **request})


@pytest.mark.parametrize("name", VALID)
def test_every_valid_reply_can_be_built(name: str) -> None:
    """The builders produce every valid reply of the reference, with its commands in order."""
    built, document, request = VALID[name]
    assert built.to_dict() == document
    assert json.loads(built.to_json()) == document
    assert built.checked_for(_hook(request, built.EVENT_TYPE)) is built


def _deep(levels: int) -> Any:
    return [] if levels == 0 else [_deep(levels - 1)]


VALUE = "/commands/0/value"
FIRST = "/commands/0/value/0"
PROFILE = RegistrationReply().allow()
Build = Callable[[], object]
REFUSED: list[tuple[Build, str, str]] = [
    (lambda: TokenReply().access_claim("iss", SECRET), "reserved_claim", f"{FIRST}/path"),
    (lambda: TokenReply().id_claim("sub", SECRET), "reserved_claim", f"{FIRST}/path"),
    (lambda: TokenReply().remove_id_claim(("groups", 0)), "reserved_claim", f"{FIRST}/path"),
    (lambda: TokenReply().id_claim("a", 1).access_claim("b", 1).id_claim("sub", 1),
     "reserved_claim", "/commands/0/value/1/path"),
    (lambda: TokenReply().id_claim("a", 1).access_claim("exp", 1), "reserved_claim",
     "/commands/1/value/0/path"),
    (lambda: TokenReply().access_claim((), 1), "token_path", f"{FIRST}/path"),
    (lambda: TokenReply().access_claim(("a", -1), 1), "token_path", f"{FIRST}/path"),
    (lambda: TokenReply().access_claim(("a", True), 1), "token_path", f"{FIRST}/path"),
    (lambda: TokenReply().access_claim(("a", 10**5000), 1), "token_path", f"{FIRST}/path"),
    (lambda: TokenReply().access_claim(7, 1), "token_path", f"{FIRST}/path"),  # type: ignore[arg-type]
    (lambda: TokenReply().access_claim("\ud800", 1), "not_json", f"{FIRST}/path"),
    (lambda: TokenReply().access_claim("a", {SECRET}), "not_json", f"{FIRST}/value"),
    (lambda: TokenReply().access_claim("a", {SECRET: {1: 2}}), "not_json", f"{FIRST}/value"),
    (lambda: TokenReply().access_claim("a", {SECRET: b""}), "not_json", f"{FIRST}/value"),
    (lambda: TokenReply().access_claim("a", SECRET + "\udfff"), "not_json", f"{FIRST}/value"),
    (lambda: TokenReply().access_claim("a", float("nan")), "not_json", f"{FIRST}/value"),
    (lambda: TokenReply().access_claim("a", float("-inf")), "not_json", f"{FIRST}/value"),
    (lambda: TokenReply().access_claim("a", 10**5000), "not_json", f"{FIRST}/value"),
    (lambda: TokenReply().access_claim("a", _deep(101)), "not_json", f"{FIRST}/value"),
    *((lambda seconds=seconds: TokenReply().access_lifetime(seconds), "lifetime", f"{FIRST}/value")
      for seconds in (299, 86401, True, "900", 900.0, None)),
    (lambda: TokenReply().id_lifetime(0), "lifetime", f"{FIRST}/value"),
    (lambda: TokenReply().access_claim("a", "x" * 262144).to_json(), "size", ""),
    (lambda: TokenReply().error(""), "error_summary", "/error/errorSummary"),
    (lambda: TokenReply().error(1), "error_summary", "/error/errorSummary"),  # type: ignore[arg-type]
    (lambda: TokenReply().error("a", "text"), "error_causes", "/error/errorCauses"),
    (lambda: TokenReply().error("a", 1), "error_causes", "/error/errorCauses"),  # type: ignore[arg-type]
    (lambda: TokenReply().error("a", {"reason": "x"}), "error_causes", "/error/errorCauses"),
    (lambda: TokenReply().error("a", ["b", ""]), "error_cause",
     "/error/errorCauses/1/errorSummary"),
    (lambda: TokenReply().error("a", [1]), "error_cause", "/error/errorCauses/0"),  # type: ignore[list-item]
    (lambda: TokenReply().error("a", [{"x": "y"}]), "error_cause", "/error/errorCauses/0"),
    (lambda: TokenReply().error("a", [{"reason": 1}]), "error_cause",  # type: ignore[dict-item]
     "/error/errorCauses/0/reason"),
    (lambda: TokenReply().debug(a=object()), "not_json", "/debugContext/a"),
    (lambda: TokenReply().debug(**{"\ud800": 1}), "not_json", "/debugContext"),
    (lambda: SamlReply().attribute("", ["a"]), "saml_claim", f"{FIRST}/path"),
    (lambda: SamlReply().attribute("a", ["b", 1]), "saml_value",  # type: ignore[list-item]
     f"{FIRST}/value/attributeValues/1/value"),
    (lambda: SamlReply().attribute("a", 1), "saml_value", f"{FIRST}/value"),  # type: ignore[arg-type]
    (lambda: SamlReply().attribute("a", "b", name_format=""), "saml_claim",
     f"{FIRST}/value/attributes/NameFormat"),
    (lambda: SamlReply().attribute("a", "b", value_type=""), "saml_claim",
     f"{FIRST}/value/attributeValues"),
    (lambda: SamlReply().replace_attribute_value("", "b"), "saml_claim", f"{FIRST}/path"),
    (lambda: SamlReply().replace_attribute_value("a", 1), "saml_value", f"{FIRST}/value"),  # type: ignore[arg-type]
    (lambda: SamlReply().replace_attribute_value("a", "b", index=-1), "array_index",
     f"{FIRST}/path"),
    (lambda: SamlReply().replace_attribute_value("a", "b", index=True), "array_index",
     f"{FIRST}/path"),
    (lambda: SamlReply().replace_attribute_value("a", "b", index=10**5000), "array_index",
     f"{FIRST}/path"),
    (lambda: SamlReply().name_id(""), "saml_value", f"{FIRST}/value"),
    (lambda: SamlReply().audience(), "saml_value", f"{FIRST}/value"),
    (lambda: SamlReply().audience("a", ""), "saml_value", f"{FIRST}/value"),
    (lambda: SamlReply().session_lifetime("600"), "session_lifetime", f"{FIRST}/value"),  # type: ignore[arg-type]
    (lambda: SamlReply().name_id("a").session_lifetime(True), "session_lifetime",
     "/commands/0/value/1/value"),
    (lambda: RegistrationReply().profile(password=SECRET), "password_attribute",
     f"{VALUE}/password"),
    (lambda: PROFILE.profile(a=1).progressive_profile(password=SECRET), "password_attribute",
     "/commands/2/value/password"),
    (lambda: PROFILE.profile(b=1, a={SECRET}), "not_json", "/commands/1/value/a"),
    (lambda: RegistrationReply().deny(""), "error_summary", "/error/errorSummary"),
    (lambda: RegistrationReply().deny("a", field=""), "error_cause",
     "/error/errorCauses/0/location"),
    (lambda: RegistrationReply().deny("a", reason=""), "error_cause",
     "/error/errorCauses/0/reason"),
    (lambda: RegistrationReply().deny(None, reason="x"), "error_summary",  # type: ignore[arg-type]
     "/error/errorSummary"),
    (lambda: ImportReply().link_to(""), "user_id", "/commands/1/value/id"),
    (lambda: ImportReply().link_to(7), "user_id", "/commands/1/value/id"),  # type: ignore[arg-type]
    (lambda: ImportReply().user_profile(a={SECRET}), "not_json", f"{VALUE}/a"),
    (lambda: TelephonyReply().sent(provider=1), "telephony_text", f"{FIRST}/provider"),  # type: ignore[arg-type]
    (lambda: TelephonyReply().pending(transaction_id=""), "telephony_text",
     f"{FIRST}/transactionId"),
    (lambda: TelephonyReply().failed(transaction_metadata=[1]), "telephony_text",  # type: ignore[arg-type]
     f"{FIRST}/transactionMetadata"),
    (lambda: TelephonyReply().failed(transaction_metadata={"a": {SECRET}}), "not_json",
     f"{FIRST}/transactionMetadata"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "rule", "path"), REFUSED)
def test_a_reply_that_breaks_a_rule_cannot_be_built(build: Build, rule: str, path: str) -> None:
    """The error names the rule, the path and the fix, and contains no value."""
    with pytest.raises(InvalidReplyError) as caught:
        build()
    error = caught.value
    assert (error.rule, error.path) == (rule, path)
    assert error.rule in rules.SOURCES
    assert error.fix in str(error)
    assert SECRET not in f"{error} {error!r} {error.__cause__!r}"
    assert error.__context__ is None


MISMATCHED: list[tuple[Reply, dict[str, Any], str, str]] = [
    (TokenReply().id_claim("a", 1), ACCESS_ONLY, "no_id_token", "/commands/0/type"),
    (TokenReply().access_claim("a", 1), ID_ONLY, "no_access_token", "/commands/0/type"),
    (TokenReply().access_claim("a", 1).id_lifetime(300), ACCESS_ONLY, "no_id_token",
     "/commands/1/type"),
    (TokenReply().access_claim("a", SECRET, replace=True), ACCESS_ONLY, "missing_target",
     f"{FIRST}/path"),
    (TokenReply().access_claim("a", 1).remove_access_claim("b"), ACCESS_ONLY, "missing_target",
     "/commands/0/value/1/path"),
    (TokenReply().access_claim(("a", "b"), SECRET), ACCESS_ONLY, "missing_parent",
     f"{FIRST}/path"),
    (TokenReply().id_claim(("tags", 3), SECRET), ID_ONLY, "array_index", f"{FIRST}/path"),
    (TokenReply().remove_access_claim("team").remove_access_claim("team"), ACCESS_ONLY,
     "missing_target", "/commands/0/value/1/path"),
    (RegistrationReply().allow().profile(a=SECRET), PROGRESSIVE, "profile_in_progressive_profile",
     "/commands/1/type"),
    (RegistrationReply().profile(a=1), {"data": {"UserProfileUpdate": {}}},
     "profile_in_progressive_profile", "/commands/0/type"),
    (TelephonyReply().debug(a=1), {}, "telephony_action", ""),
    (ImportReply().user_profile(a="x" * 262144), {}, "size", ""),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "request_", "rule", "path"), MISMATCHED)
def test_a_reply_that_does_not_fit_its_request_is_refused(
    reply: Reply, request_: dict[str, Any], rule: str, path: str
) -> None:
    """checked_for refuses what check_reply reports for the same request."""
    with pytest.raises(InvalidReplyError) as caught:
        reply.checked_for(_hook(request_, reply.EVENT_TYPE))
    assert (caught.value.rule, caught.value.path) == (rule, path)
    assert SECRET not in str(caught.value)
    found = check_reply(reply.EVENT_TYPE, reply, request_)
    assert (path, rule) in [(p.path, p.rule) for p in found]


def test_a_reply_answers_only_its_own_type_of_hook() -> None:
    """A SAML reply cannot answer a token hook, and something else is not a hook."""
    with pytest.raises(InvalidReplyError, match="SamlReply answers only requests of"):
        SamlReply().checked_for(_hook(TOKEN_REQUEST))
    with pytest.raises(InvalidReplyError, match="reply_type"):
        TokenReply().checked_for({})  # type: ignore[arg-type]


def test_requests_without_usable_data_cause_no_refusal() -> None:
    """Rules about the request are skipped if it has no data or claims of the wrong type."""
    reply = TokenReply().access_claim("a", 1)
    assert reply.checked_for(_hook({"data": None})) is reply
    assert reply.checked_for(_hook({"data": {"access": {"claims": None}}})) is reply
    profile = RegistrationReply().profile(a=1)
    assert profile.checked_for(_hook({"data": 1}, rules.REGISTRATION)) is profile


def test_what_okta_does_not_document_is_allowed() -> None:
    """Builders accept what is undocumented; check_reply warns about it."""
    reply = TokenReply().access_claim("", None).access_claim("groups", True).access_claim("a", 1.5)
    assert {p.severity for p in check_reply(rules.TOKEN, reply)} == {"warning"}
    reply.checked_for(_hook(ACCESS_ONLY))


def test_a_reply_is_immutable() -> None:
    """Methods return new replies, and nothing that goes in or comes out is shared."""
    base = TokenReply().access_claim("a", 1)
    longer = base.access_claim("b", 2).debug(x=1).error("no")
    assert base.to_dict() == commands(
        ("access.patch", [{"op": "add", "path": "/claims/a", "value": 1}])
    )
    value = {"list": [1]}
    reply = TokenReply().access_claim("a", value)
    value["list"].append(2)
    reply.to_dict()["commands"][0]["value"][0]["value"]["list"].append(3)
    assert reply.to_dict()["commands"][0]["value"][0]["value"] == {"list": [1]}
    with pytest.raises(AttributeError, match="immutable"):
        longer.other = 1


def test_values_become_plain_json() -> None:
    """Tuples, read-only mappings and subclasses of text and numbers are accepted."""

    class Color(enum.StrEnum):
        BLUE = "blue"

    class Level(enum.IntEnum):
        ONE = 1

    class Weight(float):
        pass

    value = MappingProxyType({Color.BLUE: (Level.ONE, Weight(0.5), Color.BLUE, "ä", None, False)})
    operation = TokenReply().access_claim("a", value).to_dict()["commands"][0]["value"][0]
    assert operation["value"] == {"blue": [1, 0.5, "blue", "ä", None, False]}
    assert {type(each) for each in operation["value"]["blue"]} == {
        int, float, str, type(None), bool,
    }  # fmt: skip
    assert "ä".encode() in TokenReply().access_claim("a", value).to_json()


def test_a_denial_of_a_progressive_profile() -> None:
    """``field`` names an attribute of the profile that the request has."""
    registering = RegistrationHook({"data": {"userProfile": {}}})
    progressive = RegistrationHook({"data": {"userProfileUpdate": {}}})
    reply = RegistrationReply().deny("Use your work address.", field="email", reason="DOMAIN")
    for hook, where in (
        (registering, "data.userProfile.email"),
        (progressive, "data.userProfileUpdate.email"),
    ):
        checked = reply.checked_for(hook)
        [cause] = checked.to_dict()["error"]["errorCauses"]
        assert (cause["location"], cause["reason"]) == (where, "DOMAIN")
        assert check_reply(RegistrationHook, checked, hook) == []


def test_the_last_status_of_a_message_counts() -> None:
    """``sent`` and ``pending`` remove an earlier error, with which Okta would send a second one."""
    failed = TelephonyReply().error("no route")
    assert "error" not in failed.sent().to_dict()
    assert "error" not in failed.pending().to_dict()
    assert failed.failed().to_dict()["error"] == {"errorSummary": "no route"}


def test_a_hook_without_an_event_type() -> None:
    """The class of a hook that was made by hand is its type."""
    reply = TokenReply().access_claim("a", 1)
    assert reply.checked_for(TokenHook({"data": {"access": {}}})) is reply
    with pytest.raises(InvalidReplyError, match="reply_type"):
        reply.checked_for(SamlHook({"data": {}}))


def test_nothing_can_be_taken_from_a_reply() -> None:
    """Neither ``del`` nor a second ``__init__`` changes a reply."""
    reply = TokenReply().access_claim("a", 1)
    with pytest.raises(AttributeError, match="immutable"):
        del reply._commands
    reply.__init__()  # type: ignore[misc]
    assert reply == TokenReply().access_claim("a", 1)


def test_subclasses_cannot_hide_what_is_not_json() -> None:
    """What is encoded is checked, whatever a subclass of a number or of text says of itself."""

    class Number(float):
        def __sub__(self, other: object) -> float:
            return 0.0

    class Integer(int):
        def bit_length(self) -> int:
            return 1

    class Text(str):
        __slots__ = ()

        def isascii(self) -> bool:
            return True

    for value in (Number("nan"), Number("inf"), Integer(10**5000), Text("\ud800")):
        with pytest.raises(InvalidReplyError, match="not_json"):
            TokenReply().access_claim("a", value)


def test_replies_compare_by_type_and_content() -> None:
    """Replies with the same content are equal, and have the same hash."""
    one, two = TokenReply().access_claim("a", 1), TokenReply().access_claim("a", 1)
    assert one == two
    assert hash(one) == hash(two)
    assert one != TokenReply().access_claim("a", 2)
    assert TokenReply() != SamlReply()
    assert TokenReply() != {}


def test_a_repr_contains_no_values() -> None:
    """A repr has the types of the commands and whether there is an error."""
    reply = RegistrationReply().profile(city=SECRET).deny(SECRET)
    assert repr(reply) == (
        "<RegistrationReply: com.okta.action.update, com.okta.user.profile.update, error>"
    )
    assert repr(PasswordImportReply()) == "<PasswordImportReply: no change>"


def test_the_largest_reply_is_one_byte_below_256_kb() -> None:
    """to_json accepts 262143 bytes and refuses one more."""
    frame = len(TokenReply().debug(a="").debug(a="x").to_json()) - 1
    largest = TokenReply().debug(a="x" * (262143 - frame))
    assert len(largest.to_json()) == 262143
    with pytest.raises(InvalidReplyError, match="256 KB"):
        TokenReply().debug(a="x" * (262144 - frame)).to_json()


@given(st.lists(st.text()))
def test_a_pointer_has_the_names_that_it_was_made_of(names: list[str]) -> None:
    """Splitting a pointer is the inverse of joining names."""
    assert split(join(names)) == tuple(names)


def test_pointers_of_the_standard() -> None:
    """The examples of RFC 6901 section 5 lead to the documented values."""
    document = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8, " ": 7}
    values = {"/foo": ["bar", "baz"], "/foo/0": "bar", "/": 0, "/a~1b": 1, "/m~0n": 8, "/ ": 7}
    for pointer, value in [("", document), *values.items()]:
        assert lookup(document, split(pointer) or ()) == value
    for absent in ("/x", "/foo/2", "/foo/00", "/foo/-", "/a~1b/c"):
        assert lookup(document, split(absent) or ()) is MISSING
    assert [split(p) for p in ("a", "/~", "/~2", "/a~/b")] == [None] * 4


def test_operations_on_elements_of_objects_in_arrays() -> None:
    """A patch changes a copy, also within arrays."""
    document = {"a": [{"b": 1}]}
    assert patched(document, "replace", ("a", "0", "b"), 2) == {"a": [{"b": 2}]}
    assert patched(document, "add", ("a", "0"), 0) == {"a": [0, {"b": 1}]}
    assert patched(document, "remove", ("a", "0"), None) == {"a": []}
    assert patched(document, "replace", ("a", "0"), 3) == {"a": [3]}
    assert document == {"a": [{"b": 1}]}


_NAMES = st.text(max_size=3) | st.sampled_from(["sub", "team", "tags", "groups", "iss", "address"])
_PATHS = _NAMES | st.lists(_NAMES | st.integers(0, 3), min_size=1, max_size=3)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda each: (
        st.lists(each, max_size=2) | st.dictionaries(st.text(max_size=2), each, max_size=2)
    ),
    max_leaves=5,
)
_STEPS = st.one_of(
    st.tuples(st.sampled_from(["access_claim", "id_claim"]), st.tuples(_PATHS, _VALUES)),
    st.tuples(st.sampled_from(["remove_access_claim", "remove_id_claim"]), st.tuples(_PATHS)),
    st.tuples(
        st.sampled_from(["access_lifetime", "id_lifetime"]), st.tuples(st.integers(250, 90_000))
    ),
)


@given(
    steps=st.lists(_STEPS, max_size=4),
    request_=st.sampled_from([TOKEN_REQUEST, ACCESS_ONLY, ID_ONLY]),
)
@settings(max_examples=100, deadline=None)
def test_builders_and_check_reply_agree(
    steps: list[tuple[str, tuple[Any, ...]]], request_: dict[str, Any]
) -> None:
    """What can be built has no error, and checked_for refuses what check_reply reports."""
    reply = TokenReply()
    for method, arguments in steps:
        try:
            reply = getattr(reply, method)(*arguments)
        except InvalidReplyError:
            continue
    assert [p for p in check_reply(rules.TOKEN, reply) if p.severity == "error"] == []
    problems = check_reply(rules.TOKEN, reply, request_)
    errors = [(p.path, p.rule) for p in problems if p.severity == "error"]
    try:
        reply.checked_for(_hook(request_))
    except HookKeyError as error:
        assert isinstance(error, InvalidReplyError)
        assert (error.path, error.rule) in errors
    else:
        assert errors == []

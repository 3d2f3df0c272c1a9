"""Fuzzing: for any document, an accessor returns its documented type or None.

The documents are arbitrary JSON, and requests of Okta in which members have arbitrary values. The
environment variable ``FUZZ_EXAMPLES`` is the number of examples for each test (default 100).
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookkey_verify.errors import InvalidPayloadError
from hookkey_verify.hooks.payloads import Hook, UnknownHook, parse_hook
from tests.hooks.accessors import HOOKS, all_reprs, walk
from tests.hooks.payload_examples import FULL, MINIMAL, Json
from tests.hooks.payload_variants import VARIANTS

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

PAYLOADS = [*MINIMAL.values(), *FULL.values(), *(each.payload for each in VARIANTS.values())]
NEEDLE = "Needle@hidden"
"""A secret that the fuzzed documents contain."""


def _member_names(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_member_names, value.values()))
    return set().union(*map(_member_names, value)) if isinstance(value, list) else set()


NAMES = sorted(set().union(*map(_member_names, PAYLOADS)))
EVENT_TYPES = [kind.EVENT_TYPE for kind in HOOKS]

any_text = st.text(st.characters(), max_size=20)  # lone surrogates included
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 2**63, 10**400, 1e308, -0.0, "", "\ud800", "0", "true"])
    | st.floats(allow_nan=False, allow_infinity=False)
    | any_text
    | st.just(NEEDLE)
)
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | any_text, inner, max_size=6)
    ),
    max_leaves=25,
)
HOSTILE: list[Any] = [
    None, True, False, 0, -1, 1.5, 10**400, 10**5000, 1e308, float("inf"), float("nan"),
    "", " ", "\ud800", "\x00", "9" * 5000, "2026-13-45T99:99:99Z", NEEDLE, b"bytes",
    [], [None], [[[]]], [{}], [NEEDLE, 1, None], {}, {"": {}}, {"value": {"value": []}}, {1: 2},
]  # fmt: skip
"""Values that may stand where Okta sends another one."""
HOSTILE[20:20] = [("tuple",), object()]


def check(document: Any) -> None:
    """Parse a document, and read everything from it as each type of hook."""
    hook = parse_hook(document)
    assert hook.raw is document
    for view in (hook, *(kind(document) for kind in HOOKS)):
        list(walk(view))
        assert NEEDLE not in all_reprs(view)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all members and elements of a document."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path] + [found for name, each in inner for found in paths(each, (*path, name))]


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of a document with another value at a path."""
    if not path:
        return value
    copy = document.copy()
    copy[path[0]] = replaced(document[path[0]], path[1:], value)
    return copy


@pytest.mark.parametrize("payload", [*MINIMAL.values(), *FULL.values()])
def test_every_member_may_have_a_hostile_value(payload: Json) -> None:
    """Each accessor returns its type or None, whatever stands at any place of the payload."""
    for path in paths(payload)[1:]:
        for value in HOSTILE:
            document = replaced(payload, path, value)
            hook = parse_hook(document)
            list(walk(hook))
            assert NEEDLE not in all_reprs(hook)


@fuzz
@given(st.dictionaries(st.sampled_from(NAMES) | any_text, documents, max_size=6))
def test_arbitrary_documents(document: Json) -> None:
    """Any JSON object is read as any type of hook without an error."""
    check(document)


@fuzz
@given(documents)
def test_arbitrary_json(document: Any) -> None:
    """The bytes of a JSON object give a hook with the same content; other JSON is refused."""
    body = json.dumps(document)
    for form in (body, body.encode()):
        if isinstance(document, dict):
            hook = parse_hook(form)
            assert hook.raw == document
            assert json.dumps(hook.raw) == body
        else:
            with pytest.raises(InvalidPayloadError):
                parse_hook(form)


@fuzz
@given(st.data())
def test_mutated_payloads(data: st.DataObject) -> None:
    """Any members of a payload may have any value."""
    document: Any = data.draw(st.sampled_from(PAYLOADS))
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(paths(document)[1:] or [("data",)]))
        document = replaced(document, path, data.draw(documents))
    check(document)


@fuzz
@given(st.binary(max_size=60) | st.text(max_size=60), st.sampled_from(PAYLOADS), st.data())
def test_arbitrary_bodies(garbage: bytes | str, payload: Json, data: st.DataObject) -> None:
    """Any body gives a hook or an InvalidPayloadError, also a payload that is cut or damaged."""
    body = json.dumps(payload).encode()
    at = data.draw(st.integers(0, len(body)))
    part = garbage if isinstance(garbage, bytes) else garbage.encode("utf-8", "replace")
    for damaged in (garbage, body[:at], body[:at] + part + body[at:], body[:at] + part):
        try:
            hook = parse_hook(damaged)
        except InvalidPayloadError as error:
            assert error.__context__ is None
        else:
            list(walk(hook))


@fuzz
@given(st.sampled_from(EVENT_TYPES) | scalars)
def test_any_event_type(event_type: Any) -> None:
    """Only the documented event types have a class of their own."""
    hook: Hook = parse_hook({"eventType": event_type})
    known = isinstance(event_type, str) and event_type in EVENT_TYPES and event_type
    assert (type(hook) is not UnknownHook) == bool(known)

"""Fuzzing: check_reply reports problems of any reply, to any request, and raises nothing.

``FUZZ_EXAMPLES`` is the number of examples for each test, as for the payloads.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hookkey_verify.hooks import rules
from hookkey_verify.hooks.check import check_reply
from hookkey_verify.hooks.pointer import MISSING, lookup, split

from .reply_examples import VALID
from .reply_mutants import MUTANTS
from .reply_parts import REQUESTS
from .test_payloads_fuzz import NEEDLE, documents, fuzz, paths, replaced

REPLIES = [valid.document for valid in VALID.values()]
REPLIES += [
    each.reply for each in MUTANTS if isinstance(each.reply, dict) and each.rule != "not_json"
]
EVENT_TYPES = st.sampled_from([*rules.COMMANDS, "com.okta.other"])


def check(event_type: str, reply: Any, request: Any = None) -> None:
    """Check a reply as an object and as JSON."""
    problems = check_reply(event_type, reply, request)
    for problem in problems:
        names = split(problem.path)
        assert names is not None
        assert problem.rule == "not_json" or lookup(reply, names[:-1]) is not MISSING
        assert NEEDLE not in problem.message
        assert problem.source == rules.SOURCES[problem.rule]
    if reply is not None and "not_json" not in [each.rule for each in problems]:
        assert check_reply(event_type, json.dumps(reply), request) == problems


@fuzz
@given(EVENT_TYPES, documents)
def test_arbitrary_replies(event_type: str, reply: Any) -> None:
    """Any JSON is checked as the reply to any type of hook, and each path leads to a member."""
    check(event_type, reply)
    if event_type in REQUESTS:
        check(event_type, reply, REQUESTS[event_type])


@fuzz
@given(EVENT_TYPES, st.sampled_from(REPLIES), st.data())
def test_mutated_replies(event_type: str, reply: Any, data: st.DataObject) -> None:
    """Any members of a reply of the reference, valid or not, may have any value."""
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(paths(reply)))
        reply = replaced(reply, path, data.draw(documents))
    check(event_type, reply, REQUESTS.get(event_type))


@fuzz
@given(st.sampled_from(list(REQUESTS)), st.sampled_from(REPLIES), st.data())
def test_mutated_requests(event_type: str, reply: Any, data: st.DataObject) -> None:
    """Any member of the request may have any value."""
    request: Any = REQUESTS[event_type]
    path = data.draw(st.sampled_from(paths(request)[1:]))
    check(event_type, reply, replaced(request, path, data.draw(documents)))


@fuzz
@given(st.binary(max_size=60) | st.text(st.characters(), max_size=60), st.data())
def test_arbitrary_bodies(garbage: bytes | str, data: st.DataObject) -> None:
    """Any bytes and any text are checked, also a reply that is cut or damaged."""
    event_type, reply = data.draw(EVENT_TYPES), data.draw(st.sampled_from(REPLIES))
    body = json.dumps(reply).encode()
    at = data.draw(st.integers(0, len(body)))
    part = garbage if isinstance(garbage, bytes) else garbage.encode("utf-8", "replace")
    for damaged in (garbage, body[:at], body[:at] + part + body[at:], body[:at] + part):
        problems = check_reply(event_type, damaged, REQUESTS.get(event_type))
        assert all(problem.rule in rules.SOURCES for problem in problems)

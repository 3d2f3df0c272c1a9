"""Replies that are copied, sent more than once or named by an enumeration."""

from __future__ import annotations

import copy
import enum
import pickle

import pytest

from hookkey_verify.errors import InvalidReplyError
from hookkey_verify.hooks import rules
from hookkey_verify.hooks.check import check_reply
from hookkey_verify.hooks.payloads import parse_hook
from hookkey_verify.hooks.replies import SamlReply, TokenReply

from .reply_examples import VALID


class Claim(str, enum.Enum):  # noqa: UP042 - str() of it is not its value
    """Names whose text differs from their value."""

    TEAM = "team"
    ISSUER = "iss"


@pytest.mark.parametrize("name", VALID)
def test_a_copy_of_a_reply_is_equal(name: str) -> None:
    """Replies can be copied and pickled, and the copy has the same JSON."""
    reply = VALID[name].built
    for each in (copy.copy(reply), copy.deepcopy(reply), pickle.loads(pickle.dumps(reply))):
        assert each == reply
        assert each.to_json() == reply.to_json()


def test_a_reply_is_encoded_once() -> None:
    """The check against the request and the response share the encoded reply."""
    reply = TokenReply().debug(a=1)
    encoded = reply.to_json()
    hook = parse_hook({"eventType": rules.TOKEN, "data": {}})
    assert reply.checked_for(hook).to_json() is encoded
    assert reply.debug(b=2).to_json() == b'{"debugContext":{"a":1,"b":2}}'


def test_the_value_of_an_enumeration_is_the_name() -> None:
    """A name that is a member of a text enumeration is sent as its value."""
    operation = TokenReply().access_claim(Claim.TEAM, 1).to_dict()["commands"][0]["value"][0]
    assert operation["path"] == "/claims/team"
    operation = SamlReply().attribute(Claim.TEAM, "a").to_dict()["commands"][0]["value"][0]
    assert operation["path"] == "/claims/team"
    with pytest.raises(InvalidReplyError, match="reserved_claim"):
        TokenReply().access_claim((Claim.ISSUER, "a"), 1)


def test_the_misspelled_action_is_checked_like_the_right_one() -> None:
    """A link of an import with the misspelled action causes warnings only."""
    update = {"type": rules.USER_UPDATE, "value": {"id": "00u7"}}
    action = {"type": rules.MISSPELLED_ACTION_UPDATE, "value": {"result": "LINK_USER"}}
    found = check_reply(rules.IMPORT, {"commands": [action, update]})
    assert [(p.rule, p.severity) for p in found] == [("misspelled_command", "warning")]
    found = check_reply(rules.IMPORT, {"commands": [update, action]})
    assert [p.rule for p in found] == ["misspelled_command", "user_before_action"]

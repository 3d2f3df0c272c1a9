"""The tables and recipes of docs/hooks.md are true."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from hookkey_verify import hooks as public
from hookkey_verify.guard import HttpAnswer
from hookkey_verify.hooks import Hook, RegistrationHook, Reply, UnknownHook, check_reply, parse_hook
from hookkey_verify.hooks.answers import REPLIES

from ..e2e.tutorial import ROOT, code_block
from .payload_examples import FULL, MINIMAL, changed
from .router_requests import BY_TYPE, UNKNOWN, ask, hooks_of

GUIDE = (ROOT / "docs" / "hooks.md").read_text()
PROTECT = (ROOT / "docs" / "protect.md").read_text()


def rows(heading: str) -> dict[str, list[str]]:
    """Return the other cells of each row of the only table with this head, by the first cell."""
    [table] = re.findall(rf"^\| {re.escape(heading)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", GUIDE, re.M)
    cells = ([*map(str.strip, line.strip("|").split(" | "))] for line in table.splitlines())
    return {first.strip("`"): rest for first, *rest in cells}


ANSWERS = rows("type")
TYPES = {name: getattr(public, name) for name in ANSWERS}


def returning(value: object) -> Callable[[Hook], Any]:
    return lambda hook: value


def failing(hook: Hook) -> Any:
    raise LookupError


def answered(hook_type: type[Hook], handler: Any, **options: Any) -> HttpAnswer:
    router: Any = hooks_of(**options)
    if handler is not None:
        router.on(hook_type)(handler)
    return ask(router, BY_TYPE.get(hook_type, UNKNOWN))


def status(cell: str) -> int:
    return int(cell[:3])


def test_every_type_is_in_the_table() -> None:
    """The table of answers has all types that a handler can be added for."""
    assert set(TYPES.values()) == {*REPLIES, UnknownHook}


@pytest.mark.parametrize("name", TYPES)
def test_answers(name: str) -> None:
    """Each type is answered with the statuses of its row."""
    hook_type = TYPES[name]
    returns, none, undecided, failed = ANSWERS[name]
    assert answered(hook_type, returning(None)).status == status(none)
    assert answered(hook_type, None).status == status(undecided)
    too_late = count(0, 2.5).__next__  # a clock that moves 2.5 seconds between two looks
    late = answered(hook_type, returning({}), clock=too_late)
    assert late.status == status(undecided)
    assert answered(hook_type, failing).status == status(failed)
    assert answered(hook_type, returning(object())).status == status(failed)
    assert ("None" in returns) == (status(none) < 300)
    if hook_type in REPLIES:
        assert returns.partition(",")[0] == f"`{REPLIES[hook_type].__name__}`"
    else:
        assert answered(hook_type, returning({"a": 1})).body == b'{"a": 1}'


def test_names_in_the_tables_exist() -> None:
    """Each accessor and each method that the guide lists exists."""
    listed = re.findall(r"^\| `(\w+(?:Hook|Reply))` \| ((?:`\w+`(?:, )?)+) \|$", GUIDE, re.M)
    assert {name for name, _ in listed} == {
        each.__name__ for pair in REPLIES.items() for each in pair
    }
    for name, cell in listed:
        kind = getattr(public, name)
        for member in re.findall(r"`(\w+)`", cell):
            assert hasattr(kind, member), (name, member)


def test_all_methods_of_replies_are_listed() -> None:
    """The guide lists every method of each reply class, except those of the base class."""
    for kind in REPLIES.values():
        methods = {each for base in kind.__mro__ for each in vars(base) if each[0] != "_"}
        own = methods - {*vars(Reply), "EVENT_TYPE"}
        [cell] = re.findall(rf"^\| `{kind.__name__}` \| (`.*`) \|$", GUIDE, re.M)
        assert set(re.findall(r"`(\w+)`", cell)) == own


@pytest.mark.parametrize("framework", rows("framework"))
def test_mounts(framework: str) -> None:
    """The example of each framework mounts ``Hooks`` as both guides say."""
    mount, example = rows("framework")[framework]
    program = (ROOT / "docs" / re.findall(r"\((.*)\)", example)[0]).read_text()
    assert mount.strip("`") in program
    assert mount in PROTECT
    assert re.search(r"^from hookkey_verify\.\w+ import serve$", program, re.M)


Recipe = Callable[[Any], Any]
REGISTRATION = MINIMAL["registration"]


@pytest.fixture(params=["from pydantic import", "import msgspec"])
def recipe(request: pytest.FixtureRequest) -> Recipe:
    """A handler that validates the payload with a model of a library."""
    scope: dict[str, Any] = {"__name__": __name__}
    exec(
        compile(code_block("docs/hooks.md", request.param), "hooks.md", "exec", dont_inherit=True),
        scope,
    )
    handler = scope["only_employees"]
    hooks_of().on(RegistrationHook)(handler)
    return lambda body: handler(parse_hook(body))


def test_a_valid_attribute(recipe: Recipe) -> None:
    """The recipes allow a registration with a valid attribute and use its value."""
    body = changed(REGISTRATION, {"data.userProfile.employeeNumber": "120034"})
    reply = recipe(body)
    assert check_reply(RegistrationHook, reply, body) == []
    [action, update] = reply.to_dict()["commands"]
    assert (action["value"], update["value"]) == ({"registration": "ALLOW"}, {"department": "12"})


@pytest.mark.parametrize("number", ["12003", "1200345", "a20034", "", None, [], {}])
def test_an_invalid_attribute(recipe: Recipe, number: object) -> None:
    """The recipes deny a registration with an invalid attribute and name the attribute."""
    body = changed(REGISTRATION, {"data.userProfile.employeeNumber": number})
    reply = recipe(body)
    assert check_reply(RegistrationHook, reply, body) == []
    [cause] = reply.to_dict()["error"]["errorCauses"]
    assert cause["location"] == "data.userProfile.employeeNumber"


def test_numbers_in_the_payload(recipe: Recipe) -> None:
    """The recipes read payloads with numbers of any form."""
    numbers = '{"height": 1.80, "id": 123456789012345678901234567890, "employeeNumber": "120034"}'
    body = f'{{"eventType": "{RegistrationHook.EVENT_TYPE}", "data": {{"userProfile": {numbers}}}}}'
    action, _ = recipe(body).to_dict()["commands"]
    assert action["value"] == {"registration": "ALLOW"}


def test_a_progressive_profile(recipe: Recipe) -> None:
    """The recipes leave the requests of existing users unchanged."""
    assert recipe(FULL["progressive"]) is None

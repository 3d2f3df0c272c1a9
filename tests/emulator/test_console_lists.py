"""Search, paging and the texts of the console's lists."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.emulator.console.reply import MAX_LINES, json_lines
from hookkey_verify.emulator.console.rows import moment, sentence
from hookkey_verify.emulator.console.view import PageView, paged
from hookkey_verify.hooks.pointer import lookup, split

from ..conftest import KeyPool
from .browser import Browser


class Row(NamedTuple):
    """A row with its id as its only text."""

    id: str

    def texts(self) -> list[str]:
        return [self.id]


@pytest.fixture(scope="module")
def browser(key_pool: KeyPool) -> Any:
    """The largest org: 50 keys, 100 hooks and 200 deliveries."""
    with OktaEmulator(new_key=key_pool) as okta:
        keys = [okta.create_key(f"Key {number:02}") for number in range(50)]
        for number in range(100):
            okta.create_hook("http://127.0.0.1:9/h", name=f"Hook {number:03}", key=keys[7])
        hooks = okta.hooks.all()
        for number in range(200):
            okta.fire(hooks[number % 20].id)
        assert len(okta.deliveries) == 200
        yield Browser(okta.url)


def test_pages(browser: Browser) -> None:
    """Each list has ten rows; its links lead through all pages and keep those of other lists."""
    browser.get(browser.org)
    names = [f"Key {number:02}" for number in range(50)]
    seen: list[str] = []
    for page in range(5):
        assert f"Page {page + 1} of 5, 50 keys" in browser.text
        seen += [name for name in names if f'aria-label="Rename {name}"' in browser.text]
        if page < 4:
            browser.get(browser.page_link("keys-next"))
    assert seen == names
    assert "keys-next" not in browser.ids
    browser.get(browser.page_link("hooks-next"))
    assert "Page 5 of 5, 50 keys" in browser.text
    assert "Page 2 of 10, 100 hooks" in browser.text
    assert "Page 1 of 20, 200 deliveries" in browser.text
    browser.get(browser.page_link("hooks-back"))
    assert "Page 1 of 10, 100 hooks" in browser.text


def test_actions_keep_the_page(browser: Browser) -> None:
    """After an action, the page shows the same search and the same pages as before."""
    browser.get(f"{browser.org}/?q=Hook&hooks=3")
    browser.submit(browser.form("status"))
    assert browser.address.startswith(f"{browser.org}/?q=Hook&hooks=3&done=")
    browser.submit(browser.form("status", "Activate"))
    browser.follow("Edit Hook 021")
    browser.follow("Cancel")
    assert browser.address == f"{browser.org}/?q=Hook&hooks=3#hooks"


def test_search(browser: Browser) -> None:
    """The search looks in all lists, in upper and lower case, and can be cleared."""
    browser.get(browser.org)
    browser.submit(browser.form("", q=""), q="hook 05")
    for name in range(50, 60):
        assert f'aria-label="Edit Hook {name:03}"' in browser.text
    assert "Page 1 of" not in browser.text
    assert "No key matches the search." in browser.text
    assert "No delivery matches the search." in browser.text
    browser.submit(browser.form("", q="hook 05"), q="no such thing")
    assert "No hook matches the search." in browser.text
    browser.follow("Clear")
    assert browser.address == f"{browser.org}/"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, PageView()),
        ({"q": " x ", "keys": "2", "other": "1"}, PageView(q="x", keys=2)),
        ({"keys": "0", "hooks": "-1", "deliveries": "x"}, PageView()),
        ({"keys": "٢", "hooks": "9" * 5000}, PageView(hooks=10_000)),
        ({"q": "x" * 300}, PageView(q="x" * 200)),
    ],
)
def test_queries(query: dict[str, str], expected: PageView) -> None:
    """Members of a query that are unknown, malformed or too large do no harm."""
    assert PageView.of(query) == expected


def test_a_page_after_the_last_one_is_the_last_one() -> None:
    """An empty list has one page, and a number beyond the last page shows the last page."""
    assert paged([], 3, "").rows == []
    rows = [Row(str(number)) for number in range(25)]
    page = paged(rows, 9, "")
    assert (page.rows, page.number, page.pages) == (rows[20:], 3, 3)


def test_the_opened_row_is_always_shown() -> None:
    """The page is the one with the opened row, which is shown even without the searched text."""
    rows = [Row(str(number)) for number in range(25)]
    assert paged(rows, 1, "", "13").number == 2
    assert paged(rows, 1, "2", "19").rows == [rows[2], rows[12], *rows[19:]]
    assert paged(rows, 1, "none", "19").rows == [rows[19]]
    assert paged(rows, 2, "", "none").number == 2


def test_what_was_created_is_shown(okta: OktaEmulator) -> None:
    """A new key and hook is shown, whatever was searched, and its page stays after Fire."""
    for number in range(12):
        okta.create_key(f"Key {number}")
        okta.create_hook("http://127.0.0.1:9/h", name=f"Hook {number}")
    browser = Browser(okta.url)
    for query in ("", "?q=Key 1"):
        browser.get(f"{okta.url}/{query}")
        name = f"New{query[-1:]}"
        assert browser.send("create-key", name=name) == 200
        assert f'aria-label="Rename {name}"' in browser.text
        fields = {"name": name, "uri": "http://127.0.0.1:9/new", "auth": "none"}
        assert browser.send("create-hook", **fields) == 200
        assert f'aria-label="Edit {name}"' in browser.text
    browser.get(f"{okta.url}/?hooks=1")
    browser.send("create-hook", **{**fields, "name": "Last"})
    browser.submit(browser.form("fire", "Fire Last"))
    assert 'aria-label="Edit Last"' in browser.text


def test_deliveries_are_found(okta: OktaEmulator) -> None:
    """Deliveries are found by their id, and by the id and the URL of their hook."""
    hooks = [okta.create_hook(f"http://127.0.0.1:9/{name}", name=name) for name in "ab"]
    ids = [okta.fire(hook["id"]).id for hook in hooks]
    browser = Browser(okta.url)
    for search in (ids[0], hooks[0]["id"], "127.0.0.1:9/a"):
        browser.get(f"{okta.url}/?q={search}")
        assert (ids[0] in browser.ids, ids[1] in browser.ids) == (True, False)
    okta.hooks.set_status(hooks[0]["id"], "INACTIVE")
    okta.hooks.delete(hooks[0]["id"])
    browser.get(f"{okta.url}/?q=127.0.0.1:9/a")
    assert (ids[0] in browser.ids, ids[1] in browser.ids) == (True, False)


def test_a_fired_hook_shows_its_delivery(okta: OktaEmulator) -> None:
    """After Fire, the delivery is open even if the search does not find it; a later page too."""
    okta.create_hook("https://127.0.0.1:9/", name="a", client_secret="s3cret", client_id="0oa7")
    browser = Browser(okta.url)
    browser.get(f"{okta.url}/?q=0oa7&deliveries=7")
    browser.submit(browser.form("fire", "Fire a"))
    assert okta.deliveries[-1].id in browser.ids
    for _ in range(12):
        okta.fire(okta.hooks.all()[0].id)
    browser.get(browser.address)
    assert okta.deliveries[0].id in browser.ids


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda each: (
        st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3)
    ),
    max_leaves=20,
)


@given(JSON)
def test_lines_of_json(document: Any) -> None:
    """The lines are the document, and the pointer of each leads to the member in it."""
    lines = json_lines(document)
    assert json.loads("\n".join(line.text for line in lines)) == document
    for line in lines:
        names = split(line.pointer)
        assert names is not None
        value = lookup(document, names)
        text = line.text.strip().rstrip(",")
        if line.begins:
            assert text.endswith(("{", "[", json.dumps(value, ensure_ascii=False)))


def test_long_and_deep_documents_are_cut() -> None:
    """A document is shown up to a number of lines and a depth."""
    lines = json_lines([0] * 1000)
    assert len(lines) == MAX_LINES + 1
    assert lines[-1].text == "…"
    assert [len(line.text) for line in json_lines("x" * 5000)] == [1001]
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    assert json_lines(deep)[41].text.strip() == '"…"'


def test_times_and_sentences() -> None:
    """A time that no calendar has is shown as such, and a text gets a capital and a full stop."""
    assert moment(0) == ("1970-01-01T00:00:00Z", "00:00:00 UTC")
    assert moment(1e18) == ("", "?")
    assert [sentence(each) for each in ("a b", "it ends.", "", "(x)")] == [
        "A b.", "It ends.", "", "(x)",
    ]  # fmt: skip

"""The reference names everything: public names, options, settings, reasons, events and metrics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from sphinx.util.inventory import InventoryFile

from docs._sphinx.docstrings import with_lists
from docs._sphinx.links import in_the_repository
from docs._sphinx.public import PACKAGE, public_modules, public_names, reference_names
from docs._sphinx.tables import TABLES
from hookkey_verify import errors
from hookkey_verify._metrics import ALL_COUNTERS, DURATIONS, GAUGES
from hookkey_verify.cli.commands import hookkey
from hookkey_verify.errors import HookKeyError, Reason
from hookkey_verify.events import EventName
from hookkey_verify.settings import NAMES

from .site import Site

slow = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = [*PAGES, *sorted((ROOT / "hookkey_verify").rglob("*.py"))]
EXIT_CODE = re.compile(r"(?:exit(?:s|ed)? with|exit codes?:?|ends? with|ending with) (\d)\b", re.I)
IN_A_LIST = re.compile(r"exit codes?[:;] (.*?)\.(?:\s|$)", re.I)


def _inventory(site: Site) -> set[str]:
    """Return the names that the site describes, each at an anchor of its own."""
    data = InventoryFile.loads((site.folder / "objects.inv").read_bytes(), uri="")
    found: set[str] = set()
    for kind, entries in data.data.items():
        if kind.startswith("py:"):
            found |= set(entries)
    return found


@slow
def test_every_public_name_is_described(site: Site) -> None:
    """The reference describes each public name, or says which other name is the same."""
    described = _inventory(site)
    missing = []
    for module in public_modules():
        for name, elsewhere in reference_names(module):
            at = f"{elsewhere}.{name.rpartition('.')[2]}" if elsewhere else name
            if at not in described or name.rpartition(".")[2] not in site.pages[_page(module)].text:
                missing.append(name)
    assert missing == []


@slow
def test_every_public_name_has_a_meaning(site: Site) -> None:
    """The description of each public name has at least one sentence."""
    empty = []
    for module in public_modules():
        html = site.pages[_page(module)].html
        for name, elsewhere in reference_names(module):
            entry = re.search(rf'id="{re.escape(name)}".*?</dt>\n<dd><p>\w', html, re.DOTALL)
            if elsewhere is None and entry is None:
                empty.append(name)
    assert empty == []


def _page(module: str) -> str:
    return f"reference/api/{module}.html"


def test_the_public_modules_have_names() -> None:
    """Each module that CONTRIBUTING.md lists has public names."""
    assert public_modules()[0] == PACKAGE
    assert [module for module in public_modules() if not public_names(module)] == []


def _parameters(command: click.Command) -> Iterator[tuple[str, click.Parameter]]:
    context = click.Context(command)
    for parameter in command.params:
        yield "", parameter
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            for path, parameter in _parameters(found):
                yield f"{name} {path}".strip(), parameter


@slow
def test_every_option_is_described(site: Site) -> None:
    """The section of each command names all of its options with their complete help."""
    page = site.pages["reference/commands.html"]
    count = 0
    for path, option in _parameters(hookkey):
        anchor = f"hookkey {path}".strip().replace(" ", "-")
        assert anchor in page.ids
        section = page.html.partition(f'<section id="{anchor}">')[2].partition("<section")[0]
        if isinstance(option, click.Option):
            count += 1
            for spelling in (*option.opts, *option.secondary_opts):
                assert f">{spelling}</span>" in section, (path, spelling)
            assert option.help
    assert count > 50


@slow
def test_every_setting_is_described(site: Site) -> None:
    """The page of settings has the variable and the key in okta.yaml of each setting."""
    text = site.pages["reference/settings.html"].text
    for name, where in NAMES.items():
        assert where.text.endswith("."), name
        assert where.variable in text
        assert where.key is None or f"okta.client.{where.key}" in text
    named = {
        name
        for path in SOURCES
        for name in re.findall(r"\bHOOKKEY_[A-Z_]*[A-Z]\b", path.read_text("utf-8"))
    }
    assert {"HOOKKEY_REPLAY_URL", "HOOKKEY_VERIFY", "HOOKKEY_PUBLIC"} <= named
    assert [name for name in sorted(named) if not re.search(rf"\b{name}\b", text)] == []


def _exit_codes(text: str) -> set[int]:
    """Return the exit codes that a text names: alone, and in a list after "Exit codes:"."""
    text = " ".join(text.split())
    found = set(EXIT_CODE.findall(text))
    for several in IN_A_LIST.findall(text):
        found |= set(re.findall(r"(?:^|, )(\d) ", several))
    return set(map(int, found))


def test_exit_codes_are_found() -> None:
    """Exit codes are found alone, in lists, and across lines."""
    assert _exit_codes("Exits with 0 if … `code`, exit code 5. A run exits\nwith 6.") == {0, 5, 6}
    assert _exit_codes("Exit codes: 0 fine, 1 not, 2 usage, or 70 things, 4\nlost. 8 x") == {
        0,
        1,
        2,
        4,
    }
    assert _exit_codes("Exit codes: 6 if it must be run again: after 3 days.") == {6}


def test_every_exit_code_is_described() -> None:
    """The table has exactly the exit codes that a help text or a page names."""
    page = (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8")
    described = set(map(int, re.findall(r"^\| (\d+) \| \S", page, re.M)))
    named = {code for path in PAGES for code in _exit_codes(path.read_text("utf-8"))}
    for command in _commands(hookkey):
        named |= _exit_codes(command.help or "")
        for parameter in command.params:
            named |= _exit_codes(getattr(parameter, "help", None) or "")
    assert {0, 1, 2, 3, 4, 5, 6} <= named
    assert named == described


def _commands(command: click.Command) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from _commands(inner)


@slow
def test_every_reason_is_described(site: Site) -> None:
    """The page of reasons has each reason, and the runbook has an anchor for it."""
    page = site.pages["reference/reasons.html"]
    for reason in Reason:
        assert f"../runbook.html#{reason.replace('_', '-')}" in page.links
        assert reason.replace("_", "-") in site.pages["runbook.html"].ids


def test_the_table_of_reasons() -> None:
    """The tables have exactly the reasons, in order, each with its status, class and meaning."""
    rows = re.findall(
        r"^\| \[`(\w+)`\]\S+ \| (\d{3}) \| `(\w+)` \| (.+) \|$", TABLES["reasons"](), re.M
    )
    kinds = {
        kind.__dict__["reason"]: kind
        for kind in map(errors.__dict__.get, errors.__all__)
        if isinstance(kind, type) and issubclass(kind, HookKeyError) and "reason" in vars(kind)
    }
    expected = [
        (str(reason), str(kinds[reason].status_code), kinds[reason].__name__) for reason in Reason
    ]
    assert [tuple(row[:3]) for row in rows] == expected
    assert all(len(row[3]) > 20 for row in rows)


@slow
def test_every_event_and_metric_is_described(site: Site) -> None:
    """The pages of events and metrics have each event and each metric under both of its names."""
    events, metrics = (site.pages[f"reference/{name}.html"].text for name in ("events", "metrics"))
    assert [name for name in EventName if not re.search(rf"\b{name}\b", events)] == []
    prometheus = [f"{counter.prometheus}_total" for counter in ALL_COUNTERS]
    otel = [counter.otel for counter in ALL_COUNTERS]
    for duration in DURATIONS.values():
        prometheus.append(duration.prometheus)
        otel.append(duration.otel)
    for gauge in GAUGES:
        prometheus.append(gauge.prometheus)
        otel.append(gauge.otel)
    assert [name for name in prometheus if f"hookkey_{name} " not in metrics] == []
    assert [name for name in otel if f"hookkey.{name} " not in metrics] == []


def test_the_lines_of_parameters_become_a_list() -> None:
    """The lines of a docstring that describe parameters become a list with all of their text."""
    lines = [
        "Create it.",
        "",
        "``a``, ``b``: the first,",
        "    and more.",
        "``c``: last.",
        "",
        "End.",
    ]
    assert with_lists(lines) == [
        "Create it.",
        "",
        "- ``a``, ``b``: the first,",
        "  and more.",
        "- ``c``: last.",
        "",
        "End.",
    ]


def test_links_out_of_the_folder_lead_to_the_repository() -> None:
    """A link to a file outside of docs/ leads to the repository; those within are left alone."""
    text = "[a](../examples/x.py) [b](keys.md#c) [d](../SECURITY.md#e)"
    home = "https://github.com/hookkey-verify/hookkey-verify"
    assert in_the_repository("page", text) == (
        f"[a]({home}/tree/main/examples/x.py) [b](keys.md#c) [d](security.md#e)"
    )
    assert in_the_repository("adr/page", "[a](../keys.md)") == "[a](../keys.md)"

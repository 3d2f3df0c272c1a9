"""The Markdown of the repository: short paragraphs, links that lead somewhere, blocks that run."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from docs._sphinx.pictures import PICTURES

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
ROOTS = sorted(ROOT.glob("*.md"))
PAGES = [path for path in (*ROOTS, *DOCS) if path.name != "CHANGELOG.md"]
FENCE = re.compile(r"^(`{3,}|:{3,})[^\n]*\n.*?^\1`*\s*$", re.MULTILINE | re.DOTALL)
ITEM = re.compile(r"\s*([-*] |\d+\. |\||#|!\[|>|:::|```)")
EXECUTED = {
    "README.md": "tests/test_readme.py and .ci/run",
    "CONTRIBUTING.md": "test_contributors_install_what_ci_installs",
    "docs/okta.md": "tests/docs/test_guides.py",
    "docs/replay.md": "tests/docs/test_guides.py",
    "docs/rotation.md": "tests/docs/test_guides.py",
    "docs/runbook.md": "tests/test_reasons.py",
    "docs/tutorial.md": "tests/docs/test_tutorial.py",
}
"""The pages with shell blocks, and what executes or checks them."""


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _paragraphs(text: str) -> list[str]:
    """Return the paragraphs and the items of lists, without code and tables."""
    found: list[str] = []
    for block in re.split(r"\n\s*\n", FENCE.sub("\n\n", text)):
        part: list[str] = []
        for line in block.splitlines():
            if ITEM.match(line) and part:
                found.append(" ".join(part))
                part = []
            if not re.match(r"\s*(\||#|<)", line):
                part.append(line.strip())
        found.append(" ".join(part))
    return [each for each in found if each]


@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_a_paragraph_has_at_most_five_lines(path: Path) -> None:
    """No paragraph and no item of a list has more than five lines of 100 columns."""
    long = [
        each
        for each in _paragraphs(path.read_text("utf-8"))
        if len(textwrap.wrap(each, 100, break_long_words=False)) > 5
    ]
    assert long == []


def test_long_paragraphs_are_found() -> None:
    """A paragraph is one, however its lines are broken; code and tables are not."""
    text = "# A\n\na\nb\n\n- c\n  d\n- e\n\n```text\nf\n```\n\n| g |\n"
    assert _paragraphs(text) == ["a b", "- c d", "- e"]


def _anchors(text: str) -> list[str]:
    titles = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


@pytest.mark.parametrize("path", [*ROOTS, *DOCS], ids=_name)
def test_links_lead_to_files_and_headings(path: Path) -> None:
    """Each relative link leads to a file, and each anchor to one heading, as on GitHub."""
    text = FENCE.sub("", path.read_text("utf-8"))
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = target.partition("#")
        if file.startswith(("https://", "mailto:")):
            continue
        to = path.parent / file if file else path
        if not to.exists() or (anchor and not _has(to, anchor)):
            broken.append(target)
    assert broken == []


def _has(path: Path, anchor: str) -> bool:
    text = path.read_text("utf-8")
    generated = {"reasons-of-requests"} if "```{hookkey} reasons" in text else set()
    return _anchors(text).count(anchor) == 1 or anchor in generated


def test_shell_blocks_are_executed() -> None:
    """Only pages whose shell blocks a test executes or checks have blocks of the language sh."""
    assert {_name(path) for path in PAGES if "```sh\n" in path.read_text("utf-8")} == set(EXECUTED)


def test_contributors_install_what_ci_installs() -> None:
    """The first command of CONTRIBUTING.md is how the README's second command begins."""
    [block] = re.findall(r"```sh\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    first, hooks = block.strip().splitlines()
    _, tests = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert tests.startswith(f"{first} && ")
    assert hooks == ". .venv/bin/activate && pre-commit install"


@pytest.mark.parametrize("path", DOCS, ids=_name)
def test_blocks_have_a_language(path: Path) -> None:
    """Each code block names its language, and those of JSON and YAML are valid."""
    text = path.read_text("utf-8")
    for language, code in re.findall(
        r"^ *```([^\n]*)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL
    ):
        assert language
        if language in ("json", "yaml"):
            yaml.load(code, _Loader)


class _Loader(yaml.SafeLoader):
    """Reads the short forms of CloudFormation's functions as text."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: str(node.value))


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_current(name: str) -> None:
    """Each picture in docs/ is what its script draws with the numbers of the code."""
    assert (ROOT / "docs" / name).read_text("utf-8") == PICTURES[name]()


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_has_two_modes(name: str) -> None:
    """Each picture has colours for dark mode, a title for screen readers, and loads nothing."""
    text = PICTURES[name]()
    assert "prefers-color-scheme: dark" in text
    assert re.search(r"<title>\w.+</title>", text)
    assert not re.search(r"url\((?!#)|href", text)

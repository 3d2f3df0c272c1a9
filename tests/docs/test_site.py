"""The built site: it loads nothing from elsewhere, and its links lead somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from .site import Page, Site

pytestmark = pytest.mark.slow


def test_no_page_loads_anything_from_elsewhere(site: Site) -> None:
    """No page, style sheet, script or picture of the site loads a resource from another host."""
    assert len(site.pages) > 40
    assert site.external() == []


def test_no_link_within_the_site_is_broken(site: Site) -> None:
    """Each link within the site leads to a file, and each fragment to an anchor of its page."""
    assert site.broken() == []


def test_every_page_can_be_reached(site: Site) -> None:
    """Each page can be reached from the first one by links."""
    reached, new = set(), {"index.html"}
    while new:
        reached |= new
        new = {target for name in new for target in _targets(site, name)} - reached
    assert set(site.pages) - reached <= {"search.html", "genindex.html", "py-modindex.html"}


def _targets(site: Site, name: str) -> set[str]:
    folder = (site.folder / name).parent
    paths = {link.partition("#")[0] for link in site.pages[name].links if "://" not in link}
    files = {(folder / path).resolve() for path in paths if path.endswith(".html")}
    return {file.relative_to(site.folder.resolve()).as_posix() for file in files if file.is_file()}


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://cdn.example/a.js"></script>',
        '<script src="//cdn.example/a.js"></script>',
        '<link rel="stylesheet" href="https://cdn.example/a.css">',
        '<link rel="preconnect" href="https://fonts.example">',
        '<img src="a.png" srcset="a.png 1x, https://cdn.example/b.png 2x">',
        '<p style="background: url(https://cdn.example/a.png)">',
        "<style>@import 'https://cdn.example/a.css';</style>",
        '<style>p { background: URL("https://cdn.example/a.png") }</style>',
        '<iframe src="https://video.example"></iframe>',
        '<form action="https://search.example"></form>',
    ],
)
def test_external_resources_are_found(html: str, tmp_path: Path) -> None:
    """Each way to load a resource from another host is found."""
    (tmp_path / "index.html").write_text(html)
    [link] = Site(tmp_path).external()
    assert link.page == "index.html"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.css", "@import url(https://cdn.example/a.css);"),
        ("a.js", 'fetch("https://cdn.example/data.json")'),
        ("a.js", 'script.src = "https://cdn.example/a.js"'),
        ("a.svg", '<svg><image href="https://cdn.example/a.png"/></svg>'),
    ],
)
def test_external_resources_of_other_files_are_found(name: str, text: str, tmp_path: Path) -> None:
    """A style sheet, a script or a picture that loads from another host is found."""
    (tmp_path / name).write_text(text)
    [link] = Site(tmp_path).external()
    assert link.page == name


@pytest.mark.parametrize(
    "target", ["gone.html", "#gone", "b.html#gone", "../b.html", "gone.png", "tel:1"]
)
def test_broken_links_are_found(target: str, tmp_path: Path) -> None:
    """A link to a missing file, to a missing anchor or out of the site is found."""
    (tmp_path / "a.html").write_text(f'<a href="{target}">a</a> <a href="b.html#here">b</a>')
    (tmp_path / "b.html").write_text('<p id="here"><a href="https://example.com">c</a>')
    assert Site(tmp_path).broken() == [("a.html", target)]


def test_a_page_has_its_text_without_markup() -> None:
    """The text of a page has no markup and single spaces."""
    assert Page("a.html", "<p>A <b>bold</b>\n  word</p>").text == "A bold word"

"""Reads a built site: what its pages load, where their links lead, and their anchors."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

__all__ = ["Link", "Page", "Site", "loaded_by_css"]

LOADED = {
    "audio": ("src",),
    "embed": ("src",),
    "form": ("action",),
    "iframe": ("src", "srcdoc"),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "input": ("src",),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
"""The attributes whose targets a browser loads without a click."""
NOT_LOADED = {"canonical", "index", "search", "next", "prev", "author", "alternate", "license"}
"""The kinds of ``link`` that a browser does not load."""


class Link(NamedTuple):
    """A target and the page that has it."""

    page: str
    target: str


@dataclass
class Page(HTMLParser):
    """A page: its text, its anchors, the targets that it loads, and those of its links."""

    name: str
    html: str
    ids: set[str] = field(default_factory=set)
    loads: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._style = False
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._style = tag == "style"
        self.ids |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        kinds = set(given.get("rel", "").lower().split())
        if not (tag == "link" and kinds & NOT_LOADED):
            for name in LOADED.get(tag, ()):
                for target in given.get(name, "").split(","):
                    self.loads += target.split()[:1]
        self.loads += loaded_by_css(given.get("style", ""))

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if self._style:
            self.loads += loaded_by_css(data)
        self.words.append(data)

    @cached_property
    def text(self) -> str:
        """The text of the page, with single spaces."""
        return " ".join("".join(self.words).split())


def loaded_by_css(text: str) -> list[str]:
    """Return what a style sheet loads: the targets of ``url()`` and ``@import``."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    urls = re.findall(r"url\(\s*(?:\"([^\"]*)\"|'([^']*)'|([^)\"'\s]*))\s*\)", text, re.IGNORECASE)
    imports = re.findall(r"@import\s+[\"']([^\"']+)", text, re.IGNORECASE)
    return ["".join(url) for url in urls] + imports


class Site:
    """A folder with a built site."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def pages(self) -> dict[str, Page]:
        """The pages by their path."""
        files = sorted(self.folder.rglob("*.html"))
        names = {file.relative_to(self.folder).as_posix(): file for file in files}
        return {name: Page(name, file.read_text("utf-8")) for name, file in names.items()}

    def external(self) -> list[Link]:
        """Return everything that a page, style sheet, picture or script loads from elsewhere."""
        found = [Link(name, each) for name, page in self.pages.items() for each in page.loads]
        for file in sorted(self.folder.rglob("*")):
            name = file.relative_to(self.folder).as_posix()
            if file.suffix == ".css":
                found += [Link(name, each) for each in loaded_by_css(file.read_text("utf-8"))]
            elif file.suffix == ".svg":
                found += [Link(name, each) for each in Page(name, file.read_text("utf-8")).loads]
            elif file.suffix in (".js", ".mjs"):
                found += [Link(name, each) for each in _loaded_by_script(file.read_text("utf-8"))]
        return [link for link in found if _is_external(link.target)]

    def broken(self) -> list[Link]:
        """Return the links and resources within the site that lead nowhere."""
        return [
            Link(name, target)
            for name, page in self.pages.items()
            for target in (*page.links, *page.loads)
            if not _is_external(target) and not self._exists(name, target)
        ]

    def _exists(self, name: str, target: str) -> bool:
        parts = urlsplit(target)
        if parts.scheme:  # mailto and data
            return parts.scheme in ("mailto", "data")
        path = _joined(name, unquote(parts.path)) if parts.path else name
        if path is None:
            return False
        if not parts.fragment:
            return (self.folder / path).is_file()
        page = self.pages.get(path)
        return page is not None and unquote(parts.fragment) in page.ids


def _joined(name: str, path: str) -> str | None:
    """Return the path that a page's relative link leads to, or None outside of the site."""
    parts: list[str] = []
    for part in (PurePosixPath(name).parent / path).parts:
        if part == "..":
            if not parts:
                return None
            parts.pop()
        else:
            parts.append(part)
    if path.endswith("/"):
        parts.append("index.html")
    return "/".join(parts)


def _is_external(target: str) -> bool:
    parts = urlsplit(target.strip())
    return bool(parts.netloc) or parts.scheme in ("http", "https", "ws", "wss", "ftp", "file")


def _loaded_by_script(text: str) -> list[str]:
    """Return the absolute addresses that a script passes to something that loads them."""
    calls = r"(?:fetch|import|importScripts|WebSocket|EventSource|open|sendBeacon)\s*\(\s*"
    pattern = rf"(?:{calls}|\.(?:src|href)\s*=\s*)[\"'`]([^\"'`]+)"
    return re.findall(pattern, text)

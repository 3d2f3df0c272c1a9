"""A browser without scripts and styles: it follows the links and sends the forms of a page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

__all__ = ["Browser", "Form"]


@dataclass
class Form:
    """A form with the values that a browser would send."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    options: dict[str, list[str]] = field(default_factory=dict)
    button: str = ""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.action.partition("?")[0].partition("#")[0].rpartition("/")[2]


class _Page(HTMLParser):
    """Collects the forms, links and marked fields of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self.places: dict[str, str] = {}
        self.focused: list[str] = []
        self.invalid: dict[str, str] = {}
        self.ids: list[str] = []
        self.texts: dict[str, str] = {}
        self._form: Form | None = None
        self._select = self._area = self._link = self._button = ""
        self._label = ""
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        self.ids += [given["id"]] if "id" in given else []
        if "autofocus" in given:
            self.focused.append(given.get("id", tag))
        if "aria-invalid" in given:
            self.invalid[given["id"]] = given["aria-describedby"]
        if tag == "form":
            self._form = Form(given["action"], given["method"])
            self.forms.append(self._form)
        elif tag == "input" and name and self._form is not None:
            if given.get("type") != "checkbox" or "checked" in given:
                self._form.fields[name] = given.get("value", "")
        elif tag == "select" and self._form is not None:
            self._select = name
            self._form.options[name] = []
        elif tag == "option" and self._select and self._form is not None:
            self._form.options[self._select].append(given["value"])
            if "selected" in given or self._select not in self._form.fields:
                self._form.fields[self._select] = given["value"]
        elif tag == "textarea" and self._form is not None:
            self._area = name
            self._form.fields[name] = ""
        elif tag == "a":
            self._link, self._label = given.get("href", ""), given.get("aria-label", "")
            self.places[given.get("id", "")] = self._link
        elif tag == "button" and self._form is not None:
            self._button, self._form.button = tag, given.get("aria-label", "")
        elif tag in ("p", "code", "pre") and "id" in given:
            self._open.append(given["id"])
            self.texts[given["id"]] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""
        elif tag == "a":
            self.links[self._label.strip()] = self._link
            self._link = ""
        elif tag == "button":
            self._button = ""
        elif tag in ("p", "code", "pre"):
            self._open = []

    def handle_data(self, data: str) -> None:
        for each in self._open:
            self.texts[each] += data
        if self._area and self._form is not None:
            # A browser drops the line break after the tag.
            self._form.fields[self._area] = data.removeprefix("\n")
        if self._link and not self._label.strip():
            self._label = data
        if self._button and self._form is not None and not self._form.button:
            self._form.button = data.strip()


class Browser:
    """Shows one page at a time, as a browser without scripts would."""

    def __init__(self, url: str) -> None:
        """Open the console at this URL."""
        self.org = url
        self.address = url + "/"
        self.get()

    def get(self, address: str = "", **headers: str) -> requests.Response:
        """Show the page at an address; by default, reload."""
        answer = requests.get(
            urljoin(self.address, address or self.address), headers=headers, timeout=10
        )
        return self._shown(answer)

    def follow(self, name: str) -> requests.Response:
        """Follow the link with this name."""
        return self.get(self._page.links[name])

    def form(self, name: str, button: str = "", /, **fields: str) -> Form:
        """Return the first form with this name, these values, and a button with this text."""
        return next(
            each
            for each in self._page.forms
            if each.name == name and button in each.button and fields.items() <= each.fields.items()
        )

    def forms(self) -> set[str]:
        """Return the names of all forms of the page."""
        return {each.name for each in self._page.forms}

    def submit(self, form: Form, headers: dict[str, str] | None = None, /, **fields: str) -> int:
        """Send a form with changed values, follow the redirect, and return the status."""
        data = {**form.fields, **fields}
        address = urljoin(self.address, form.action)
        if form.method == "get":
            return self._shown(requests.get(address, params=data, timeout=10)).status_code
        for name, options in form.options.items():
            assert data[name] in options, f"the page does not offer {data[name]!r} as {name}"
        answer = requests.post(address, data=data, headers=headers, timeout=10)
        return self._shown(answer).status_code

    def send(self, name: str, /, **fields: str) -> int:
        """Fill the first form with this name, send it, and return the status."""
        return self.submit(self.form(name), **fields)

    def raw(self, name: str, /, **fields: str) -> requests.Response:
        """Send fields that no form of the page has, with the secret of the page."""
        data = {"secret": self.secret, **fields}
        return requests.post(f"{self.org}/console/{name}", data=data, timeout=10)

    def page_link(self, place: str) -> str:
        """Return the address of the link with this id."""
        return self._page.places[place]

    @property
    def ids(self) -> list[str]:
        """The ids of all elements."""
        return self._page.ids

    @property
    def secret(self) -> str:
        """The secret in all forms."""
        [secret] = {each.fields["secret"] for each in self._page.forms if each.method == "post"}
        return secret

    @property
    def alert(self) -> str:
        """The text of the alert, without tags; empty if there is none."""
        found = re.findall(r'role="alert"[^>]*>(.*)</p>', self.text)
        return unescape(re.sub("<[^>]+>", "", found[0])) if found else ""

    def error(self, place: str) -> str:
        """Return the text that describes an invalid field, which has the focus."""
        assert self._page.focused == [place]
        return self._page.texts[self._page.invalid[place].split()[0]]

    def shown(self, place: str) -> str:
        """Return the text of an element."""
        return self._page.texts[place]

    def _shown(self, answer: requests.Response) -> requests.Response:
        self.address, self.text = answer.url, answer.text
        if answer.headers["Content-Type"].startswith("text/html"):
            self._page = _Page(answer.text)
            ids = self._page.ids
            assert len(ids) == len(set(ids)), {each for each in ids if ids.count(each) > 1}
        return answer

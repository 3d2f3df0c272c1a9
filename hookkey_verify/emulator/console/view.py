"""The view of the org on the page: the query of its URL, search and paging. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Generic, Protocol, TypeVar
from urllib.parse import urlencode

__all__ = ["Page", "PageView", "paged"]

SIZE: Final = 10
"""The number of rows on a page."""
MAX_QUERY: Final = 200
"""The longest search text, in characters."""
MAX_PAGE: Final = 10_000

T = TypeVar("T")


class ListRow(Protocol):
    """A row of a list."""

    @property
    def id(self) -> str:
        """The id of what the row shows."""
        ...

    def texts(self) -> Iterable[str]:
        """Return the texts that the search looks at."""
        ...


R = TypeVar("R", bound=ListRow)


@dataclass(frozen=True, slots=True)
class PageView:
    """The members of the query. Unknown and malformed ones are ignored."""

    q: str = ""
    """The searched text."""
    keys: int = 1
    """The page of the hook keys."""
    hooks: int = 1
    """The page of the inline hooks."""
    deliveries: int = 1
    """The page of the deliveries."""
    open: str = ""
    """The id of the delivery whose details are open, or of a created key or hook. Its list shows it
    in any case."""
    edit: str = ""
    """The id of the key or hook that the page has a form for."""
    delete: str = ""
    """The id of the key or hook whose deletion the page asks to confirm."""
    event: str = ""
    """The id of the hook that the page has a form to fire with another event for."""
    token: str = ""
    """The delivery and the step whose token is inspected, separated by a dot."""
    done: str = ""
    """The name of the message about the last action."""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> PageView:
        """Read the query of a URL."""
        values: dict[str, Any] = {}
        for field in fields(cls):
            given = query.get(field.name, "")[:MAX_QUERY]
            if field.type != "int":
                values[field.name] = given.strip()
            elif given.isascii() and given.isdigit():
                values[field.name] = min(max(1, int(given[:6])), MAX_PAGE)
        return cls(**values)

    def at(self, keys: int, hooks: int, deliveries: int) -> PageView:
        """Return this view with the numbers of the pages that are shown."""
        return replace(self, keys=keys, hooks=hooks, deliveries=deliveries)

    def query(self, **changes: object) -> str:
        """Return the query for this view with some changes; empty for the default view.

        What belongs to a single step is left out: ``open``, ``edit``, ``delete``, ``event``,
        ``token`` and ``done``.
        """
        kept = {"q": self.q, "keys": self.keys, "hooks": self.hooks, "deliveries": self.deliveries}
        values = {**asdict(PageView()), **kept, **changes}
        changed = {
            name: value for name, value in values.items() if value != getattr(PageView(), name)
        }
        return "?" + urlencode(changed, errors="replace") if changed else ""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """The rows of one list that are on the page."""

    rows: Sequence[T]
    number: int
    """The number of this page, from 1."""
    pages: int
    """The number of pages, at least 1."""
    found: int
    """The number of rows on all pages."""
    total: int
    """The number of rows without the search."""


def paged(rows: Iterable[R], number: int, search: str, opened: str = "") -> Page[R]:
    """Return one page of the rows that contain the searched text, in upper or lower case.

    ``rows``: all rows, in order.
    ``number``: the wanted page; the last one, if there are fewer.
    ``search``: the text; empty for all rows.
    ``opened``: the id of a row that is shown in any case: the page is the one with this row.
        Default: none.
    """
    every, wanted = list(rows), search.casefold()
    found = [
        row
        for row in every
        if row.id == opened or any(wanted in each.casefold() for each in row.texts())
    ]
    pages = max(1, -(-len(found) // SIZE))
    places = (place // SIZE + 1 for place, row in enumerate(found) if row.id == opened)
    number = next(places, min(number, pages))
    return Page(found[(number - 1) * SIZE :][:SIZE], number, pages, len(found), len(every))

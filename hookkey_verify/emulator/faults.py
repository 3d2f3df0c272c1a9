"""Faults: what the org does wrong on purpose, to the next requests. Pure."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, get_args

from ..errors import ConfigurationError

__all__ = ["Fault", "FaultKind", "Faults"]

FaultKind = Literal["reset", "garbage", "truncated", "slow"]
"""The connection is reset; the answer is octets that are no JSON; half of it comes and the
connection ends; it drips for ``delay`` seconds."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)?")
_FRAMING: Final = ("connection", "content-length", "transfer-encoding", "upgrade")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to a request instead of its answer, or before it.

    Raises ``ConfigurationError`` naming the field.
    """

    what: int | FaultKind | None = None
    """A status (400 to 599) with Okta's error for it, or a ``FaultKind``; None: answer as usual."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of the answer, in the place of its own: ``{"X-Rate-Limit-Reset": "1761311167"}``."""
    delay: float = 0
    """Seconds to wait before; for "slow", that the answer takes."""
    after: bool = False
    """Do what was asked, and only then fail: a lost answer."""
    method: str | None = None
    """Only requests with this method."""
    path: str = "/"
    """Only paths that begin so."""
    times: int = 1
    """How many requests."""

    def __post_init__(self) -> None:
        is_status = type(self.what) is int and 400 <= self.what <= 599
        if self.what is not None and self.what not in get_args(FaultKind) and not is_status:
            kinds = ", ".join(get_args(FaultKind))
            raise ConfigurationError(f"what must be None, a status from 400 to 599, or {kinds}")
        if type(self.delay) not in (int, float) or not 0 <= self.delay <= 60:
            raise ConfigurationError("delay must be a number of seconds from 0 to 60")
        if self.what == "slow" and not self.delay:
            raise ConfigurationError("slow needs a delay: the seconds that the answer takes")
        if type(self.after) is not bool:
            raise ConfigurationError("after must be True or False")
        if type(self.times) is not int or self.times < 1:
            raise ConfigurationError("times must be a positive number of requests")
        if not isinstance(self.path, str) or not isinstance(self.method, str | None):
            raise ConfigurationError("path and method must be strings")
        if not isinstance(self.headers, Mapping) or not all(map(_is_header, self.headers.items())):
            raise ConfigurationError(
                "headers must map names to values of printable ASCII, and cannot be "
                + ", ".join(_FRAMING)
            )

    @property
    def status(self) -> int | None:
        """The status to answer with, if it is that kind of fault."""
        return self.what if isinstance(self.what, int) else None


def _is_header(header: tuple[object, object]) -> bool:
    name, value = header
    if not isinstance(name, str) or not isinstance(value, str):
        return False
    if name.lower() in _FRAMING:
        return False
    return bool(_TOKEN.fullmatch(name) and _VALUE.fullmatch(value))


class Faults:
    """The faults to come, in order. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Have this happen after those that were added before."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Let everything be as usual."""
        with self._lock:
            self._faults.clear()

    def take(self, method: str, path: str) -> Fault:
        """Return the first fault for this request, used up once; one that does nothing if none."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.method in (None, method) and path.startswith(fault.path):
                    if fault.times == 1:
                        del self._faults[index]
                    else:
                        self._faults[index] = replace(fault, times=fault.times - 1)
                    return fault
        return NOTHING


NOTHING: Final = Fault()

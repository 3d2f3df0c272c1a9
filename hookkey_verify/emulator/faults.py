"""Faults that the org injects into the next requests. Pure."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, get_args

from ..errors import ConfigurationError

__all__ = ["Fault", "FaultKind", "Faults"]

FaultKind = Literal["reset", "garbage", "truncated", "slow"]
"""``reset`` resets the connection, ``garbage`` answers with bytes that are not JSON, ``truncated``
closes the connection after half of the response, and ``slow`` sends it during ``delay`` seconds."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)?")
_FRAMING: Final = ("connection", "content-length", "transfer-encoding", "upgrade")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault that replaces or delays the response to a request.

    Raises ``ConfigurationError`` naming the field.
    """

    what: int | FaultKind | None = None
    """A status (400 to 599) with Okta's error for it, or a ``FaultKind``. None: as usual."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that replace those of the response: ``{"X-Rate-Limit-Reset": "1761311167"}``."""
    delay: float = 0
    """Seconds, 0 to 60, to wait before the response; for "slow", the duration of the response."""
    after: bool = False
    """Whether to carry out the request before failing, as if its response was lost."""
    method: str | None = None
    """Only requests with this method. None: any method."""
    path: str = "/"
    """Only requests whose path begins with this."""
    times: int = 1
    """The number of requests that the fault applies to."""

    def __post_init__(self) -> None:
        for holds, rule in _RULES:
            if not holds(self):
                raise ConfigurationError(rule)

    @property
    def status(self) -> int | None:
        """The status of the response, if the fault is one."""
        return self.what if isinstance(self.what, int) else None


def _is_what(what: object) -> bool:
    is_status = type(what) is int and 400 <= what <= 599
    return what is None or what in get_args(FaultKind) or is_status


def _is_header(header: tuple[object, object]) -> bool:
    name, value = header
    if not isinstance(name, str) or not isinstance(value, str) or name.lower() in _FRAMING:
        return False
    return bool(_TOKEN.fullmatch(name) and _VALUE.fullmatch(value))


_RULES: Final[tuple[tuple[Callable[[Fault], bool], str], ...]] = (
    (
        lambda fault: _is_what(fault.what),
        f"what must be None, a status from 400 to 599, or {', '.join(get_args(FaultKind))}",
    ),
    (
        lambda fault: type(fault.delay) in (int, float) and 0 <= fault.delay <= 60,
        "delay must be a number of seconds from 0 to 60",
    ),
    (
        lambda fault: fault.what != "slow" or fault.delay > 0,
        "slow needs a delay: the duration of the response in seconds",
    ),
    (lambda fault: type(fault.after) is bool, "after must be True or False"),
    (
        lambda fault: type(fault.times) is int and fault.times >= 1,
        "times must be a positive number of requests",
    ),
    (
        lambda fault: isinstance(fault.path, str) and isinstance(fault.method, str | None),
        "path and method must be strings",
    ),
    (
        lambda fault: (
            isinstance(fault.headers, Mapping) and all(map(_is_header, fault.headers.items()))
        ),
        "headers must map names to values of printable ASCII, and cannot be " + ", ".join(_FRAMING),
    ),
)


class Faults:
    """The pending faults in order. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Append a fault."""
        with self._lock:
            self._faults.append(fault)

    def pending(self) -> tuple[Fault, ...]:
        """Return the faults that have not been used up."""
        with self._lock:
            return tuple(self._faults)

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()

    def take(self, method: str, path: str) -> Fault:
        """Return and consume the first fault for this request, or one without effect."""
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

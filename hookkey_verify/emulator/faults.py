"""Faults: what the org does wrong on purpose, to the next requests. Pure."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from ..errors import ConfigurationError

__all__ = ["Fault", "Faults"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to a request instead of its answer, or before it."""

    status: int | None = None
    """Answer with this status (400 to 599) and Okta's error for it; None: answer as usual."""
    delay: float = 0
    """Seconds to wait before."""
    after: bool = False
    """Do what was asked, and only then answer with ``status``: a lost answer."""
    method: str | None = None
    """Only requests with this method."""
    path: str = "/"
    """Only paths that begin so."""
    times: int = 1
    """How many requests."""

    def __post_init__(self) -> None:
        status_is_wrong = type(self.status) is not int or not 400 <= self.status <= 599
        if self.status is not None and status_is_wrong:
            raise ConfigurationError("status must be None or from 400 to 599")
        if type(self.delay) not in (int, float) or not 0 <= self.delay <= 60:
            raise ConfigurationError("delay must be a number of seconds from 0 to 60")
        if type(self.times) is not int or self.times < 1:
            raise ConfigurationError("times must be a positive number of requests")
        if not isinstance(self.path, str) or not isinstance(self.method, str | None):
            raise ConfigurationError("path and method must be strings")


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

    def take(self, method: str, path: str) -> Fault | None:
        """Return the first fault for this request and use it up once."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.method in (None, method) and path.startswith(fault.path):
                    if fault.times == 1:
                        del self._faults[index]
                    else:
                        self._faults[index] = replace(fault, times=fault.times - 1)
                    return fault
        return None

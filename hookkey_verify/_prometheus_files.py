"""The metrics in prometheus_client's multiprocess mode, where each process writes files.

The process that is scraped reads the files of all. Gauges must be written there regularly, which a
thread in each process does. If the parent of forked workers uses no keys itself, its gauges would
become old, so they are withdrawn after a fork until the next event.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

import prometheus_client as client
from prometheus_client.registry import Collector

from ._metrics import (
    ALL_COUNTERS,
    API_ERRORS,
    API_REASONS,
    DURATIONS,
    GAUGES,
    Gauge,
    Watched,
    counter_of,
    labels_of,
)
from ._runtime.forking import PerProcess
from ._runtime.log import RareLog
from .events import Event
from .health import HasHealth

__all__ = ["WRITE_INTERVAL", "Written"]

WRITE_INTERVAL = 5.0
"""Seconds before the first and between two writings of the gauges."""


class _Forks:
    """Counts the forks of this process."""

    def __init__(self) -> None:
        self.count = 0
        register = getattr(os, "register_at_fork", lambda **_: None)  # Windows has no forks
        register(after_in_parent=self._forked)

    def _forked(self) -> None:
        self.count += 1


_FORKS: Final = _Forks()


class Written:
    """Counts events in the client's own metrics, and writes the gauges in a thread."""

    def __init__(self, prefix: str) -> None:
        """``prefix``: the beginning of all names."""
        self._log = RareLog()
        self._watched = Watched()
        self._counters = {
            each: client.Counter(
                f"{prefix}_{each.prometheus}", each.text, each.labels, registry=None
            )
            for each in ALL_COUNTERS
        }
        for reason in API_REASONS:
            self._counters[API_ERRORS].labels(reason)
        self._histograms = {
            each: client.Histogram(
                f"{prefix}_{each.prometheus}",
                each.text,
                each.labels,
                registry=None,
                buckets=each.buckets,
            )
            for each in DURATIONS.values()
        }
        self._gauges = {
            each: client.Gauge(
                f"{prefix}_{each.prometheus}",
                each.text,
                each.labels,
                registry=None,
                multiprocess_mode="livemin" if each.of_several == "min" else "livemax",
            )
            for each in GAUGES
        }
        self._written: set[tuple[Gauge, tuple[str, ...]]] = set()
        self._running = PerProcess(threading.Lock)
        self._forks = 0

    def collectors(self) -> Iterable[Collector]:
        """Return what to register."""
        return [*self._counters.values(), *self._histograms.values(), *self._gauges.values()]

    def watch(self, objects: Iterable[HasHealth]) -> None:
        """Report the health of these objects. Raises ``ConfigurationError``."""
        self._watched.add(objects)
        self._start()

    def counts_of(self, event: Event) -> Callable[[float | None], None]:
        """Return a function that counts events like this one, given their seconds."""
        counted, duration = counter_of(event), DURATIONS.get(event.name)
        counter = histogram = None
        if counted is not None:
            counter = self._counters[counted].labels(*labels_of(event, counted.labels))
        if duration is not None:
            histogram = self._histograms[duration].labels(*labels_of(event, duration.labels))

        def count(seconds: float | None) -> None:
            self._start()
            if counter is not None:
                counter.inc()
            if histogram is not None:
                histogram.observe(seconds or 0.0)

        return count

    def write(self, *, withdraw: bool = False) -> None:
        """Write the gauges of what exists, and correct those of what no longer does.

        ``withdraw``: whether to correct all of them, as if no object were watched.
        """
        values = {} if withdraw else self._values()
        gone = self._written - values.keys()
        self._written |= values.keys()
        values |= {each: each[0].when_gone for each in gone if each[0].when_gone is not None}
        for (gauge, labels), value in values.items():
            self._gauges[gauge].labels(*labels).set(value)

    def _values(self) -> dict[tuple[Gauge, tuple[str, ...]], float]:
        samples = self._watched.samples(time.time())
        return {
            (gauge, labels): value for gauge, of_all in samples.items() for labels, value in of_all
        }

    def _start(self) -> None:
        """Start the thread that writes the gauges, unless it runs in this process."""
        self._forks = _FORKS.count
        running = self._running()
        if running.locked() or not running.acquire(blocking=False):
            return
        thread = threading.Thread(
            target=self._write_repeatedly, args=(running,), name="hookkey-metrics", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no thread can be started; the next event tries again
            running.release()

    def _write_repeatedly(self, running: threading.Lock) -> None:
        # A process that forks workers usually does so before the first writing.
        withdrawn = False
        while not withdrawn:
            time.sleep(WRITE_INTERVAL)
            forked = self._forks != _FORKS.count
            try:
                self.write(withdraw=forked)
                withdrawn = forked
            except Exception as error:  # such as a full disk: try again
                text = f"the gauges could not be written: {type(error).__name__}"
                self._log(logging.ERROR, text)
        running.release()
        if self._forks == _FORKS.count:  # there was an event meanwhile
            self._start()

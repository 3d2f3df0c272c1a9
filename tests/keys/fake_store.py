"""A shared key store in memory, for tests and simulations."""

from __future__ import annotations

from ..faults import ManualClock

__all__ = ["FakeStore"]


class FakeStore:
    """A SharedKeyStore with a manual clock; the methods named in ``broken`` fail."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.kept: dict[tuple[str, str], tuple[bytes, float]] = {}
        self.leases: dict[tuple[str, str], tuple[str, float]] = {}
        self.broken: set[str] = set()
        self.spent: list[tuple[str, int, float]] = []
        self.wait = 0.0

    def _check(self, what: str) -> None:
        if what in self.broken:
            raise ConnectionError(what)

    def read(self, namespace: str, name: str) -> tuple[bytes, float] | None:
        self._check("read")
        record, until = self.kept.get((namespace, name), (b"", 0.0))
        return (record, until - self.clock.now) if self.clock.now < until else None

    def write(self, namespace: str, name: str, record: bytes, seconds: float) -> None:
        self._check("write")
        self.kept[namespace, name] = record, self.clock.now + seconds

    def lease(self, namespace: str, name: str, seconds: float) -> str | None:
        self._check("lease")
        if self.clock.now < self.leases.get((namespace, name), ("", 0.0))[1]:
            return None
        self.leases[namespace, name] = "token", self.clock.now + seconds
        return "token"

    def spend(self, namespace: str, burst: int, interval: float) -> float:
        self._check("spend")
        self.spent.append((namespace, burst, interval))
        return self.wait

    def release(self, namespace: str, name: str, token: str) -> None:
        self._check("release")
        assert self.leases.pop((namespace, name))[0] == token

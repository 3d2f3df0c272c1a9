"""ServerClock converts readings of our clock to readings of a server's clock. Pure."""

from __future__ import annotations

__all__ = ["ServerClock"]


class ServerClock:
    """Estimates the difference of two clocks from the server's answers.

    A server that reads its clock between two of our readings is ahead of us by at least its reading
    minus our second one. The greatest lower bound is kept, so a converted reading is never later
    than the server's, and too early by less than the fastest round trip so far.
    """

    __slots__ = ("_ahead",)

    def __init__(self) -> None:
        self._ahead: float | None = None

    def reading(self, moment: float) -> float:
        """Return the server's reading at a moment of our clock; 0 before the first answer."""
        return 0.0 if self._ahead is None else moment + self._ahead

    def observe(self, sent: float, received: float, reading: float) -> None:
        """Learn from an answer.

        ``sent``, ``received``: when the command was sent and its answer received, by our clock.
        ``reading``: the server's clock while it executed the command. All in seconds.
        """
        least, most = reading - received, reading - sent
        if self._ahead is None or self._ahead > most:  # nothing known, or a clock was set
            self._ahead = least
        else:
            self._ahead = max(self._ahead, least)

"""How long things took."""

from __future__ import annotations

import statistics
from collections import deque

# The last so many are remembered of each kind.
REMEMBERED = 1000


class Recorder:
    """Remembers durations, in seconds."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)

    def add(self, seconds: float) -> None:
        """One more."""
        self._seconds.append(seconds)

    def median_and_p99(self) -> tuple[float, float] | None:
        """Of what is remembered; None: nothing is."""
        if not self._seconds:
            return None
        ordered = sorted(self._seconds)
        return statistics.median(ordered), ordered[int(len(ordered) * 0.99)]

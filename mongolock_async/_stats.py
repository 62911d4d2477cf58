"""What a session has done, in numbers."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass

# The last so many are remembered of each kind.
REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Latency:
    """How long something took, of the last 1,000 times.

    Attributes:
        median: seconds.
        p99: seconds; the 99th percentile.
    """

    median: float
    p99: float


@dataclass(frozen=True, slots=True)
class Stats:
    """What a repository does and has done in this process.

    Attributes:
        held: leases that it holds now.
        waiting: callers that wait for a lock now.
        waits_by: ``"events"`` of a change stream, or ``"polling"``; None: nobody has waited of late.
        renewals: renewals of one lease, or of one place in a queue, that the server has confirmed.
        losses: leases that ended without having been released.
        obtain: from sending a claim that won to its answer; None: there was none yet.
        renewal: from sending a renewal to its answer; None: there was none yet.
        hand_off: by the server's clock, from the grant of a lock that was waited for to the first command
            of its new holder, which it sends as soon as it knows; None: there was none yet. Where locks
            change hands many times a second, about one a second is measured.
    """

    held: int
    waiting: int
    waits_by: str | None
    renewals: int
    losses: int
    obtain: Latency | None
    renewal: Latency | None
    hand_off: Latency | None


class Recorder:
    """Remembers latencies."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=REMEMBERED)

    def add(self, seconds: float) -> None:
        """One more."""
        self._seconds.append(seconds)

    def latency(self) -> Latency | None:
        """Of what is remembered."""
        if not self._seconds:
            return None
        ordered = sorted(self._seconds)
        return Latency(statistics.median(ordered), ordered[int(len(ordered) * 0.99)])

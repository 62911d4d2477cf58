"""The clock of local deadlines, and the margin that they keep."""

from __future__ import annotations

import time

if hasattr(time, "CLOCK_BOOTTIME"):

    def now() -> float:
        """Seconds that only ever grow, and that count the time in which the machine was suspended."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

else:
    now = time.monotonic


def margin(ttl: float, wanted: float | None) -> float:
    """How much earlier than the server a holder calls its lease expired.

    What is wanted, or else 5 % of the ttl, at least 0.1 s and at most 1 s; never more than half the ttl.
    It covers clocks that run at different speeds, and the time from reading ``held`` to acting on it.
    """
    return min(min(max(0.05 * ttl, 0.1), 1.0) if wanted is None else wanted, ttl / 2)

"""How long to wait before the next try. Knows no MongoDB."""

from __future__ import annotations

import random

FIRST = 0.020
LONGEST = 0.250
# Lands just behind the expiry that the server named, and not a millisecond before it.
AFTER_EXPIRY = 0.002


class Backoff:
    """Growing, jittered pauses, from 20 to 250 ms (seconds as float)."""

    def __init__(self) -> None:
        self._next = FIRST

    def pause(self, until_expiry: float | None) -> float:
        """The next pause; never past the holder's expiry. None: nobody is known to hold the lock."""
        pause = self._next * random.uniform(0.5, 1)
        self._next = min(self._next * 1.5, LONGEST)
        return pause if until_expiry is None else min(pause, until_expiry + AFTER_EXPIRY)

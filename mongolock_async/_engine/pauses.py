"""How long to wait until the next look or question. Seconds."""

from __future__ import annotations

import random

# A waiter that polls looks again after a tenth of the time that it has waited, within these bounds, so
# that it hears of a release late by a twentieth of its wait, whatever that is.
FIRST = 0.010
LONGEST = 0.250
PART = 0.1
# One further back looks this much less often for each place before it, but never more rarely than that.
RAREST = 1.0
# One who would be called looks all the same, in case that the call is lost.
FIRST_LOOK = 1.0
LAST_LOOK = 5.0
# A refresh of its place is a look, too, but tells nothing of those before it: no longer than that without one
# that does. Of these, one that is dead may have been granted the lock, for 10 s.
LONGEST_BLIND = 8.0
# Lands just behind the expiry that the server named, and not a millisecond before it.
AFTER_EXPIRY = 0.002
# Those behind the head of a queue leave it time to be served.
PER_PLACE = 0.050
LAST_PLACE = 100


class Backoff:
    """Growing, jittered pauses: from 20 to 250 ms, unless it is told otherwise."""

    def __init__(self, first: float = 2 * FIRST, longest: float = LONGEST) -> None:
        self._next = min(first, longest)
        self._longest = longest

    def pause(self, until_expiry: float | None) -> float:
        """The next pause; never past the holder's expiry. None: nobody is known to hold the lock."""
        pause = self._next * random.uniform(0.5, 1)
        self._next = min(self._next * 1.5, self._longest)
        return pause if until_expiry is None else min(pause, until_expiry + AFTER_EXPIRY)


class LookPause:
    """Growing, jittered pauses between two looks of one who would be called: from 1 s to 5 s."""

    def __init__(self) -> None:
        self._next = FIRST_LOOK

    def next(self) -> float:
        """The next pause."""
        pause = self._next
        self._next = min(self._next * 1.5, LAST_LOOK)
        return pause * random.uniform(0.9, 1)


def poll_pause(waited: float, before: int) -> float:
    """Seconds until the next look of one who has waited so long and has so many before it in the queue."""
    head = min(max(FIRST, PART * waited), LONGEST)
    return min(head * (1 + before), RAREST) * random.uniform(0.5, 1)


def after_expiry(until_expiry: float, before: int) -> float:
    """Seconds until one with so many before it tries to take what a dead holder has left."""
    return until_expiry + AFTER_EXPIRY + PER_PLACE * min(before, LAST_PLACE)

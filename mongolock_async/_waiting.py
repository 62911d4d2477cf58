"""How to wait: whose turn it is in this process, and how long until the next look. Knows no MongoDB."""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict

# A waiter that polls looks again after a tenth of the time that it has waited, within these bounds, so
# that it hears of a release late by a twentieth of its wait, whatever that is.
FIRST = 0.010
LONGEST = 0.250
PART = 0.1
# One further back looks this much less often for each place before it, but never more rarely than that.
RAREST = 1.0
# Lands just behind the expiry that the server named, and not a millisecond before it.
AFTER_EXPIRY = 0.002
# Those behind the head of a queue leave it time to be served.
PER_PLACE = 0.050
LAST_PLACE = 100


class Backoff:
    """Growing, jittered pauses, from 20 to 250 ms (seconds as float)."""

    def __init__(self) -> None:
        self._next = 2 * FIRST

    def pause(self, until_expiry: float | None) -> float:
        """The next pause; never past the holder's expiry. None: nobody is known to hold the lock."""
        pause = self._next * random.uniform(0.5, 1)
        self._next = min(self._next * 1.5, LONGEST)
        return pause if until_expiry is None else min(pause, until_expiry + AFTER_EXPIRY)


def poll_pause(waited: float, place: int) -> float:
    """Seconds until the next look of one who has waited so long and has so many before it in the queue."""
    head = min(max(FIRST, PART * waited), LONGEST)
    return min(head * (1 + place), RAREST) * random.uniform(0.5, 1)


def after_expiry(until_expiry: float, place: int) -> float:
    """Seconds until one at this place tries to take what a dead holder has left."""
    return until_expiry + AFTER_EXPIRY + PER_PLACE * min(place, LAST_PLACE)


Ticket = asyncio.Future[None]


class Lines:
    """The tasks of one process that wait for the same name: first come, first served."""

    def __init__(self) -> None:
        self._lines: dict[str, OrderedDict[Ticket, None]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._lines

    async def enter(self, name: str) -> Ticket:
        """Wait until all who came before have left; whoever has entered, leaves in the end."""
        line = self._lines.setdefault(name, OrderedDict())
        ticket = asyncio.get_running_loop().create_future()
        line[ticket] = None
        if next(iter(line)) is not ticket:
            try:
                await ticket
            except BaseException:
                self.leave(name, ticket)
                raise
        return ticket

    def leave(self, name: str, ticket: Ticket) -> None:
        """It is the next one's turn."""
        line = self._lines[name]
        was_first = next(iter(line)) is ticket
        del line[ticket]
        if not line:
            del self._lines[name]
        elif was_first:
            first = next(iter(line))
            # One that was cancelled just now passes the turn on when it leaves.
            if not first.done():
                first.set_result(None)

"""A waiter's place in the queue of a lock."""

from __future__ import annotations

import asyncio
import math

from . import _clock
from ._document import Reply
from ._protocol import WAITER_MS
from ._stream import Call
from ._waiting import after_expiry

# A grant by event is believed without asking only if our last answer is not older than this part of the ttl.
DOUBTED = 1 / 4


class Place:
    """A place in a lock's queue. It is kept alive as a lease is."""

    ttl = WAITER_MS / 1000
    resting = False
    alone = False

    def __init__(self, name: str, lease_id: str) -> None:
        self.name = name
        self.id = lease_id
        self.news = asyncio.Event()
        self.gone = False
        self.call: Call | None = None
        self.number = 0
        self.asked = -math.inf
        self.due = math.inf
        self.began = _clock.now()
        self._confirmed = -math.inf
        self._newest = 0

    def heard(self, sent: float, reply: Reply) -> None:
        """The server, asked then, says that it stands in the queue."""
        self.confirm(sent, 0)
        self.asked = sent
        self.number = reply.place or 0
        until = self.ttl if reply.next_expiry is None else reply.next_expiry
        self.due = _clock.now() + after_expiry(until, self.number)
        self._newest = max((holder.fencing_token for holder in reply.holders), default=0)

    def confirm(self, sent: float, remaining: float) -> None:
        """At some moment after ``sent`` it stood in the queue, or was granted and renewed."""
        del remaining
        self._confirmed = max(self._confirmed, sent)

    def end(self, reason: str) -> None:
        """It stands there no more."""
        del reason
        self.gone = True
        self.news.set()

    def granted(self, ttl: float) -> tuple[int, float] | None:
        """The token of which an event told, and from when its ttl counts; None: ask the server.

        A grant is older than our last answer only if a stream is late; its token shows that.
        """
        if self.call is None or self.call.token is None or self.call.token <= self._newest:
            return None
        if _clock.now() - self._confirmed > ttl * DOUBTED:
            return None
        return self.call.token, self._confirmed

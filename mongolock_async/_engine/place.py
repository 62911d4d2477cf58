"""A waiter's place in the queue of a lock, as a state machine."""

from __future__ import annotations

import asyncio
import math
from enum import Enum
from typing import Any

from mongolock_async._protocol.pipeline import PLACE_MS
from mongolock_async._protocol.reply import Reply

from .backend import Call
from .clock import Clock
from .pauses import after_expiry

# A call is believed without asking only if our last answer is not older than this part of the ttl.
DOUBTED = 1 / 4


class State(Enum):
    """Where a place stands, as far as this process knows."""

    CLAIMED = "a claim or a question of its own is under way"
    QUEUED = "it stands in the queue"
    CALLED = "it was called: the lock may be its own"
    GRANTED = "the lock is its own"
    LOST = "it stands in the queue no more"
    WITHDRAWN = "nobody waits here any more"


class Place:
    """A place in a lock's queue. It is kept alive as a lease is.

    Attributes:
        id: the lease id that it has, and that the lease would have.
        state: changed by the methods below ``waits``, and by nothing else.
        news: set whenever there may be something to do.
        command: the last command of its own; it goes on when the waiter has left.
        before: how many stood before it, by the last answer.
        due: when to ask for what a dead holder has left.
        opening: how often we had begun to listen when the last question was sent that found it in the queue.
        began: since when it has waited, as far as the pauses of polling go.
    """

    ttl = PLACE_MS / 1000
    resting = False
    alone = False

    def __init__(self, name: str, lease_id: str, clock: Clock) -> None:
        self.name = name
        self.id = lease_id
        self.state = State.CLAIMED
        self.news = asyncio.Event()
        self.command: asyncio.Task[Any] | None = None
        self.before = 0
        self.due = math.inf
        self.opening = 0
        self.began = clock.now()
        self._clock = clock
        self._call: Call | None = None
        self._confirmed = -math.inf
        self._newest = 0

    @property
    def waits(self) -> bool:
        """Whether its waiter still has to be served."""
        return self.state in {State.QUEUED, State.CALLED}

    def asks(self) -> None:
        """A question is sent. What it was called for before is its answer's affair."""
        if self.waits:
            self._call = None
            self.state = State.CLAIMED

    def answered(self, sent: float, reply: Reply | None) -> None:
        """What was asked then found it in the queue, or nowhere."""
        if self.state is not State.CLAIMED:
            return
        if reply is None or reply.place is None:
            self.gone()
            return
        self.renewed(sent)
        self._newest = reply.newest
        self.stands(reply)
        # A call may overtake the answer.
        self.state = State.QUEUED if self._call is None else State.CALLED

    def stands(self, reply: Reply) -> None:
        """Where it stands in the queue, and until when the others live."""
        self.before = reply.place or 0
        until = self.ttl if reply.next_expiry is None else reply.next_expiry
        self.due = self._clock.now() + after_expiry(until, self.before)

    def called(self, call: Call) -> None:
        """It is said to have been granted the lock."""
        if self.state is State.CLAIMED or self.waits:
            self._call = call
        if self.waits:
            self.state = State.CALLED
            self.news.set()

    def granted(self) -> None:
        """The server's answer, or a call that is believed, says that the lock is its own."""
        self.state = State.GRANTED

    def renewed(self, sent: float) -> None:
        """At some moment after ``sent`` it stood in the queue, or was granted and renewed."""
        self._confirmed = max(self._confirmed, sent)

    def gone(self) -> None:
        """It stands there no more."""
        if self.state is State.CLAIMED or self.waits:
            self.state = State.LOST
            self.news.set()

    def withdraw(self) -> None:
        """Nobody waits here any more."""
        if self.state is not State.GRANTED:
            self.state = State.WITHDRAWN
            self.news.set()

    def told(self, ttl: float) -> tuple[int, float] | None:
        """The token of which a call told, and from when its ttl counts; None: ask the server.

        A grant is older than our last answer only if the call is late; its token shows that.
        """
        if self._call is None or self._call.token is None or self._call.token <= self._newest:
            return None
        if self._clock.now() - self._confirmed > ttl * DOUBTED:
            return None
        return self._call.token, self._confirmed

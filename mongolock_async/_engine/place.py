"""A waiter's place in the queue of a lock, as a state machine."""

from __future__ import annotations

import asyncio
import math
from enum import Enum
from typing import Any

from mongolock_async._protocol.entry import PLACE_MS
from mongolock_async._protocol.kind import base_of
from mongolock_async._protocol.reply import Grant, Reply

from .backend import Call
from .clock import Clock
from .pauses import FIRST_LOOK, LONGEST_BLIND, LookPause, after_expiry, poll_pause


class State(Enum):
    """Where a place stands, as far as this process knows."""

    CLAIMED = "a claim or a question of its own is under way"
    QUEUED = "it stands in the queue"
    CALLED = "it was called: the lock may be its own"
    GRANTED = "the lock is its own, for certain"
    LOST = "it stands in the queue no more"
    WITHDRAWN = "nobody waits here any more"


class Place:
    """A place in a lock's queue. It is kept alive as a lease is.

    Attributes:
        id: the lease id that it has, and that the lease would have.
        state: changed by the methods below ``waits``, and by nothing else.
        news: set whenever there may be something to do.
        command: the last command of its own; it goes on when the waiter has left.
        call: the last one that was heard, and not asked about yet.
        grant: what the server has granted, and when it was asked.
        before: how many stood before it, by the last answer.
        ask_due: when to ask for what a dead holder has left.
        look_due: when to look what has become of it.
        began: since when it has waited, as far as the pauses of polling go.
        deaf: whether it was queued up by one who could not hear calls, so that nobody calls it.
        keep_alive: whether its lease would be renewed, and so made whole; else, it has to ask.
    """

    kind = "place"
    life = PLACE_MS / 1000
    resting = False
    alone = False

    def __init__(self, name: str, lease_id: str, clock: Clock, *, keep_alive: bool = True) -> None:
        self.name = name
        self.id = lease_id
        self.state = State.CLAIMED
        self.news = asyncio.Event()
        self.command: asyncio.Task[Any] | None = None
        self.call: Call | None = None
        self.grant: tuple[float, Grant] | None = None
        self.before = 0
        self.ask_due = math.inf
        self.look_due = math.inf
        self.began = clock.now()
        self.keep_alive = keep_alive
        self.deaf = False
        self._clock = clock
        self._pauses = LookPause()
        self._told = self.began

    @property
    def upgrades(self) -> bool:
        """Whether it is a lease of ours that is to weigh more."""
        return base_of(self.id) is not None

    @property
    def waits(self) -> bool:
        """Whether its waiter still has to be served."""
        return self.state in {State.QUEUED, State.CALLED}

    def asks(self) -> None:
        """A question is sent. What it was called for before is its answer's affair."""
        if self.waits:
            self.call = None
            self.state = State.CLAIMED

    def answered(self, reply: Reply | None) -> None:
        """What was asked found it in the queue, or nowhere."""
        if self.state is not State.CLAIMED:
            return
        if reply is None or reply.place is None:
            self.state = State.LOST
            return
        self.stands(reply)
        # A call may overtake the answer.
        self.state = State.QUEUED if self.call is None else State.CALLED

    def stands(self, reply: Reply) -> None:
        """Where it stands in the queue, and until when those before it live."""
        now = self._clock.now()
        self.before = reply.place or 0
        until = self.life if reply.next_expiry is None else reply.next_expiry
        self.ask_due = now + after_expiry(until, self.before)
        self.look_due = now + self._pauses.next()
        self._told = now

    def called(self, call: Call) -> None:
        """It is said to have been granted the lock."""
        if self.state is State.CLAIMED or self.waits:
            self.call = call
            self.news.set()
        if self.waits:
            self.state = State.CALLED

    def granted(self, sent: float, grant: Grant) -> None:
        """The server, asked then, says that the lock is its own."""
        if self.state is State.CLAIMED or self.waits:
            self.grant = sent, grant
            self.state = State.GRANTED
            self.news.set()

    def unheard(self) -> None:
        """Whether it was granted the lock could not be found out: it waits as before, and looks soon."""
        if self.state is State.CLAIMED:
            self.state = State.QUEUED
            self.look_due = self._clock.now()

    def poll(self, *, deaf: bool) -> None:
        """Where nothing is heard, one who waits looks often; where nobody knows whom to call, each second."""
        if deaf or self.deaf:
            now = self._clock.now()
            pause = poll_pause(now - self.began, self.before) if deaf else FIRST_LOOK
            self.look_due = min(self.look_due, now + pause)

    def renewed(self, sent: float) -> None:
        """At some moment after ``sent`` it stood in the queue: that was a look, too."""
        self.look_due = max(self.look_due, min(sent + self._pauses.next(), self._told + LONGEST_BLIND))

    def gone(self) -> None:
        """A refresh did not find it: it has been granted, or is lost, and a look will tell."""
        self.look_due = self._clock.now()
        self.news.set()

    def withdraw(self) -> None:
        """Nobody waits here any more."""
        if self.state is not State.GRANTED:
            self.state = State.WITHDRAWN
            self.news.set()

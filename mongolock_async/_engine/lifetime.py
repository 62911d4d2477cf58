"""Whether a member may be used: in one process and one event loop, from its making to its closing."""

from __future__ import annotations

import asyncio
import math
import os

from mongolock_async._errors import LockError

from .backend import Backend, Renewer
from .background import Background
from .clock import Clock, wait

# Seconds until an index that could not be made for want of a server is tried again, and until a collection
# that cannot keep locks is looked at again.
INDEX_AGAIN = 10.0


class Lifetime:
    """Opens with the first claim, which makes the index, and ends with ``close``.

    Attributes:
        loop: the event loop that it belongs to, from the first use on.
    """

    def __init__(self, backend: Backend, renewals: Renewer, background: Background, clock: Clock) -> None:
        self._backend = backend
        self._renewals = renewals
        self._background = background
        self._clock = clock
        self._index: asyncio.Task[None] | None = None
        self._index_due = -math.inf
        self._refused: LockError | None = None
        self._pid = os.getpid()
        self.loop: asyncio.AbstractEventLoop | None = None
        self._used = False
        self._closed = False
        self._sleepers: set[asyncio.Event] = set()

    @property
    def is_open(self) -> bool:
        """Whether it was used in this process, and not closed since."""
        return self._used and not self._closed and os.getpid() == self._pid

    @property
    def is_closed(self) -> bool:
        """Whether it has ended."""
        return self._closed

    def check(self) -> None:
        """Refuse work in a forked child, in another event loop, and after the end."""
        self.check_place()
        if self._closed:
            raise LockError("this LockRepository is closed")

    def check_place(self) -> None:
        """Refuse work in a forked child, and in another event loop."""
        if os.getpid() != self._pid:
            raise LockError("this LockRepository was made before a fork; make a new one in the child")
        loop = asyncio.get_running_loop()
        if self.loop is None:
            self._backend.bind()
            self._renewals.bind()
            self.loop = loop
        elif self.loop is not loop:
            raise LockError("this LockRepository belongs to another event loop; make one inside each")

    async def begin(self) -> None:
        """A claim is about to be made."""
        self.check()
        self._used = True
        await self.index()
        self.check()

    async def index(self) -> None:
        """Make the index, unless it is made, or has just failed. Callers at a time share one attempt.

        Raises:
            LockError: no locks can be kept there.
        """
        if self._clock.now() >= self._index_due:
            self._index = self._index or self._background.spawn(self._make_index())
            await asyncio.wait([self._index])
        if self._refused is not None:
            raise LockError(*self._refused.args) from self._refused.__cause__

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass, or less, if it is closed meanwhile."""
        if self._closed:
            return
        awake = asyncio.Event()
        self._sleepers.add(awake)
        try:
            await wait(self._clock, awake, seconds)
        finally:
            self._sleepers.discard(awake)

    def close(self) -> None:
        """No more work is taken; those who sleep wake."""
        self._closed = True
        for awake in self._sleepers:
            awake.set()

    async def _make_index(self) -> None:
        made, self._refused = False, None
        try:
            made = await self._backend.index()
        except LockError as error:
            self._refused = error
        finally:
            self._index_due = math.inf if made else self._clock.now() + INDEX_AGAIN
            self._index = None

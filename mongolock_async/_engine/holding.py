"""A lease as its process knows it: until when it is held, and what ended it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from mongolock_async._errors import LeaseLostError
from mongolock_async._protocol.request import Request, TtlChange

from .backend import Transaction
from .clock import Clock, Timer
from .story import UNTOLD
from .ttl import Ttl

RELEASED = "released"
EXPORTED = "exported"
EXPIRED = "expired unrenewed"
TAKEN = "taken over"
FORCED = "forced, or removed on the server"
CLOSED = "the repository was closed"
SLOW = "the answer took longer than the ttl"
# Its holder wanted that: it is no loss.
NO_LOSS = {RELEASED, EXPORTED}


class Holding:
    """One lease, from its grant to its end.

    It is made, and watched, in the member's event loop. ``held`` and all that it goes by may be read in any
    thread, and a thread that renews calls ``renewed`` and ``gone``: what they say is so at once, and what
    follows from an end happens in the loop as soon as that runs.

    Attributes:
        id: proves whose it is, and nothing else does.
        kept: whether it is kept alive for somebody.
        ticking: whether it is for a boundary, so that the iterator of its schedule releases it.
        boundary_ms: which boundary it was granted for; None: it is no schedule's.
        kind: "first" from a grant by somebody else's command to the first renewal, and then "lease".
        life: seconds that it lives unrenewed.
        lost: set when it ends without having been released or exported.
        releasing: what releases it, or has; None: nobody wants that yet.
        let_go: whether it was held when it was released.
        transaction: the last one that it was verified in.
        upgrade: the id of its last upgrade that is not known to be taken back.
        upgraded: whether it weighs all of the lock, for now.
        story: what is told of it.
    """

    def __init__(
        self,
        lease_id: str,
        request: Request,
        fencing_token: int,
        margin: Callable[[float], float],
        clock: Clock,
    ) -> None:
        self.id = lease_id
        self.name = request.name
        self.request = request
        self.kept = request.keep_alive
        self.ticking = request.tick is not None
        self.boundary_ms: int | None = None
        self.owner = request.owner
        self.life = request.ttl
        self.kind = "lease"
        self.fencing_token = fencing_token
        self.lost = asyncio.Event()
        self.releasing: asyncio.Task[bool] | None = None
        self.let_go = False
        self.transaction: Transaction | None = None
        self.upgrade: str | None = None
        self.upgraded = False
        self.story = UNTOLD
        self._margin = margin
        self._clock = clock
        # Held while one of the next three is changed: it may end, or get another ttl, while it is renewed.
        self._changing = threading.Lock()
        self._ttl = Ttl(request.ttl)
        self._deadline = 0.0
        self._ended: str | None = None
        self._told = False
        self._on_end: list[Callable[[Holding], None]] = []
        self._timer: Timer | None = None
        self._loop = asyncio.get_running_loop()
        self._pid = os.getpid()

    @property
    def ttl(self) -> float:
        """Seconds that a renewal lets it live, by the last answer."""
        return self._ttl.seconds

    @property
    def held(self) -> bool:
        """Whether it is certainly still ours."""
        return self.remaining > 0

    @property
    def remaining(self) -> float:
        """Seconds until ``held`` turns False, unless it is renewed; 0 when it is over, or after a fork."""
        if self._ended is not None or os.getpid() != self._pid:
            return 0.0
        return self.left

    @property
    def left(self) -> float:
        """Seconds until the server may let the next one in, if nobody releases it before."""
        return max(0.0, self._deadline - self._clock.now())

    @property
    def ended(self) -> str | None:
        """Why it is over; None: it is not."""
        return self._ended

    def loss(self, reason: str | None = None) -> LeaseLostError:
        """The error that says so; for this reason, or the one by which it is over."""
        return LeaseLostError(self.name, self.owner, self.fencing_token, reason or self._ended or EXPIRED)

    def is_lost_by(self, error: BaseException) -> bool:
        """Whether the error says that this very lease is over."""
        return isinstance(error, LeaseLostError) and (error.name, error.fencing_token) == (
            self.name,
            self.fencing_token,
        )

    @property
    def exclusive(self) -> bool:
        """Whether it takes the whole capacity."""
        return self.upgraded or self.request.whole

    @property
    def shared(self) -> bool:
        """Whether others may hold the lock beside it."""
        return self.request.shared and not self.upgraded

    @property
    def keeps(self) -> bool:
        """Whether the name is to stay taken for some time."""
        return self.request.at_least is not None

    @property
    def alone(self) -> bool:
        """Whether a renewal might wait for the end of a transaction of our own."""
        return self.transaction is not None and self.transaction.in_transaction

    @property
    def resting(self) -> bool:
        """Whether it is left to its transaction for now: there is time enough."""
        return self.alone and self.remaining > self.life / 2

    def begin(self, first: float) -> None:
        """It lives for so many seconds at first."""
        self.kind, self.life = "first", first

    def confirm(self, sent: float, remaining: float) -> None:
        """The server, asked at ``sent``, gave it ``remaining`` seconds from some moment after that."""
        margin = self._margin(max(remaining, self._ttl.sure))
        with self._changing:
            self._deadline = max(self._deadline, sent + remaining - margin)
        if self._timer is None and self._ended is None:
            self._watch()

    def renewed(self, sent: float) -> None:
        """The server, asked at ``sent``, let it live for its whole ttl again."""
        with self._changing:
            self.kind, self.life = "lease", self._ttl.sure
            given = self._ttl.given(sent)
        self.confirm(sent, given)
        self.story.renewed(sent)

    def change(self, ttl: float) -> TtlChange:
        """Another ttl is about to be sent."""
        with self._changing:
            return self._ttl.change(ttl)

    def changed(self, change: TtlChange, sent: float, remaining: float) -> None:
        """The server, asked at ``sent``, gave it the other ttl, unless a later change came first."""
        with self._changing:
            self._ttl.changed(change, self._clock.now())
            self.kind, self.life = "lease", self._ttl.sure
        self.confirm(sent, min(change.ttl, remaining))
        self.story.renewed(sent)

    def gone(self) -> None:
        """The server has nothing of it any more."""
        self.end(FORCED)

    def end(self, reason: str) -> None:
        """It is over, now, unless it was before. It is a loss, unless its holder wanted it."""
        with self._changing:
            if self._ended is None:
                self.let_go = reason == RELEASED and self.held
                self._ended = reason
        if _running_loop() is self._loop:
            self._tell()
            return
        with suppress(RuntimeError):  # the loop is closed, and nobody is left to be told
            self._loop.call_soon_threadsafe(self._tell)

    def on_end(self, callback: Callable[[Holding], None]) -> None:
        """Call back once it ends, in the event loop; at once, if it has."""
        if self._told:
            callback(self)
        else:
            self._on_end.append(callback)

    @contextmanager
    def watched(self, callback: Callable[[Holding], None]) -> Iterator[None]:
        """As ``on_end``, if it ends during the block."""
        self.on_end(callback)
        try:
            yield
        finally:
            with suppress(ValueError):  # it was called
                self._on_end.remove(callback)

    def _watch(self) -> None:
        with self._changing:
            left = self._deadline - self._clock.now()
            if left <= 0:
                self._ended = self._ended or EXPIRED
        if self._ended is None:
            # A timer may come early, where its clock stands still while the machine sleeps: look again.
            self._timer = self._clock.call_later(left, self._watch)
        else:
            self._tell()

    def _tell(self) -> None:
        """What follows from its end, in the loop."""
        self._told = True
        if self._timer is not None:
            self._timer.cancel()
        if self._ended not in NO_LOSS:
            self.lost.set()
        callbacks, self._on_end = self._on_end, []
        for callback in callbacks:
            callback(self)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None

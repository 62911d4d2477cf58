"""What listeners are told of one call, and of the lease that it gets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Literal, TypeVar

from mongolock_async._errors import LockTimeoutError
from mongolock_async._protocol.reply import Reply
from mongolock_async._protocol.request import Request

from . import events
from .boundaries import moment
from .holding import CLOSED, EXPIRED, EXPORTED, FORCED, RELEASED, Holding
from .listeners import Listeners, LockFacts, LockListener, facts
from .refusal import AlreadyDoneError
from .story import UNTOLD as OVER
from .story import LeaseStory

T = TypeVar("T")
Event = TypeVar("Event", bound=events.LockEvent)

# Why a lease ended that is not lost, but for a release; by its reason.
ENDS: dict[str | None, Literal["exported", "closed", "expired"]] = {
    EXPORTED: "exported",
    CLOSED: "closed",
    EXPIRED: "expired",
}


class CallStory:
    """That of one call that asks for a lock: nothing is told, as nobody listens."""

    def of(self, call: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """Do it; if it raises, that is the end of the story."""
        return call

    def waits(self, place: int | None = None) -> None:
        """It is not served at once; so many stand before it; None: it is not in the queue yet."""

    def handed(self, seconds: float) -> None:
        """It was granted what it waited for, so long ago."""

    def granted(self, holding: Holding, reply: Reply | None = None) -> None:
        """It has got a lease; by this answer, if it was a boundary's."""

    def upgraded(self, holding: Holding) -> None:
        """Its lease weighs all of the lock now."""

    def refused(self) -> None:
        """It was not to wait, and has got nothing."""


UNTOLD = CallStory()


def story_of(listeners: Listeners, request: Request, began: float | None = None) -> CallStory:
    """Of a call that began then; None: now."""
    return ToldCall(listeners, request, began) if listeners.audience else UNTOLD


class _Call(LockFacts):
    waited: float
    queued: bool
    place: int | None


class _Lease(LockFacts):
    fencing_token: int


class ToldCall(CallStory):
    """That of a call which somebody listens to. Its methods are called in the task of the call."""

    def __init__(self, listeners: Listeners, request: Request, began: float | None) -> None:
        self._listeners = listeners
        self._audience = listeners.audience
        self._request = request
        self._began = listeners.clock.now() if began is None else began
        self._queued = False
        self._place: int | None = None
        self._hand_off: float | None = None

    async def of(self, call: Coroutine[Any, Any, T]) -> T:
        """See ``CallStory``."""
        try:
            return await call
        except BaseException as error:
            self._failed(error)
            raise

    def waits(self, place: int | None = None) -> None:
        """See ``CallStory``. It is told once, and the first place remembered."""
        if self._place is None:
            self._place = place
        if not self._queued:
            self._queued = True
            self._tell(LockListener.waiting, events.WaitingEvent(**facts(self._request), place=place))

    def handed(self, seconds: float) -> None:
        """See ``CallStory``."""
        self._hand_off = seconds

    def granted(self, holding: Holding, reply: Reply | None = None) -> None:
        """See ``CallStory``."""
        boundary, lag = None, None
        if self._request.tick is not None and reply is not None:
            tick = reply.tick
            boundary = moment(tick.last_ms)
            lag = (tick.now_ms - tick.last_ms) / 1000
        token, hand_off = holding.fencing_token, self._hand_off
        event = events.AcquiredEvent(
            **self._call(), fencing_token=token, hand_off=hand_off, boundary=boundary, lag=lag
        )
        self._tell(LockListener.acquired, event)
        holding.story = ToldLease(self._listeners, self._audience, holding)

    def upgraded(self, holding: Holding) -> None:
        """See ``CallStory``."""
        event = events.UpgradedEvent(**self._call(), fencing_token=holding.fencing_token)
        self._tell(LockListener.upgraded, event)

    def refused(self) -> None:
        """See ``CallStory``."""
        self._tell(LockListener.busy, events.BusyEvent(**self._call()))

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, AlreadyDoneError):
            self.refused()
        elif isinstance(error, LockTimeoutError):
            late = events.TimedOutEvent(**self._call(), timeout=error.timeout, holder=error.owner)
            self._tell(LockListener.timed_out, late)
        else:
            outcome: Literal["cancelled", "error"] = "error" if isinstance(error, Exception) else "cancelled"
            failed = events.FailedEvent(**self._call(), error=error, outcome=outcome)
            self._tell(LockListener.failed, failed)

    def _call(self) -> _Call:
        waited = self._listeners.clock.now() - self._began
        return {**facts(self._request), "waited": waited, "queued": self._queued, "place": self._place}

    def _tell(self, method: Callable[[LockListener, Event], None], event: Event) -> None:
        self._listeners.tell(self._audience, method, event)


class ToldLease(LeaseStory):
    """That of a lease which somebody listens to.

    What a task of ours has found out is told by a callback of the loop, and not in that task: a listener may
    cancel the current one.
    """

    def __init__(self, listeners: Listeners, audience: tuple[LockListener, ...], holding: Holding) -> None:
        self._listeners = listeners
        self._audience = audience
        self._holding = holding
        self._clock = listeners.clock
        self._loop = asyncio.get_running_loop()
        self._since = self._clock.now()
        # For how long it was held; None: it still is.
        self._held: float | None = None
        self._over = False

    def renewed(self, sent: float) -> None:
        """See ``LeaseStory``."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._renewed, self._clock.now() - sent)

    def ended(self, *, lost: bool) -> None:
        """See ``LeaseStory``. Of a release, its answer tells."""
        self._held = self._clock.now() - self._since
        reason = self._holding.ended
        if reason == EXPORTED:
            self._end(reason)
        elif reason != RELEASED:
            self._loop.call_soon(self._lost if lost else self._end, str(reason))

    def ends_with(self, release: asyncio.Task[bool] | asyncio.Task[bool | None]) -> None:
        """See ``LeaseStory``."""
        release.add_done_callback(self._released)

    def _renewed(self, duration: float) -> None:
        if self._held is None:
            remaining = self._holding.remaining
            event = events.RenewedEvent(**self._lease(), duration=duration, remaining=remaining)
            self._listeners.tell(self._audience, LockListener.renewed, event)

    def _released(self, release: asyncio.Task[bool] | asyncio.Task[bool | None]) -> None:
        if self._over:  # it is tried again, or it was over before
            return
        if release.cancelled() or release.exception() is not None or release.result() is None:
            self._let_go("unconfirmed")
        elif release.result() is False:
            self._lost(FORCED if self._holding.let_go else EXPIRED)
        else:
            self._let_go("released")

    def _end(self, reason: str) -> None:
        self._let_go(ENDS[reason])

    def _let_go(self, outcome: Literal["released", "unconfirmed", "exported", "closed", "expired"]) -> None:
        self._close()
        event = events.ReleasedEvent(**self._lease(), held=self._held or 0.0, outcome=outcome)
        self._listeners.tell(self._audience, LockListener.released, event)

    def _lost(self, reason: str) -> None:
        self._close()
        event = events.LostEvent(**self._lease(), held=self._held or 0.0, reason=reason)
        self._listeners.tell(self._audience, LockListener.lost, event)

    def _close(self) -> None:
        self._over = True
        # Else, the two would refer to each other, and wait for the garbage collector.
        self._holding.story = OVER

    def _lease(self) -> _Lease:
        return {**facts(self._holding.request), "fencing_token": self._holding.fencing_token}

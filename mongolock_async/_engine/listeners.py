"""Those who want to be told what happens to locks."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
from collections.abc import Callable, Iterable
from typing import TypedDict, TypeVar

from mongolock_async._protocol.request import Request
from mongolock_async._settings import Owner

from .clock import Clock
from .events import (
    AcquiredEvent,
    BusyEvent,
    CreatedEvent,
    FailedEvent,
    LockEvent,
    LostEvent,
    ReleasedEvent,
    RenewedEvent,
    TimedOutEvent,
    UpgradedEvent,
    WaitingEvent,
)

logger = logging.getLogger("mongolock_async")

# Seconds from one line about listeners that fail to the next.
PACE = 1.0

Event = TypeVar("Event", bound=LockEvent)


class LockListener:
    """Is told what happens to the locks of a repository: override what you want to hear.

    ``LockRepository(collection, event_listeners=[listener])``. The methods here do nothing. Each call that
    asks for a lock ends in one of ``acquired``, ``busy``, ``timed_out`` and ``failed`` (that of an upgrade:
    ``upgraded`` in place of ``acquired``); ``waiting`` comes before that, if it was not served at once. Each
    lease that was ``acquired`` ends in one of ``released`` and ``lost``.

    All methods are called in the event loop of the repository, one after the other, also where a thread
    renews: be quick, and do not block. (``created`` alone is called wherever the object is made.) Those that
    tell the end of a call are called in its task, before it returns: its context variables are there.
    What a method raises is logged, a line a second at most, and goes no further.
    """

    def created(self, event: CreatedEvent) -> None:
        """An object for a lock was made; nobody has asked for the lock yet."""

    def waiting(self, event: WaitingEvent) -> None:
        """A call waits."""

    def acquired(self, event: AcquiredEvent) -> None:
        """A call has got a lease."""

    def upgraded(self, event: UpgradedEvent) -> None:
        """An upgradable reader has become a writer. The lease is the same."""

    def busy(self, event: BusyEvent) -> None:
        """A call that does not wait was refused."""

    def timed_out(self, event: TimedOutEvent) -> None:
        """A call has waited in vain."""

    def failed(self, event: FailedEvent) -> None:
        """A call was cancelled, or has raised another error."""

    def renewed(self, event: RenewedEvent) -> None:
        """A lease was renewed."""

    def released(self, event: ReleasedEvent) -> None:
        """A lease has ended, as its holder wanted it."""

    def lost(self, event: LostEvent) -> None:
        """A lease has ended otherwise."""


Audience = tuple[LockListener, ...]


class LockFacts(TypedDict):
    """What each event says of the lock."""

    name: str
    owner: Owner
    kind: str
    weight: int


def facts(request: Request) -> LockFacts:
    """Of the lock that is asked for."""
    return {"name": request.name, "owner": request.owner, "kind": request.kind, "weight": request.weight}


class Listeners:
    """Those of one repository.

    Args:
        listeners: the first of them.
        clock: by which lines of the log are paced.

    Attributes:
        audience: all of them now. Who hears of the beginning of a call hears all of it.
        clock: the same.

    Raises:
        TypeError: one is no ``LockListener``, or has a coroutine function for a method.
    """

    def __init__(self, listeners: Iterable[LockListener] | None, clock: Clock) -> None:
        self.audience: Audience = ()
        self.clock = clock
        self._silent_until = -math.inf
        self._unsaid = 0
        if listeners is not None and not isinstance(listeners, Iterable):
            raise TypeError(f"event_listeners must be LockListeners, not {type(listeners).__name__}")
        for listener in listeners or ():
            self.add(listener)

    def add(self, listener: LockListener) -> None:
        """One more, who hears of calls that begin from now on, and of the leases that they get."""
        if not isinstance(listener, LockListener):
            raise TypeError(f"an event listener must be a LockListener, not {listener!r}")
        for name, _ in inspect.getmembers(LockListener, inspect.isfunction):
            if inspect.iscoroutinefunction(getattr(listener, name)):
                raise TypeError(f"{type(listener).__name__}.{name} must be a plain function, without async")
        self.audience = (*self.audience, listener)

    def created(self, request: Request) -> None:
        """An object for this lock was made."""
        if self.audience:
            self.tell(self.audience, LockListener.created, CreatedEvent(**facts(request)))

    def tell(self, audience: Audience, method: Callable[[LockListener, Event], None], event: Event) -> None:
        """Whatever they do with it, it harms nobody else."""
        for listener in audience:
            try:
                getattr(listener, method.__name__)(event)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - it is logged
                self._failed(f"{type(listener).__name__}.{method.__name__}", error)

    def _failed(self, who: str, error: BaseException) -> None:
        now = self.clock.now()
        if now < self._silent_until:
            self._unsaid += 1
            return
        more = f" (and {self._unsaid} times since the last line)" if self._unsaid else ""
        self._silent_until, self._unsaid = now + PACE, 0
        logger.error("the event listener %s failed%s", who, more, exc_info=error)

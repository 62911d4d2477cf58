"""Be told what happens to locks: for metrics, traces, and a log of one's own.

>>> class Losses(LockListener):
...     def lost(self, event: LostEvent) -> None:
...         print(event.name, event.reason)
>>>
>>> locks = LockRepository(db.locks, event_listeners=[Losses()])
"""

from ._engine.events import (
    AcquiredEvent,
    BusyEvent,
    CallEvent,
    CreatedEvent,
    FailedEvent,
    LeaseEvent,
    LockEvent,
    LostEvent,
    ReleasedEvent,
    RenewedEvent,
    TimedOutEvent,
    UpgradedEvent,
    WaitingEvent,
)
from ._engine.listeners import LockListener

__all__ = [
    "AcquiredEvent",
    "BusyEvent",
    "CallEvent",
    "CreatedEvent",
    "FailedEvent",
    "LeaseEvent",
    "LockEvent",
    "LockListener",
    "LostEvent",
    "ReleasedEvent",
    "RenewedEvent",
    "TimedOutEvent",
    "UpgradedEvent",
    "WaitingEvent",
]

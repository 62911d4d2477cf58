"""A listener that writes everything down."""

from __future__ import annotations

from typing import Any

from mongolock_async.monitoring import (
    AcquiredEvent,
    BusyEvent,
    CreatedEvent,
    FailedEvent,
    LockListener,
    LostEvent,
    ReleasedEvent,
    RenewedEvent,
    TimedOutEvent,
    UpgradedEvent,
    WaitingEvent,
)


class Diary(LockListener):
    """What it was told, in this order.

    Attributes:
        told: the methods that were called, but for ``created``.
        events: what each of them was given.
        created_names: of what was made.
    """

    def __init__(self) -> None:
        self.told: list[str] = []
        self.events: list[Any] = []
        self.created_names: list[str] = []

    @property
    def last(self) -> Any:
        """The last event."""
        return self.events[-1]

    def of(self, method: str) -> list[Any]:
        """The events of this kind."""
        return [event for told, event in zip(self.told, self.events, strict=True) if told == method]

    def created(self, event: CreatedEvent) -> None:
        self.created_names.append(event.name)

    def waiting(self, event: WaitingEvent) -> None:
        self._note("waiting", event)

    def acquired(self, event: AcquiredEvent) -> None:
        self._note("acquired", event)

    def upgraded(self, event: UpgradedEvent) -> None:
        self._note("upgraded", event)

    def busy(self, event: BusyEvent) -> None:
        self._note("busy", event)

    def timed_out(self, event: TimedOutEvent) -> None:
        self._note("timed_out", event)

    def failed(self, event: FailedEvent) -> None:
        self._note("failed", event)

    def renewed(self, event: RenewedEvent) -> None:
        self._note("renewed", event)

    def released(self, event: ReleasedEvent) -> None:
        self._note("released", event)

    def lost(self, event: LostEvent) -> None:
        self._note("lost", event)

    def _note(self, method: str, event: Any) -> None:
        self.told.append(method)
        self.events.append(event)

"""What listeners are told: one frozen object for each thing that has happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mongolock_async._settings import Owner


@dataclass(frozen=True, slots=True, kw_only=True)
class LockEvent:
    """Something that has happened to a lock. All durations are in seconds.

    Attributes:
        name: the lock.
        owner: the owner of the claim, for people to read.
        kind: ``"mutex"``, ``"semaphore"``, ``"rwlock"`` or ``"once"``. Elections and schedules are mutexes.
        weight: how much of the lock is asked for: 1 of a mutex, and of a reader.
    """

    name: str
    owner: Owner
    kind: str
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedEvent(LockEvent):
    """An object for this lock was made, such as by ``locks.lock(name)``; or its document, by ``create``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingEvent(LockEvent):
    """A call has begun to wait: it was not served at once.

    Attributes:
        place: how many stand before it in the lock's queue; None: it stands behind another task of its
            process, and not in the queue yet.
    """

    place: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent(LockEvent):
    """The end of one call that asked for a lock.

    Attributes:
        waited: from the beginning of the call to its end.
        queued: whether ``waiting`` was told of it.
        place: how many stood before it in the lock's queue at first; None: it did not stand there.
    """

    waited: float
    queued: bool
    place: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquiredEvent(CallEvent):
    """The call has got a lease.

    Attributes:
        fencing_token: of the lease; with the name, it tells one lease from all others.
        hand_off: by the server's clock, from the grant to the first command of the new holder, of one that
            stood in the lock's queue; None: it did not.
        boundary: of a schedule, in UTC; None: it is no schedule's.
        lag: of a schedule, by the server's clock, from the boundary to the claim; None: it is no schedule's.
    """

    fencing_token: int
    hand_off: float | None
    boundary: datetime | None
    lag: float | None
    outcome: Literal["granted"] = "granted"

    @property
    def token(self) -> int:
        """The fencing token."""
        return self.fencing_token


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradedEvent(CallEvent):
    """An upgradable reader has become a writer, under the same lease.

    Attributes:
        fencing_token: of the lease.
    """

    fencing_token: int
    outcome: Literal["granted"] = "granted"

    @property
    def token(self) -> int:
        """The fencing token."""
        return self.fencing_token


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyEvent(CallEvent):
    """A call that does not wait was refused: the lock is taken; or ``once``: it is done already."""

    outcome: Literal["busy"] = "busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedOutEvent(CallEvent):
    """The call's time was up; it raises ``LockTimeoutError``.

    Attributes:
        timeout: how long it was willing to wait.
        holder: who was in the way, as far as that is known.
    """

    timeout: float
    holder: Owner | None
    outcome: Literal["timeout"] = "timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedEvent(CallEvent):
    """The call has ended by another error, or was cancelled.

    Attributes:
        error: what the call raises.
        outcome: ``"cancelled"`` or ``"error"``.
    """

    error: BaseException
    outcome: Literal["cancelled", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseEvent(LockEvent):
    """Something that has happened to a lease.

    Attributes:
        fencing_token: of the lease; with the name, it tells one lease from all others.
    """

    fencing_token: int

    @property
    def token(self) -> int:
        """The fencing token."""
        return self.fencing_token


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewedEvent(LeaseEvent):
    """The server has renewed the lease.

    Attributes:
        duration: from the sending of the renewal to its answer.
        remaining: how long the lease lasts from now on, unless it is renewed.
    """

    duration: float
    remaining: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedEvent(LeaseEvent):
    """The lease is over, as its holder wanted it.

    Attributes:
        held: from the grant's answer to the end.
        outcome: ``"released"``; ``"unconfirmed"``: the release has failed, and the lease expires by itself;
            ``"exported"``: it may go on elsewhere; ``"closed"``: the repository was closed; ``"expired"``: it
            was to expire, with a name that stays taken (``at_least``).
    """

    held: float
    outcome: Literal["released", "unconfirmed", "exported", "closed", "expired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LostEvent(LeaseEvent):
    """The lease has ended while its holder still relied on it.

    Attributes:
        held: from the grant's answer to the end.
        reason: why, for people to read.
    """

    held: float
    reason: str
    outcome: Literal["lost"] = "lost"

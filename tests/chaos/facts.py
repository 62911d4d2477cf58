"""What workers did, as facts on one clock. Pure.

Times are seconds of the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["reader", "upgradable", "writer", "leader"]


@dataclass(frozen=True, slots=True)
class Section:
    """From ``begin`` to ``end`` a worker saw that it held the lock; it may have held it for longer.

    ``role``: in a reader-writer lock or an election. An upgradable reader has a section for each part of its
    time as a writer, and a leader one from each value to the next, with the same lease and token.
    """

    lock: str
    lease: str
    token: int
    begin: float
    end: float
    weight: int = 1
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a lock's queue: asked for, known to be had, and the token that it led to (None: none)."""

    lock: str
    lease: str
    asked: float
    queued: float
    token: int | None


@dataclass(frozen=True, slots=True)
class Write:
    """A write under a lock that took effect, and the place that the server gave it among all of them."""

    lock: str
    order: int
    token: int


@dataclass(frozen=True, slots=True)
class Wait:
    """A call that waited; None: until the end of the history."""

    lock: str
    began: float
    ended: float | None


@dataclass(frozen=True, slots=True)
class Look:
    """Who was seen to lead, at ``t``, and what it told."""

    lock: str
    token: int
    owner: str
    value: str
    t: float


@dataclass(slots=True)
class History:
    """Of one run.

    Attributes:
        capacities: of the locks that have another one than 1.
        runs: the boundaries of ``every`` whose body was run, in milliseconds of the server's clock.
        faults: from when to when there was one; they do not overlap.
        over: when it ended.
    """

    sections: list[Section] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    capacities: dict[str, int] = field(default_factory=dict)
    faults: list[tuple[float, float]] = field(default_factory=list)
    over: float = 0.0


def said_by(owner: str, what: str) -> str:
    """The value of a leader, by which it is known whose it is."""
    return f"{owner}: {what}"

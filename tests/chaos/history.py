"""What workers did, as facts on one clock, and the rules that it must keep. Pure.

Times are seconds of the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, TypeVar

T = TypeVar("T", "Section", "Place", "Write", "Wait")
Role = Literal["reader", "upgradable", "writer"]


@dataclass(frozen=True, slots=True)
class Section:
    """From ``begin`` to ``end`` a worker saw that it held the lock; it may have held it for longer.

    ``role``: of a reader-writer lock. An upgradable reader has a section for each part of its time as a
    writer, with the same lease and token.
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
    capacities: dict[str, int] = field(default_factory=dict)
    faults: list[tuple[float, float]] = field(default_factory=list)
    over: float = 0.0


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that was broken, and how."""

    rule: str
    lock: str
    what: str


def violations(history: History, patience: float) -> list[Violation]:
    """All of them; nobody may wait for more than ``patience`` seconds, those of faults not counted."""
    return [
        *_overlaps(history),
        *_beside_writers(history),
        *_tokens(history),
        *_stale_writes(history),
        *_boundaries(history),
        *_queue_jumpers(history),
        *_stuck(history, patience),
    ]


def _overlaps(history: History) -> Iterator[Violation]:
    """At no time do the weights of those inside exceed the capacity."""
    for lock, sections in _by_lock(history.sections):
        capacity = history.capacities.get(lock, 1)
        for inside in _together([section for section in sections if section.role is None]):
            if sum(one.weight for one in inside) > capacity:
                yield Violation("overlap", lock, f"{inside}, capacity {capacity}")


def _beside_writers(history: History) -> Iterator[Violation]:
    """A writer is alone, and there is one upgradable reader at a time."""
    for lock, sections in _by_lock(history.sections):
        for inside in _together([section for section in sections if section.role is not None]):
            roles = Counter(one.role for one in inside)
            if roles["writer"] and len(inside) > 1:
                yield Violation("beside a writer", lock, str(inside))
            if roles["upgradable"] > 1:
                yield Violation("two upgradable", lock, str(inside))


def _together(sections: list[Section]) -> Iterator[list[Section]]:
    """Those inside, whenever one comes in, which is the last of them."""
    moments: list[tuple[float, int, int, Section]] = []
    for number, section in enumerate(sections):
        moments.append((section.begin, 1, number, section))
        # One may begin in the instant in which another ends; its own end comes after its beginning.
        moments.append((section.end, 0 if section.end > section.begin else 2, number, section))
    inside: dict[int, Section] = {}
    for _, kind, number, section in sorted(moments, key=lambda moment: moment[:3]):
        if kind == 1:
            inside[number] = section
            yield list(inside.values())
        else:
            del inside[number]


def _tokens(history: History) -> Iterator[Violation]:
    """Of a mutex, and of writers, they grow in the order of the sections; no two grants have the same.

    One that is upgraded again has its own.
    """
    for lock, sections in _by_lock(history.sections):
        if lock not in history.capacities:
            alone = [section for section in sections if section.role in {None, "writer"}]
            ordered = sorted(alone, key=lambda section: section.begin)
            for former, later in pairwise(ordered):
                again = later.role is not None and later.lease == former.lease
                if later.token < former.token or (later.token == former.token and not again):
                    yield Violation("token order", lock, f"{former} before {later}")
        leases: dict[int, str] = {}
        for section in sections:
            if leases.setdefault(section.token, section.lease) != section.lease:
                yield Violation("token twice", lock, f"{section} and {leases[section.token]}")


def _stale_writes(history: History) -> Iterator[Violation]:
    """Nothing that an older token wrote comes after what a newer one wrote."""
    for lock, writes in _by_lock(history.writes):
        newest = 0
        for write in sorted(writes, key=lambda write: write.order):
            if write.token < newest:
                yield Violation("stale write", lock, f"{write} after token {newest}")
            newest = max(newest, write.token)


def _boundaries(history: History) -> Iterator[Violation]:
    """Each is run at most once."""
    seen = set()
    for boundary in history.runs:
        if boundary in seen:
            yield Violation("boundary twice", "", str(boundary))
        seen.add(boundary)


def _queue_jumpers(history: History) -> Iterator[Violation]:
    """Who was queued before another asked, is granted before it, unless it loses its place."""
    for lock, places in _by_lock(history.places):
        granted = [(place, place.token) for place in places if place.token is not None]
        queued = sorted(granted, key=lambda one: one[0].queued)
        first: tuple[Place, int] | None = None
        number = 0
        for place, token in sorted(granted, key=lambda one: one[0].asked):
            while number < len(queued) and queued[number][0].queued < place.asked:
                if first is None or queued[number][1] > first[1]:
                    first = queued[number]
                number += 1
            if first is not None and first[1] > token:
                yield Violation("queue jumped", lock, f"{place} overtook {first[0]}")


def _stuck(history: History, patience: float) -> Iterator[Violation]:
    """Nobody waits for ever. A fault may cost a waiter its place, and many faults as many places."""
    for lock, waits in _by_lock(history.waits):
        for wait in waits:
            ended = history.over if wait.ended is None else wait.ended
            during = sum(max(0, min(ended, end) - max(wait.began, begin)) for begin, end in history.faults)
            waited = ended - wait.began - during
            if waited > patience:
                yield Violation("stuck", lock, f"{wait}: {waited:.1f} s, and {during:.1f} s of faults")


def _by_lock(items: Iterable[T]) -> Iterable[tuple[str, list[T]]]:
    found: defaultdict[str, list[T]] = defaultdict(list)
    for item in items:
        found[item.lock].append(item)
    return found.items()

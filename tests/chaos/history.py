"""Whether what workers did keeps the rules. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from typing import TypeVar

from .facts import History, Look, Place, Section, Wait, Write, said_by

T = TypeVar("T", Section, Place, Write, Wait, Look)

# Seconds, by far more than an old primary may go on to answer what it does not know to be over.
STALE = 20.0


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
        *_beside_each_other(history),
        *_tokens(history),
        *_stale_writes(history),
        *_leaders_seen(history),
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


def _beside_each_other(history: History) -> Iterator[Violation]:
    """A writer is alone, and there is one upgradable reader at a time; and one leader."""
    for lock, sections in _by_lock(history.sections):
        for inside in _together([section for section in sections if section.role is not None]):
            roles = Counter(one.role for one in inside)
            if roles["writer"] and len(inside) > 1:
                yield Violation("beside a writer", lock, str(inside))
            if roles["upgradable"] > 1:
                yield Violation("two upgradable", lock, str(inside))
            if roles["leader"] > 1:
                yield Violation("two leaders", lock, str(inside))


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
    """Of a mutex, of writers and leaders, they grow in the order of sections; no two grants have the same.

    One that is upgraded again has its own, as a leader that tells another value.
    """
    for lock, sections in _by_lock(history.sections):
        if lock not in history.capacities:
            alone = [section for section in sections if section.role in {None, "writer", "leader"}]
            ordered = sorted(alone, key=attrgetter("begin"))
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
        for write in sorted(writes, key=attrgetter("order")):
            if write.token < newest:
                yield Violation("stale write", lock, f"{write} after token {newest}")
            newest = max(newest, write.token)


def _leaders_seen(history: History) -> Iterator[Violation]:
    """A value is told by its leader alone, and who is seen to lead is not one of long ago."""
    terms = {lock: sorted(sections, key=attrgetter("begin")) for lock, sections in _by_lock(history.sections)}
    for lock, looks in _by_lock(history.looks):
        begun, newest = iter(terms.get(lock, [])), 0
        term = next(begun, None)
        for look in sorted(looks, key=attrgetter("t")):
            while term is not None and term.begin < look.t - STALE:
                newest = max(newest, term.token)
                term = next(begun, None)
            if look.token < newest:
                yield Violation("old leader", lock, f"{look}, after token {newest}")
            if not look.value.startswith(said_by(look.owner, "")):
                yield Violation("another's value", lock, str(look))


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

"""The explorations of the protocol as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mongolock_async._protocol.kind import READER, UPGRADABLE, WRITER

from .bounds import ALL, Bounds
from .world import TTL

# How A and B come to hold the lock.
BOTH_HOLD = (
    "A asks, and would wait",
    "the claim of A.1 is carried out",
    "B asks, and would wait",
    "the claim of B.1 is carried out",
    "a majority",
    "A hears",
    "B hears",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is explored, in words and in bounds."""

    name: str
    bounds: Bounds


def everything(depth: int) -> Plan:
    """All that is modelled, as far as this many steps go."""
    return Plan("three members that do all they can, two failures", Bounds(depth=depth, queued=True))


def weights(depth: int) -> Plan:
    """A semaphore of 2: B asks for all of it, the others for a half."""
    moves = frozenset({"wait", "ask", "release"})
    bounds = Bounds(3, 1, depth, 1, 3, (0,), moves=moves, capacity=2, kind="semaphore", weights=(1, 2, 1))
    return Plan("a semaphore of 2, one of three members asks for all of it, one failure", bounds)


def upgrades(depth: int) -> Plan:
    """A reads, and may upgrade; B reads; C writes."""
    moves = ALL - {"try", "cancel"} | {"upgrade", "downgrade", "give up"}
    who = (UPGRADABLE, READER, WRITER)
    bounds = Bounds(3, 1, depth, 1, 3, (0,), moves=moves, capacity=WRITER, kind="rwlock", weights=who)
    bounds = replace(bounds, opening=BOTH_HOLD)
    return Plan("an upgradable reader, a reader and a writer, that do all they can, one failure", bounds)


def keeping(depth: int) -> Plan:
    """The name is to stay taken for longer than a lease lives."""
    moves = frozenset({"try", "wait", "ask", "refresh", "renew", "release"})
    bounds = Bounds(2, 1, depth, 1, ahead=(0, 1), moves=moves, at_least=TTL + 1, queued=True)
    return Plan("two members whose name is to stay taken for 4 ticks, one failure", bounds)


def done_once(depth: int) -> Plan:
    """Whoever holds it ends the work, or lets go of it."""
    moves = frozenset({"wait", "ask", "refresh", "renew", "release", "finish"})
    bounds = Bounds(2, 1, depth, 1, ahead=(0, 1), kind="once", moves=moves, queued=True)
    return Plan("two members that do a thing once, one failure", bounds)


def adoptions(depth: int) -> Plan:
    """A has given its lease away, and whoever likes goes on with it, or gives his away."""
    moves = frozenset({"try", "renew", "release", "export"})
    opening = ("A asks", "the claim of A.1 is carried out", "a majority", "A hears", "A exports")
    bounds = Bounds(3, 1, depth, 1, ahead=(0, 1), moves=moves, opening=opening)
    return Plan("three members that export and adopt, one failure", bounds)


def capacities(depth: int) -> Plan:
    """A semaphore of 2, which A and B hold, and C waits for as a whole, gets the capacity 1, and 2 again."""
    moves = frozenset({"wait", "ask", "release"})
    opening = (*BOTH_HOLD[:4], "C asks", "the claim of C.1 is carried out", *BOTH_HOLD[4:], "C hears")
    bounds = Bounds(3, 1, depth, 1, 3, (0,), moves=moves, capacity=2, kind="semaphore", weights=(1, 1, 2))
    bounds = replace(bounds, sizes=(1, 2), opening=opening)
    return Plan("a semaphore that shrinks and grows, three members, one failure", bounds)


def _few(failures: int, ahead: tuple[int, ...], *moves: str) -> Bounds:
    return Bounds(2, failures, unheard=1, ahead=ahead, moves=frozenset(moves))


PLANS = (
    everything(7),
    weights(10),
    upgrades(8),
    keeping(10),
    done_once(10),
    adoptions(9),
    capacities(9),
    Plan(
        "three members that wait, ask and release, no failure",
        Bounds(3, 0, 14, unheard=1, ahead=(0,), moves=frozenset({"wait", "ask", "release"})),
    ),
    Plan("two members that try, write and release, no failure", _few(0, (0,), "try", "write", "release")),
    Plan("two members that wait, ask and release, no failure", _few(0, (0,), "wait", "ask", "release")),
    Plan(
        "two members that wait, refresh and release, no failure", _few(0, (0,), "wait", "refresh", "release")
    ),
    Plan("two members that wait, renew and release, no failure", _few(0, (0,), "wait", "renew", "release")),
    Plan("two members that try, renew and release, one failure", _few(1, (0, 1), "try", "renew", "release")),
    Plan("two members that wait and release, one failure", _few(1, (0,), "wait", "release")),
)

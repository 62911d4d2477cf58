"""The explorations of the protocol as it is."""

from __future__ import annotations

from dataclasses import dataclass

from mongolock_async._protocol.kind import READER, UPGRADABLE, WRITER

from .bounds import ALL, Bounds

# How A and B come to hold the lock.
BOTH_READ = (
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
    bounds = Bounds(3, 1, depth, 1, 3, (0,), moves=moves, capacity=2, weights=(1, 2, 1))
    return Plan("a semaphore of 2, one of three members asks for all of it, one failure", bounds)


def upgrades(depth: int) -> Plan:
    """A reads, and may upgrade; B reads; C writes."""
    moves = ALL - {"try", "cancel"} | {"upgrade", "downgrade", "give up"}
    who = (UPGRADABLE, READER, WRITER)
    bounds = Bounds(3, 1, depth, 1, 3, (0,), moves=moves, capacity=WRITER, weights=who, opening=BOTH_READ)
    return Plan("an upgradable reader, a reader and a writer, that do all they can, one failure", bounds)


def _few(failures: int, ahead: tuple[int, ...], *moves: str) -> Bounds:
    return Bounds(2, failures, unheard=1, ahead=ahead, moves=frozenset(moves))


PLANS = (
    everything(7),
    weights(10),
    upgrades(8),
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

"""A way to get the protocol wrong, and small worlds that show such."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mongolock_async._protocol.kind import READER, UPGRADABLE, WRITER

from .bounds import Bounds
from .plans import BOTH_HOLD
from .properties import Property
from .protocol import Protocol


@dataclass(frozen=True, slots=True)
class Mutation:
    """A protocol that is wrong. ``bounds``: a small world that shows it."""

    name: str
    protocol: Protocol
    breaks: Property
    bounds: Bounds


def small(*moves: str, failures: int = 0, members: int = 2, ahead: int = 0) -> Bounds:
    clocks = (0, ahead) if ahead else (0,)
    return Bounds(members, failures, unheard=1, ahead=clocks, moves=frozenset(moves))


def shared(*moves: str, failures: int = 0, members: int = 2, opening: tuple[str, ...] = BOTH_HOLD) -> Bounds:
    """A reads, and may upgrade; B reads; C writes."""
    bounds = replace(
        small("wait", "upgrade", *moves, failures=failures), grants=3, capacity=WRITER, kind="rwlock"
    )
    # Where no failover is left to come, a majority has everything at once.
    opening = tuple(beginning for beginning in opening if failures or beginning != "a majority")
    return replace(bounds, members=members, weights=(UPGRADABLE, READER, WRITER), opening=opening)


# The first steps of a longer way: A has claimed, and waits for the answer,
CLAIMED = ("A asks", "the claim of A.1 is carried out")
CLAIMED_TO_WAIT = ("A asks, and would wait", "the claim of A.1 is carried out", "a majority")
# or A releases the lock for which B waits,
HELD = (
    *CLAIMED,
    "B asks",
    "the claim of B.1 is carried out",
    "A hears",
    "B hears",
    "A sends the release",
)
# of which a majority knows.
HELD_FOR_CERTAIN = (*HELD[:4], "a majority", *HELD[4:])

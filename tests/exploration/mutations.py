"""Ways to get the protocol wrong, and the property that each of them breaks."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mongolock_async._protocol.kind import READER, UPGRADABLE, WRITER

from . import mistakes, properties
from .bounds import Bounds
from .plans import BOTH_READ
from .properties import Property
from .protocol import Protocol


@dataclass(frozen=True, slots=True)
class Mutation:
    """A protocol that is wrong. ``bounds``: a small world that shows it."""

    name: str
    protocol: Protocol
    breaks: Property
    bounds: Bounds


def _small(*moves: str, failures: int = 0, members: int = 2, ahead: int = 0) -> Bounds:
    clocks = (0, ahead) if ahead else (0,)
    return Bounds(members, failures, unheard=1, ahead=clocks, moves=frozenset(moves))


def _shared(*moves: str, failures: int = 0, members: int = 2, opening: tuple[str, ...] = BOTH_READ) -> Bounds:
    """A reads, and may upgrade; B reads; C writes."""
    bounds = replace(_small("wait", "upgrade", *moves, failures=failures), grants=3, capacity=WRITER)
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

MUTATIONS = (
    Mutation(
        "the client's clock decides what has expired",
        Protocol(server_clock=False),
        properties.ONE_BELIEVES,
        replace(_small("try"), offsets=(0, 4, 0)),
    ),
    Mutation(
        "a release frees the lock by its name",
        Protocol(document=mistakes.ByName),
        properties.OTHERS_ALONE,
        _small("try", "release"),
    ),
    Mutation(
        "a renewal revives what has expired",
        Protocol(document=mistakes.Reviving),
        properties.OTHERS_ALONE,
        _small("try", "renew"),
    ),
    Mutation(
        "a claim is answered before a majority has it",
        Protocol(majority=False),
        properties.ONE_BELIEVES,
        _small("try", failures=1),
    ),
    Mutation(
        "a call is believed",
        Protocol(makes_sure=False),
        properties.IS_STORED,
        replace(_small("wait", "release", failures=1), opening=HELD_FOR_CERTAIN),
    ),
    Mutation(
        "one who is called reads before a majority has the grant",
        Protocol(after_write=False),
        properties.ARE_TOLD,
        replace(_small("wait", "release", failures=1), opening=HELD_FOR_CERTAIN),
    ),
    Mutation(
        "a first life is taken for the whole ttl",
        Protocol(first_life=False),
        properties.ONE_BELIEVES,
        replace(_small("wait", "release"), opening=HELD),
    ),
    Mutation(
        "a refresh of a place prolongs what it was granted",
        Protocol(document=mistakes.Prolonging),
        properties.DEAF_DO_NO_HARM,
        _small("wait"),
    ),
    Mutation(
        "a renewal grants the lock to one who waits",
        Protocol(document=mistakes.Silent),
        properties.ARE_TOLD,
        _small("wait", "renew"),
    ),
    Mutation(
        "a renewal shortens a life",
        Protocol(document=mistakes.Shortening),
        properties.NOT_SHORTENED,
        _small("try", "renew", failures=2, members=1, ahead=1),
    ),
    Mutation(
        "a deadline counts from the answer, without a margin",
        Protocol(from_sending=False),
        properties.ONE_BELIEVES,
        _small("try"),
    ),
    Mutation(
        "the clock of a new primary is ahead by more than the margin",
        Protocol(),
        properties.ONE_BELIEVES,
        _small("try", failures=1, ahead=2),
    ),
    Mutation(
        "tokens start again when the document is removed",
        Protocol(document=mistakes.Counting),
        properties.TOKENS_GROW,
        _small("try"),
    ),
    Mutation(
        "the document is removed at once, and the clock of the next primary is behind",
        Protocol(retention=0),
        properties.TOKENS_GROW,
        replace(
            _small("try", "release", failures=2, members=1, ahead=1),
            opening=(*CLAIMED, "a majority", "A hears", "A sends the release"),
        ),
    ),
    Mutation(
        "a claim is repeated under a new lease id",
        Protocol(same_lease=False),
        properties.ONE_LEASE,
        _small("wait", failures=1),
    ),
    Mutation(
        "a repeated claim counts its whole ttl from the repetition",
        Protocol(from_first_sending=False),
        properties.ONE_BELIEVES,
        replace(
            _small("try", failures=1), opening=(*CLAIMED, "the claim of A.1, carried out, loses its answer")
        ),
    ),
    Mutation(
        "the resource takes every write",
        Protocol(fenced=False),
        properties.NEWEST_STANDS,
        _small("try", "write"),
    ),
    Mutation(
        "a claim overtakes those who wait",
        Protocol(document=mistakes.Overtaking),
        properties.IN_ORDER,
        _small("wait", members=3),
    ),
    Mutation(
        "a release does not hand over",
        Protocol(document=mistakes.NotHandingOver),
        properties.FREE_IS_GRANTED,
        _small("wait", "release"),
    ),
    Mutation(
        "a lease ends by release alone",
        Protocol(document=mistakes.Eternal),
        properties.CAN_BE_HAD,
        _small("try"),
    ),
    Mutation(
        "a light one overtakes a heavy one",
        Protocol(document=mistakes.Skipping),
        properties.IN_ORDER,
        replace(_small("wait", members=3), capacity=2, weights=(1, 2, 1), grants=3),
    ),
    Mutation(
        "readers behind a writer are granted it one by one",
        Protocol(document=mistakes.OneByOne),
        properties.FREE_IS_GRANTED,
        replace(
            _small("wait", "release", members=3),
            capacity=WRITER,
            weights=(WRITER, READER, READER),
            grants=3,
            opening=(*CLAIMED, "A hears"),
        ),
    ),
    Mutation(
        "an upgrade is a place like any other",
        Protocol(upgrade=mistakes.upgrade_for_itself),
        properties.UPGRADES_HAVE_LEASES,
        _shared("release"),
    ),
    Mutation(
        "an upgrade stands behind those who wait",
        Protocol(upgrade=mistakes.upgrade_at_the_end),
        properties.UPGRADES_FIRST,
        _shared(members=3),
    ),
    Mutation(
        "an upgrade does not wait for the readers",
        Protocol(upgrade=mistakes.upgrade_beside_readers),
        properties.ONE_BELIEVES,
        _shared(),
    ),
    Mutation(
        "a repeated upgrade stands in the queue twice",
        Protocol(upgrade=mistakes.upgrade_once_more),
        properties.ONE_LEASE,
        _shared(failures=1),
    ),
    Mutation(
        "a downgrade names a lease, and no upgrade",
        Protocol(downgrade=mistakes.downgrade_by_lease),
        properties.IS_STORED,
        _shared("downgrade", failures=1, members=1, opening=(*CLAIMED_TO_WAIT, "A hears")),
    ),
)

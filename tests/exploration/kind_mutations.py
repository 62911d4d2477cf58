"""The same of what not every lock has: shares, names that stay taken, outcomes, leases that are adopted."""

from __future__ import annotations

from dataclasses import replace

from mongolock_async._protocol.kind import READER, WRITER

from . import mistakes, properties
from .mutation import CLAIMED, CLAIMED_TO_WAIT, HELD, Mutation, shared, small
from .plans import BOTH_HOLD
from .protocol import Protocol
from .world import TTL

# Ticks; longer than a lease lives.
KEPT_FOR = TTL + 1

# A and B hold a semaphore,
TWO_HOLD = tuple(beginning for beginning in BOTH_HOLD if beginning != "a majority")
# or B waits for a lock that A was granted, and gives back before it knows.
GIVEN_BACK = (
    *CLAIMED,
    "B asks",
    "the claim of B.1 is carried out",
    "B hears",
    "A is cancelled",
    "the release of A.1 is carried out",
    "A asks",
)

SHARED = (
    Mutation(
        "a light one overtakes a heavy one",
        Protocol(document=mistakes.Skipping),
        properties.IN_ORDER,
        replace(small("wait", members=3), capacity=2, kind="semaphore", weights=(1, 2, 1), grants=3),
    ),
    Mutation(
        "readers behind a writer are granted it one by one",
        Protocol(document=mistakes.OneByOne),
        properties.FREE_IS_GRANTED,
        replace(
            small("wait", "release", members=3),
            capacity=WRITER,
            kind="rwlock",
            weights=(WRITER, READER, READER),
            grants=3,
            opening=(*CLAIMED, "A hears"),
        ),
    ),
    Mutation(
        "an upgrade is a place like any other",
        Protocol(upgrade=mistakes.upgrade_for_itself),
        properties.UPGRADES_HAVE_LEASES,
        shared("release"),
    ),
    Mutation(
        "an upgrade stands behind those who wait",
        Protocol(upgrade=mistakes.upgrade_at_the_end),
        properties.UPGRADES_FIRST,
        shared(members=3),
    ),
    Mutation(
        "an upgrade does not wait for the readers",
        Protocol(upgrade=mistakes.upgrade_beside_readers),
        properties.ONE_BELIEVES,
        shared(),
    ),
    Mutation(
        "a repeated upgrade stands in the queue twice",
        Protocol(upgrade=mistakes.upgrade_once_more),
        properties.ONE_LEASE,
        shared(failures=1),
    ),
    Mutation(
        "a downgrade names a lease, and no upgrade",
        Protocol(downgrade=mistakes.downgrade_by_lease),
        properties.IS_STORED,
        shared("downgrade", failures=1, members=1, opening=(*CLAIMED_TO_WAIT, "A hears")),
    ),
    Mutation(
        "a capacity that shrinks takes a lease out",
        Protocol(resize=mistakes.resize_at_once),
        properties.OTHERS_ALONE,
        replace(small("wait"), capacity=2, kind="semaphore", sizes=(1,), grants=3, opening=TWO_HOLD),
    ),
    Mutation(
        "a grant goes by the capacity that there was at first",
        Protocol(document=mistakes.Remembering),
        properties.FITS,
        replace(small("wait"), capacity=2, kind="semaphore", sizes=(1,), grants=3, opening=CLAIMED),
    ),
)

ENDINGS = (
    Mutation(
        "a release frees a name that is to stay taken",
        Protocol(document=mistakes.Freeing),
        properties.KEPT,
        replace(small("wait", "release"), at_least=KEPT_FOR, opening=HELD),
    ),
    Mutation(
        "one who is called reads, though its name is to stay taken",
        Protocol(asks_to_keep=False),
        properties.KEPT,
        replace(small("wait", "cancel"), at_least=KEPT_FOR, opening=GIVEN_BACK),
    ),
    Mutation(
        "the end of the work is written after the release",
        Protocol(one_end=False, finish=mistakes.finish_for_anybody),
        properties.ONCE,
        replace(small("wait", "finish"), kind="once", opening=HELD[:-1]),
    ),
    Mutation(
        "the end of the work is answered before a majority has it",
        Protocol(majority=False),
        properties.ONCE,
        replace(
            small("wait", "finish", failures=1, members=1),
            kind="once",
            opening=(*CLAIMED_TO_WAIT, "A hears"),
        ),
    ),
    Mutation(
        "the end of the work calls nobody",
        Protocol(finish=mistakes.finish_silently),
        properties.ARE_TOLD,
        replace(small("wait", "finish"), kind="once", opening=HELD[:-1]),
    ),
    Mutation(
        "a lease that is over is taken for work that is done",
        Protocol(document=mistakes.TakenForDone),
        properties.WORKED,
        replace(small("wait"), kind="once"),
    ),
    Mutation(
        "whoever has exported its lease goes on with it",
        Protocol(giver_stops=False),
        properties.ONE_GRANT_EACH,
        small("try", "export"),
    ),
    Mutation(
        "a lease is adopted by its token alone",
        Protocol(adopt=mistakes.adopt_by_token),
        properties.ONE_GRANT_EACH,
        replace(small("try", "export"), opening=(*CLAIMED, "A hears", "A exports")),
    ),
)

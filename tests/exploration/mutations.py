"""Ways to get the protocol wrong, and the property that each of them breaks."""

from __future__ import annotations

from dataclasses import replace

from . import mistakes, properties
from .kind_mutations import ENDINGS, SHARED
from .mutation import CLAIMED, HELD, HELD_FOR_CERTAIN, Mutation, small
from .protocol import Protocol

MUTATIONS = (
    Mutation(
        "the client's clock decides what has expired",
        Protocol(server_clock=False),
        properties.ONE_BELIEVES,
        replace(small("try"), offsets=(0, 4, 0)),
    ),
    Mutation(
        "a release frees the lock by its name",
        Protocol(document=mistakes.ByName),
        properties.OTHERS_ALONE,
        small("try", "release"),
    ),
    Mutation(
        "a renewal revives what has expired",
        Protocol(document=mistakes.Reviving),
        properties.OTHERS_ALONE,
        small("try", "renew"),
    ),
    Mutation(
        "a claim is answered before a majority has it",
        Protocol(majority=False),
        properties.ONE_BELIEVES,
        small("try", failures=1),
    ),
    Mutation(
        "a call is believed",
        Protocol(makes_sure=False),
        properties.IS_STORED,
        replace(small("wait", "release", failures=1), opening=HELD_FOR_CERTAIN),
    ),
    Mutation(
        "one who is called reads before a majority has the grant",
        Protocol(after_write=False),
        properties.ARE_TOLD,
        replace(small("wait", "release", failures=1), opening=HELD_FOR_CERTAIN),
    ),
    Mutation(
        "a first life is taken for the whole ttl",
        Protocol(first_life=False),
        properties.ONE_BELIEVES,
        replace(small("wait", "release"), opening=HELD),
    ),
    Mutation(
        "a refresh of a place prolongs what it was granted",
        Protocol(document=mistakes.Prolonging),
        properties.DEAF_DO_NO_HARM,
        small("wait"),
    ),
    Mutation(
        "a renewal grants the lock to one who waits",
        Protocol(document=mistakes.Silent),
        properties.ARE_TOLD,
        small("wait", "renew"),
    ),
    Mutation(
        "a renewal shortens a life",
        Protocol(document=mistakes.Shortening),
        properties.NOT_SHORTENED,
        small("try", "renew", failures=2, members=1, ahead=1),
    ),
    Mutation(
        "a deadline counts from the answer, without a margin",
        Protocol(from_sending=False),
        properties.ONE_BELIEVES,
        small("try"),
    ),
    Mutation(
        "the clock of a new primary is ahead by more than the margin",
        Protocol(),
        properties.ONE_BELIEVES,
        small("try", failures=1, ahead=2),
    ),
    Mutation(
        "tokens start again when the document is removed",
        Protocol(document=mistakes.Counting),
        properties.TOKENS_GROW,
        small("try"),
    ),
    Mutation(
        "the document is removed at once, and the clock of the next primary is behind",
        Protocol(retention=0),
        properties.TOKENS_GROW,
        replace(
            small("try", "release", failures=2, members=1, ahead=1),
            opening=(*CLAIMED, "a majority", "A hears", "A sends the release"),
        ),
    ),
    Mutation(
        "a claim is repeated under a new lease id",
        Protocol(same_lease=False),
        properties.ONE_LEASE,
        small("wait", failures=1),
    ),
    Mutation(
        "a repeated claim counts its whole ttl from the repetition",
        Protocol(from_first_sending=False),
        properties.ONE_BELIEVES,
        replace(
            small("try", failures=1), opening=(*CLAIMED, "the claim of A.1, carried out, loses its answer")
        ),
    ),
    Mutation(
        "the resource takes every write",
        Protocol(fenced=False),
        properties.NEWEST_STANDS,
        small("try", "write"),
    ),
    Mutation(
        "a claim overtakes those who wait",
        Protocol(document=mistakes.Overtaking),
        properties.IN_ORDER,
        small("wait", members=3),
    ),
    Mutation(
        "a release does not hand over",
        Protocol(document=mistakes.NotHandingOver),
        properties.FREE_IS_GRANTED,
        small("wait", "release"),
    ),
    Mutation(
        "a lease ends by release alone",
        Protocol(document=mistakes.Eternal),
        properties.CAN_BE_HAD,
        small("try"),
    ),
    *SHARED,
    *ENDINGS,
)

"""Ways to get the protocol wrong, and the property that each of them breaks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mongolock_async._memory import sharing
from mongolock_async._memory.document import Document
from mongolock_async._memory.entry import Entry
from mongolock_async._protocol.kind import READER, UPGRADABLE, WRITER, base_of

from . import properties
from .bounds import Bounds
from .plans import BOTH_READ
from .properties import Property
from .protocol import Protocol
from .world import TICK, TTL


class ByName(Document):
    """A release frees the lock, whoever holds it."""

    def release(self, now: int, lease: str, **options: Any) -> None:
        self.holders = []
        super().release(now, lease, **options)


class Reviving(Document):
    """A renewal writes the lease again if it is gone."""

    def renew(self, now: int, lease: str, token: int) -> None:
        super().renew(now, lease, token)
        if not self.holds(now, lease, token):
            self.holders.append(Entry(lease, "", 1, TTL * TICK, now, now + TTL * TICK, token=token))


class Shortening(Document):
    """A renewal gives a new expiry, be it earlier."""

    def renew(self, now: int, lease: str, token: int) -> None:
        self.holders = [
            replace(entry, expires=now + entry.ttl)
            if (entry.lease, entry.token) == (lease, token) and entry.expires > now
            else entry
            for entry in self.holders
        ]


class Silent(Document):
    """A renewal grants, as the other commands do; but its answer does not say whom."""

    def renew(self, now: int, lease: str, token: int) -> None:
        super().renew(now, lease, token)
        self.touch(now, by="")


class Prolonging(Document):
    """A refresh is a renewal of whatever has that lease id."""

    def refresh(self, now: int, lease: str) -> None:
        super().refresh(now, lease)
        for holder in [holder for holder in self.holders if holder.lease == lease]:
            self.renew(now, lease, holder.token or 0)


class Counting(Document):
    """A token is the last one and 1."""

    def grant(self, now: int, by: str, mine: str | None = None, *, mutex: bool = False) -> None:
        last, known = self.token, {entry.lease for entry in self.holders}
        super().grant(now, by, mine, mutex=mutex)
        fresh = [entry.lease for entry in self.holders if entry.lease not in known]
        self.holders = [
            replace(entry, token=last + 1 + fresh.index(entry.lease)) if entry.lease in fresh else entry
            for entry in self.holders
        ]
        self.token = last + len(fresh)


class Overtaking(Document):
    """A claim takes a free lock, whoever waits."""

    def queue_up(self, now: int, lease: str, **options: Any) -> None:
        self.expire(now)
        before = [entry for entry in self.queue if entry.lease != lease]
        self.queue = [entry for entry in self.queue if entry.lease == lease]
        super().queue_up(now, lease, **options)
        self.queue = before + self.queue


class NotHandingOver(Document):
    """A release leaves the lock free, and those who wait to find out."""

    def release(self, now: int, lease: str, **options: Any) -> None:
        queue = [entry for entry in self.queue if entry.lease != lease and entry.expires > now]
        self.queue = []
        super().release(now, lease, **options)
        self.queue = queue


class Eternal(Document):
    """A lease ends by release alone."""

    def expire(self, now: int) -> None:
        self.queue = [entry for entry in self.queue if entry.expires > now]


class Skipping(Document):
    """Whoever fits is granted the lock, also behind one that does not."""

    def grant(self, now: int, by: str, mine: str | None = None, *, mutex: bool = False) -> None:
        room = self.capacity - sum(holder.weight for holder in self.holders)
        self.queue.sort(key=lambda entry: entry.weight > room)
        super().grant(now, by, mine, mutex=mutex)


class OneByOne(Document):
    """A command grants the lock to one, and leaves the rest to those who ask."""

    def grant(self, now: int, by: str, mine: str | None = None, *, mutex: bool = False) -> None:
        rest = self.queue[1:]
        self.queue = self.queue[:1]
        super().grant(now, by, mine, mutex=mutex)
        self.queue += rest


def upgrade_at_the_end(document: Document, now: int, lease: str, **options: Any) -> None:
    """It waits for all who came before it."""
    sharing.upgrade(document, now, lease, **options)
    document.queue.sort(key=lambda place: place.base is not None)


def upgrade_for_itself(document: Document, now: int, lease: str, **options: Any) -> None:
    """It is a place like any other, and knows of no lease."""
    sharing.upgrade(document, now, lease, **options)
    document.queue = [replace(place, base=None) for place in document.queue]


def upgrade_beside_readers(document: Document, now: int, lease: str, **options: Any) -> None:
    """It is granted at once."""
    others = [holder for holder in document.holders if holder.lease != base_of(lease)]
    document.holders = [holder for holder in document.holders if holder.lease == base_of(lease)]
    sharing.upgrade(document, now, lease, **options)
    document.holders += others


def upgrade_once_more(document: Document, now: int, lease: str, **options: Any) -> None:
    """A repetition stands in the queue besides."""
    before, document.queue = document.queue, []
    sharing.upgrade(document, now, lease, **options)
    document.queue += before


def downgrade_by_lease(document: Document, now: int, lease: str, *, by: str) -> None:
    """Whatever upgrade the lease has is taken back."""
    for holder in [holder for holder in document.holders if holder.lease == base_of(lease)]:
        sharing.downgrade(document, now, holder.upgrade or lease, by=by)


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
        Protocol(document=ByName),
        properties.OTHERS_ALONE,
        _small("try", "release"),
    ),
    Mutation(
        "a renewal revives what has expired",
        Protocol(document=Reviving),
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
        Protocol(document=Prolonging),
        properties.DEAF_DO_NO_HARM,
        _small("wait"),
    ),
    Mutation(
        "a renewal grants the lock to one who waits",
        Protocol(document=Silent),
        properties.ARE_TOLD,
        _small("wait", "renew"),
    ),
    Mutation(
        "a renewal shortens a life",
        Protocol(document=Shortening),
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
        Protocol(document=Counting),
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
        Protocol(document=Overtaking),
        properties.IN_ORDER,
        _small("wait", members=3),
    ),
    Mutation(
        "a release does not hand over",
        Protocol(document=NotHandingOver),
        properties.FREE_IS_GRANTED,
        _small("wait", "release"),
    ),
    Mutation(
        "a lease ends by release alone",
        Protocol(document=Eternal),
        properties.CAN_BE_HAD,
        _small("try"),
    ),
    Mutation(
        "a light one overtakes a heavy one",
        Protocol(document=Skipping),
        properties.IN_ORDER,
        replace(_small("wait", members=3), capacity=2, weights=(1, 2, 1), grants=3),
    ),
    Mutation(
        "readers behind a writer are granted it one by one",
        Protocol(document=OneByOne),
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
        Protocol(upgrade=upgrade_for_itself),
        properties.UPGRADES_HAVE_LEASES,
        _shared("release"),
    ),
    Mutation(
        "an upgrade stands behind those who wait",
        Protocol(upgrade=upgrade_at_the_end),
        properties.UPGRADES_FIRST,
        _shared(members=3),
    ),
    Mutation(
        "an upgrade does not wait for the readers",
        Protocol(upgrade=upgrade_beside_readers),
        properties.ONE_BELIEVES,
        _shared(),
    ),
    Mutation(
        "a repeated upgrade stands in the queue twice",
        Protocol(upgrade=upgrade_once_more),
        properties.ONE_LEASE,
        _shared(failures=1),
    ),
    Mutation(
        "a downgrade names a lease, and no upgrade",
        Protocol(downgrade=downgrade_by_lease),
        properties.IS_STORED,
        _shared("downgrade", failures=1, members=1, opening=(*CLAIMED_TO_WAIT, "A hears")),
    ),
)

"""One lock, its primary, and the members that want it, at one moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from mongolock_async._memory.document import Document
from mongolock_async._memory.entry import Entry
from mongolock_async._protocol.entry import PLACE_MS
from mongolock_async._protocol.kind import WRITER, Kind, Size, base_of

# A tick is half of what a place in the queue lives; leases live three ticks, and holders give up one early.
TICK = PLACE_MS // 2
TTL = 3
MARGIN = 1
# What a grant by another's command lives at first.
FIRST = 2
# Ticks, by which an idle document outlives its last token; more than clocks of primaries differ by.
RETENTION = 1

Action = Literal["try", "wait", "ask", "look", "refresh", "renew", "release", "upgrade", "downgrade"]
Phase = Literal["idle", "asking", "unsure", "waiting", "holding", "deaf"]
# Of an upgrade: as of a claim, until it is had; then it is to be taken back, or that is under way.
Rise = Literal["", "asking", "unsure", "waiting", "up", "owed", "taking"]


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of the lock."""

    token: int
    holders: tuple[Entry, ...]
    queue: tuple[Entry, ...]

    def thaw(self, document: type[Document], size: Size) -> Document:
        holders, queue, capacity = list(self.holders), list(self.queue), size.capacity
        assert capacity is not None
        return document(capacity, self.token, holders=holders, queue=queue, kind=size.kind)


def freeze(document: Document) -> Stored:
    return Stored(document.token, tuple(map(_plain, document.holders)), tuple(document.queue))


def _plain(holder: Entry) -> Entry:
    """Which command has granted it is asked once, when that is carried out."""
    return replace(holder, by=None)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server says of one lease. Without a token it has no grant."""

    token: int = 0
    remaining: int = 0
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A command on its way, or its answer.

    ``heard``: its member still listens. ``undo``: it is given back as soon as it was carried out.
    ``safe``: a majority has what it wrote, or what it asks about. ``since``: when it was sent for the first
    time. ``token``: of the lease that it renews. ``lease``: also the id of an upgrade. ``weight``:
    that it claims.
    """

    kind: Action
    member: int
    lease: str
    since: int
    heard: bool = True
    undo: bool = False
    answer: Answer | None = None
    safe: bool = False
    token: int = 0
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Call:
    """On its way to one who is said to have been granted the lock. ``safe``: that no failover can undo it."""

    member: int
    lease: str
    safe: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """One process.

    ``deaf``: it refreshes its place, and does nothing else. ``stays``: its claim waits if need be. ``since``:
    when it sent its claim, or its last question that was answered. ``until``: when it stops to believe.
    ``writing``: the token of a write that it is about to do. ``offset``: what its clock is ahead by.
    ``weight``: what it asks for. ``upgrade``: the last one of its lease; ``rise``: what has become of that.
    """

    phase: Phase = "idle"
    lease: str = ""
    leases: int = 0
    stays: bool = False
    since: int = 0
    token: int = 0
    until: int = 0
    writing: int = 0
    offset: int = 0
    weight: int = 1
    upgrade: str = ""
    rise: Rise = ""

    def waits_for(self, lease: str) -> bool:
        """Whether it stands in the queue with this lease, or with this upgrade."""
        if base_of(lease) is None:
            return self.phase == "waiting"
        return self.phase == "holding" and (self.rise, self.upgrade) == ("waiting", lease)


@dataclass(frozen=True, slots=True)
class World:
    """Everything. ``ahead``: what the primary's clock is ahead by.

    ``stamp`` is the token of the last write, ``newest`` the newest that ever wrote, ``believed`` the newest
    that anybody believed to hold all of the lock by. ``capacity``: of the lock.
    """

    members: tuple[Member, ...]
    now: int = 1
    ahead: int = 0
    primary: Stored | None = None
    committed: Stored | None = None
    requests: tuple[Request, ...] = ()
    calls: tuple[Call, ...] = ()
    failures: int = 0
    stamp: int = 0
    newest: int = 0
    believed: int = 0
    capacity: int = 1

    @property
    def believers(self) -> list[Member]:
        return [member for member in self.members if member.phase == "holding" and self.now < member.until]

    def weight(self, member: Member) -> int:
        """What it believes to hold, if it believes."""
        return self.capacity if member.rise == "up" else member.weight

    @property
    def alone(self) -> list[Member]:
        """Those who believe that they hold all of the lock."""
        return [member for member in self.believers if self.weight(member) == self.capacity]

    def size(self, weight: int) -> Size:
        """What one claims that asks for so much."""
        kinds: dict[int, Kind] = {1: "mutex", WRITER: "rwlock"}
        return Size(kinds.get(self.capacity, "semaphore"), weight, self.capacity)

    def put(self, number: int, member: Member) -> World:
        return replace(self, members=(*self.members[:number], member, *self.members[number + 1 :]))

    def send(self, request: Request) -> World:
        return replace(self, requests=(*self.requests, request))

    def without(self, request: Request) -> World:
        index = self.requests.index(request)
        return replace(self, requests=self.requests[:index] + self.requests[index + 1 :])

    def call(self, *calls: Call) -> World:
        """One that is under way already makes no difference."""
        return replace(self, calls=tuple(dict.fromkeys((*self.calls, *calls))))

    def believing(self, number: int) -> World:
        """One has begun to."""
        member = self.members[number]
        alone = self.weight(member) == self.capacity
        return replace(self, believed=max(self.believed, member.token)) if alone else self

    def awaits(self, number: int, lease: str | None = None) -> bool:
        """Whether this member listens for an answer; or for one of this lease, or upgrade."""
        heard = [request.lease for request in self.requests if request.heard and request.member == number]
        return bool(heard) if lease is None else lease in heard

    @property
    def unheard(self) -> int:
        return sum(not request.heard for request in self.requests)

    @property
    def clock(self) -> int:
        """The primary's, in milliseconds."""
        return (self.now + self.ahead) * TICK


def live(entries: tuple[Entry, ...], clock: int) -> list[Entry]:
    return [entry for entry in entries if entry.expires > clock]


def same(one: Stored | None, other: Stored | None, clock: int) -> bool:
    """Whether they differ in nothing but what has expired."""
    if one is None or other is None:
        return one is other
    return (one.token, live(one.holders, clock), live(one.queue, clock)) == (
        other.token,
        live(other.holders, clock),
        live(other.queue, clock),
    )


def member_name(number: int) -> str:
    return "ABCD"[number]

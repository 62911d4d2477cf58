"""One lock, its primary, and the members that want it, at one moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from mongolock_async._protocol.entry import PLACE_MS
from mongolock_async._protocol.kind import Kind, Size, base_of

from .stored import Stored

# A tick is half of what a place in the queue lives; leases live three ticks, and holders give up one early.
TICK = PLACE_MS // 2
TTL = 3
MARGIN = 1
# What a grant by another's command lives at first.
FIRST = 2
# Ticks, by which an idle document outlives its last token; more than clocks of primaries differ by.
RETENTION = 1

Action = Literal[
    "try",
    "wait",
    "ask",
    "look",
    "refresh",
    "renew",
    "release",
    "upgrade",
    "downgrade",
    "finish",
    "adopt",
    "resize",
]
Phase = Literal["idle", "asking", "unsure", "waiting", "holding", "finishing", "deaf"]
# Of an upgrade: as of a claim, until it is had; then it is to be taken back, or that is under way.
Rise = Literal["", "asking", "unsure", "waiting", "up", "owed", "taking"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server says of one lease: its token, or without one, what else there is.

    ``heavy``: it waits for more than there is. ``done``: so is what was to be done once.
    """

    token: int = 0
    remaining: int = 0
    outcome: Literal["nothing", "waits", "heavy", "done"] = "nothing"


@dataclass(frozen=True, slots=True)
class Request:
    """A command on its way, or its answer.

    ``heard``: its member still listens. ``undo``: it is given back as soon as it was carried out.
    ``safe``: a majority has what it wrote, or what it asks about. ``since``: when it was sent for the first
    time. ``token``: of the lease that it renews, finishes or adopts. ``lease``: also the id of an upgrade.
    ``weight``: that it claims, or the new capacity. ``keeps``: the name stays taken for as long as was asked
    for. ``old``: the id of the lease that it adopts.
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
    keeps: bool = False
    old: str = ""


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
class Lock:
    """What is claimed. ``at_least``: ticks for which its name is to stay taken."""

    capacity: int = 1
    kind: Kind = "mutex"
    at_least: int = 0


@dataclass(frozen=True, slots=True)
class Past:
    """What is remembered of former steps.

    ``stamp`` is the token of the last write, ``newest`` the newest that ever wrote, ``believed`` the newest
    that anybody believed to hold all of the lock by. ``kept``: until when the name is to stay taken, by those
    who believed. ``done``: somebody was told that the work is done; ``worked``: somebody has done it.
    ``text``: the lease that was exported last, and its token.
    """

    stamp: int = 0
    newest: int = 0
    believed: int = 0
    kept: int = 0
    done: bool = False
    worked: bool = False
    text: tuple[str, int] = ("", 0)


@dataclass(frozen=True, slots=True)
class World:
    """Everything. ``ahead``: what the primary's clock is ahead by."""

    members: tuple[Member, ...]
    now: int = 1
    ahead: int = 0
    primary: Stored | None = None
    committed: Stored | None = None
    requests: tuple[Request, ...] = ()
    calls: tuple[Call, ...] = ()
    failures: int = 0
    lock: Lock = Lock()
    past: Past = Past()

    @property
    def believers(self) -> list[Member]:
        return [member for member in self.members if member.phase == "holding" and self.now < member.until]

    def weight(self, member: Member) -> int:
        """What it believes to hold, if it believes."""
        return self.lock.capacity if member.rise == "up" else member.weight

    @property
    def alone(self) -> list[Member]:
        """Those who believe that they hold all of the lock."""
        return [member for member in self.believers if self.weight(member) == self.lock.capacity]

    def size(self, weight: int) -> Size:
        """What one claims that asks for so much."""
        return Size(self.lock.kind, weight, self.room)

    @property
    def room(self) -> int:
        """The capacity that is stored."""
        return self.lock.capacity if self.primary is None else self.primary.capacity

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
        alone = self.weight(member) == self.lock.capacity
        believed = max(self.past.believed, member.token) if alone else self.past.believed
        kept = max(self.past.kept, self._kept(member)) if self.lock.at_least else 0
        return self.remembering(believed=believed, kept=kept)

    def remembering(self, **facts: Any) -> World:
        return replace(self, past=replace(self.past, **facts))

    def _kept(self, member: Member) -> int:
        assert self.primary is not None
        since = next((entry.since for entry in self.primary.holders if entry.lease == member.lease), 0)
        return since + self.lock.at_least * TICK

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


def member_name(number: int) -> str:
    return "ABCD"[number]

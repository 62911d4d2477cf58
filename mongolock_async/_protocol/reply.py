"""What a backend answers, as the projections have the server compute it, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

from mongolock_async._settings import Owner


class Person(TypedDict):
    """A holder (with a token), or one who waits (its token is missing)."""

    owner: Owner
    weight: int
    age_ms: int
    left_ms: int
    token: NotRequired[int]


class View(TypedDict):
    """A lock for people to read; what has expired is left out."""

    capacity: int
    token: int
    holders: list[Person]
    queue: list[Person]


class Mine(TypedDict, total=False):
    """What the lease that asked holds; empty: nothing."""

    token: int
    left_ms: int


class TickAnswer(TypedDict):
    """Where the server's clock stands between two boundaries."""

    boundary_ms: int
    served: bool
    next_ms: int


class Answer(TypedDict):
    """Where the lease that asked stands. ``place``: in the queue; -1: it is not there; None: no lock."""

    mine: Mine
    holders: list[Person]
    place: int | None
    capacity: int
    tick: NotRequired[TickAnswer]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a claim or a renewal got: a token, and the seconds it lives, counted from the sending."""

    fencing_token: int
    remaining: float


@dataclass(frozen=True, slots=True)
class Tick:
    """Where the server's clock stands between two boundaries; ``until_next`` in seconds."""

    boundary_ms: int
    served: bool
    until_next: float


class Reply:
    """An answer, read field by field as it is asked for."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    @property
    def grant(self) -> Grant | None:
        """What this lease holds; None: nothing."""
        mine = self._answer["mine"]
        return Grant(mine["token"], mine["left_ms"] / 1000) if "token" in mine else None

    @property
    def holders(self) -> list[Person]:
        """Everybody who holds the lock."""
        return self._answer["holders"]

    @property
    def place(self) -> int | None:
        """The place in the queue, from 0; None: not queued."""
        place = self._answer["place"]
        return place if place is not None and place >= 0 else None

    @property
    def capacity(self) -> int:
        """The capacity that the lock has now."""
        return self._answer["capacity"]

    @property
    def next_expiry(self) -> float | None:
        """Seconds until the first of the holders expires; None: nobody holds it."""
        return min((holder["left_ms"] / 1000 for holder in self.holders), default=None)

    @property
    def newest(self) -> int:
        """The greatest token among the holders; 0: nobody holds it."""
        return max((holder.get("token", 0) for holder in self.holders), default=0)

    @property
    def tick(self) -> Tick:
        """Of a tick's claim only: the boundary that it met."""
        tick = self._answer["tick"]
        return Tick(tick["boundary_ms"], tick["served"], tick["next_ms"] / 1000)

"""A lock as its document shows it: for people, and for the code that asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ._settings import Owner


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock, by the server's clock at the moment of asking.

    Attributes:
        owner: the owner that was given to the claim.
        weight: how much of the capacity it takes; 1 for a mutex.
        fencing_token: the token of its lease.
        age: seconds since the grant.
        remaining: seconds until it expires, unless it is renewed.
    """

    owner: Owner
    weight: int
    fencing_token: int
    age: float
    remaining: float


@dataclass(frozen=True, slots=True)
class Waiter:
    """Who stands in a lock's queue.

    Attributes:
        owner: the owner that was given to the claim.
        weight: how much of the capacity it asks for.
        age: seconds since it queued up.
        remaining: seconds until its place expires, unless it is refreshed.
    """

    owner: Owner
    weight: int
    age: float
    remaining: float


@dataclass(frozen=True, slots=True)
class LockInfo:
    """One look inside a lock. It was true on the server a moment ago; it is no permission.

    Attributes:
        name: the lock.
        capacity: 1 for a mutex.
        holders: who holds it; expired leases are left out.
        queue: who waits, first come first.
        fencing_token: the last token issued; 0 if there was none yet.
    """

    name: str
    capacity: int
    holders: tuple[Holder, ...]
    queue: tuple[Waiter, ...]
    fencing_token: int

    @property
    def held(self) -> bool:
        """Whether anybody holds it."""
        return bool(self.holders)

    @classmethod
    def read(cls, name: str, info: Mapping[str, Any]) -> LockInfo:
        """From the projection that `_projection.view` asks for."""
        return cls(
            name=name,
            capacity=info["capacity"],
            holders=tuple(map(_holder, info["holders"])),
            queue=tuple(
                Waiter(person["owner"], person["weight"], person["age_ms"] / 1000, person["left_ms"] / 1000)
                for person in info["queue"]
            ),
            fencing_token=info["token"],
        )


@dataclass(frozen=True, slots=True)
class Grant:
    """What a claim or a renewal got: a token, and the seconds it lives, counted from the sending."""

    fencing_token: int
    remaining: float


@dataclass(frozen=True, slots=True)
class Tick:
    """Where the server's clock stands between two boundaries."""

    boundary_ms: int
    served: bool
    until_next: float


class Reply:
    """The server's answer to a claim or a renewal, read field by field as it is asked for."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self._answer = answer

    @property
    def grant(self) -> Grant | None:
        """What this lease holds; None: nothing."""
        mine = self._answer["mine"]
        return Grant(mine["token"], mine["left_ms"] / 1000) if "token" in mine else None

    @property
    def holders(self) -> tuple[Holder, ...]:
        """Everybody who holds the lock."""
        return tuple(map(_holder, self._answer["holders"]))

    @property
    def place(self) -> int | None:
        """The place in the queue, from 0; None: not queued."""
        place: int | None = self._answer["place"]  # None: the document has become a foreign one
        return place if place is not None and place >= 0 else None

    @property
    def capacity(self) -> int:
        """The capacity that the lock has now."""
        capacity: int = self._answer["capacity"]
        return capacity

    @property
    def next_expiry(self) -> float | None:
        """Seconds until the first of the holders expires; None: nobody holds it."""
        return min((holder["left_ms"] / 1000 for holder in self._answer["holders"]), default=None)

    @property
    def tick(self) -> Tick:
        """Of a tick's claim only: the boundary that it met."""
        tick = self._answer["tick"]
        return Tick(tick["boundary_ms"], tick["served"], tick["next_ms"] / 1000)


def _holder(person: Mapping[str, Any]) -> Holder:
    return Holder(
        owner=person["owner"],
        weight=person["weight"],
        fencing_token=person["token"],
        age=person["age_ms"] / 1000,
        remaining=person["left_ms"] / 1000,
    )

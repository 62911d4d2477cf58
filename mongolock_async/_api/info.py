"""A lock as its document shows it, for people."""

from __future__ import annotations

from dataclasses import dataclass

from mongolock_async._protocol.reply import Person, View
from mongolock_async._settings import Owner


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock, by the server's clock at the moment of asking.

    Attributes:
        owner: the owner that was given to the claim.
        weight: how much of the capacity it takes; 1 for a mutex.
        fencing_token: the token of its lease.
        age: seconds since the grant.
        remaining: seconds until it expires, unless it is renewed. After a ``force_release`` the former
            holder may believe in its lease for so long, at most.
        ttl: seconds that it lives from each renewal. A lease that is kept alive is renewed every third of
            them: by then its holder knows that it was forced, if it can reach MongoDB.
        value: what it tells all as a leader (``election``); "" if there is nothing.
    """

    owner: Owner
    weight: int
    fencing_token: int
    age: float
    remaining: float
    ttl: float
    value: str = ""


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
        kind: ``"mutex"``, ``"semaphore"``, ``"rwlock"`` or ``"once"``; of a lock that nobody uses, what
            it was last. ``"done"``: what was to be done ``once`` is done.
    """

    name: str
    capacity: int
    holders: tuple[Holder, ...]
    queue: tuple[Waiter, ...]
    fencing_token: int
    kind: str = "mutex"

    @property
    def held(self) -> bool:
        """Whether anybody holds it."""
        return bool(self.holders)


def lock_info(name: str, view: View) -> LockInfo:
    """What a backend says of a lock, in seconds."""
    return LockInfo(
        name=name,
        capacity=view["capacity"],
        holders=tuple(map(_holder, view["holders"])),
        queue=tuple(map(_waiter, view["queue"])),
        fencing_token=view["token"],
        kind=view.get("kind", "mutex"),
    )


def _holder(person: Person) -> Holder:
    return Holder(
        owner=person["owner"],
        weight=person["weight"],
        fencing_token=person["token"],
        age=person["age_ms"] / 1000,
        remaining=person["left_ms"] / 1000,
        ttl=person["ttl_ms"] / 1000,
        value=person.get("value", ""),
    )


def _waiter(person: Person) -> Waiter:
    return Waiter(
        owner=person["owner"],
        weight=person["weight"],
        age=person["age_ms"] / 1000,
        remaining=person["left_ms"] / 1000,
    )

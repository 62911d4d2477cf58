"""The kinds of locks: what weighs how much in which, and the ids of upgrades."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

# A name of "once" is to be done once; it is "done" then, until that is reset.
Kind = Literal["mutex", "semaphore", "rwlock", "once", "done"]

# A writer takes all of a reader-writer lock. Of two upgradable readers, only one fits.
WRITER = 2**31 - 1
UPGRADABLE = 2**30
READER = 1

# The id of an upgrade is that of its lease, this, and a number.
_UPGRADE = "+"


@dataclass(frozen=True, slots=True)
class Size:
    """What a claim asks for: how much, of a lock of which kind; capacity None: the one that is stored."""

    kind: Kind = "mutex"
    weight: int = 1
    capacity: int | None = 1

    @property
    def mutex(self) -> bool:
        """Whether nobody shares the lock."""
        return self.kind == "mutex"


MUTEX = Size()


class Release(NamedTuple):
    """How a lease is let go: of a ``mutex``; and so that its name stays taken, where it is to (``keeps``)."""

    mutex: bool = False
    keeps: bool = False


PLAIN = Release()


def described(kind: Kind, capacity: int) -> str:
    """For people: what a lock is."""
    if kind == "semaphore":
        return f"a semaphore of capacity {capacity}"
    if kind in {"once", "done"}:
        return "something that is done once"
    return "a reader-writer lock" if kind == "rwlock" else "a mutex"


def upgrade_id(lease: str, number: int) -> str:
    """The id of an upgrade of this lease."""
    return f"{lease}{_UPGRADE}{number}"


def base_of(lease: str) -> str | None:
    """The lease that is to be upgraded; None: this is the id of a lease, and of no upgrade."""
    base, plus, _ = lease.partition(_UPGRADE)
    return base if plus else None

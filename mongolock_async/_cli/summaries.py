"""A lock in few words and numbers: what a line of ``ls`` and ``watch`` says of it."""

from __future__ import annotations

from mongolock_async import Holder, LockInfo, Waiter

from .harmless import harmless

# What stands where there is nothing.
NOTHING = "-"


def kind(info: LockInfo) -> str:
    """What kind of lock it is; of one that can be shared, also how it is just now."""
    if info.kind == "semaphore":
        return f"semaphore {taken(info)}/{info.capacity}"
    if info.kind == "rwlock" and info.held:
        return "rwlock write" if "write" in {mode(info, holder) for holder in info.holders} else "rwlock read"
    return harmless(info.kind)


def state(info: LockInfo) -> str:
    """How it is just now."""
    if info.kind == "done":
        return "done"
    if not info.held:
        return "free"
    return f"held, {taken(info)} of {info.capacity}" if info.kind == "semaphore" else "held"


def taken(info: LockInfo) -> int:
    """How much of its capacity is in use."""
    return sum(holder.weight for holder in info.holders)


def mode(info: LockInfo, one: Holder | Waiter) -> str:
    """How this one uses, or wants to use, a reader-writer lock."""
    if one.weight == 1:
        return "read"
    if one.weight == info.capacity:
        return "write"
    return "upgradable" if one.weight * 2 > info.capacity else "upgrade"


def holders(info: LockInfo) -> str:
    """The first holder, what it tells all as a leader, and how many more there are."""
    if not info.held:
        return NOTHING
    first, *others = info.holders
    value = f" ({harmless(first.value)})" if first.value else ""
    return harmless(first.owner) + value + (f" +{len(others)}" if others else "")


def age(info: LockInfo) -> float | None:
    """For how long it has been held by the one who has held it longest, in seconds."""
    return max((holder.age for holder in info.holders), default=None)


def remaining(info: LockInfo) -> float | None:
    """Seconds until the first of its leases expires, unless it is renewed."""
    return min((holder.remaining for holder in info.holders), default=None)


def waited(info: LockInfo) -> float | None:
    """For how long the one who has waited longest has waited, in seconds."""
    return max((waiter.age for waiter in info.queue), default=None)


def is_used(info: LockInfo) -> bool:
    """Whether anybody holds it, or waits for it."""
    return info.held or bool(info.queue)


def is_unrenewed(info: LockInfo) -> bool:
    """Whether a lease has less than a third of its ttl left: it is not kept alive, or its holder is away."""
    return any(holder.remaining < holder.ttl / 3 for holder in info.holders)

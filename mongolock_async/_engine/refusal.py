"""Why a lock cannot be had as it was asked for, however long one waits."""

from __future__ import annotations

from mongolock_async._errors import LockError
from mongolock_async._protocol.kind import described
from mongolock_async._protocol.reply import Reply
from mongolock_async._protocol.request import Request


class AlreadyDoneError(LockError):
    """What was to be done once is done."""


def check(request: Request, reply: Reply) -> None:
    """Whether what was not granted may be granted later.

    Raises:
        AlreadyDoneError: it was to be done once.
        LockError: the lock is of another kind or capacity while it is in use, or it has less capacity now;
            or the name was done by once().
    """
    name, kind, capacity = request.name, reply.kind, reply.capacity
    if reply.grant is not None or capacity == 0 or request.upgrades:
        return
    if kind == "done":
        if request.kind == "once":
            raise AlreadyDoneError(name)
        raise LockError(f"{name!r} was done by once(), and is no lock until reset() makes it undone")
    if kind != request.kind and request.capacity is None and not reply.used:
        raise LockError(f"no capacity of {name!r} is stored: name one, or set it by resize()")
    other = kind != request.kind or request.capacity not in {None, capacity}
    if other and reply.place is None and reply.used:
        raise LockError(f"{name!r} is in use as {described(kind or 'mutex', capacity)}")
    if request.weight > capacity:
        raise LockError(
            f"{name!r} has a capacity of {capacity} now, less than the weight of {request.weight}"
        )

"""Work that is to be done once, by one process."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

from mongolock_async._engine.member import Member
from mongolock_async._engine.refusal import AlreadyDoneError
from mongolock_async._protocol.request import Request

from .lease import Lease
from .lock import Lock

Work = Callable[[], Coroutine[Any, Any, object]] | Callable[[Lease], Coroutine[Any, Any, object]]


def check_work(work: object) -> Callable[[Lease], Coroutine[Any, Any, object]]:
    """A coroutine function, as one that takes the lease.

    Raises:
        TypeError: it is none, or takes other arguments.
    """
    if not inspect.iscoroutinefunction(work):
        raise TypeError(f"work must be a coroutine function, not {work!r}")
    signature = inspect.signature(work)
    for arguments in ((), ("a lease",)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return work if arguments else lambda _: work()
    raise TypeError(f"work must take no argument, or one: the lease; not {signature}")


async def once(
    member: Member,
    request: Request,
    work: Callable[[Lease], Coroutine[Any, Any, object]],
    timeout: float | None,
) -> bool:
    """Whether the work was done here, and now; else, it was done before."""
    async with AsyncExitStack() as stack:
        try:
            lease = await stack.enter_async_context(Lock(member, request, timeout))
        except AlreadyDoneError:
            return False
        await work(lease)
        await member.once.finish(lease._holding)  # noqa: SLF001 - of this room
    return True

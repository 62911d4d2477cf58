"""Work that is done under a lease: cancelled when that is lost, and whose errors end nothing else."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .holding import Holding
from .member import WORD, Member

logger = logging.getLogger("mongolock_async")

Lease = TypeVar("Lease")


class NoWorkError(TypeError):
    """What was to be done is nothing that can be awaited."""


async def do(
    member: Member, work: Callable[[Lease], Awaitable[object]], lease: Lease, holding: Holding, who: str
) -> None:
    """Do it while the lease is held, and release that. An error that the work raises is logged, and no more.

    Raises:
        NoWorkError: it is no work.
        asyncio.CancelledError: the caller is cancelled, and not by the loss of the lease.
    """
    task = asyncio.current_task()
    assert task is not None  # a coroutine of ours runs
    cancelled, blocks = task.cancelling(), member.leases.blocks
    block = blocks.enter(holding)
    try:
        await _begun(work, lease)
    except BaseException as error:
        lost = blocks.leave(block, type(error))
        is_theirs = isinstance(error, (Exception, asyncio.CancelledError))
        # Cancelled without anybody's asking, it is an error of the work like any other.
        if task.cancelling() > cancelled or not is_theirs or isinstance(error, NoWorkError):
            raise
        if not lost:
            logger.exception("%s: the work has failed; it goes on with the next boundary", who)
    else:
        blocks.leave(block, None)
    finally:
        await member.release_within(holding, WORD)


async def _begun(work: Callable[[Lease], Awaitable[object]], lease: Lease) -> None:
    doing = work(lease)
    if not inspect.isawaitable(doing):
        raise NoWorkError(f"work must return an awaitable, not {type(doing).__name__}")
    await doing

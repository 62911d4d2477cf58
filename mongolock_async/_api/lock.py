"""A lock by its name, to be used around code."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from mongolock_async._engine.block import Block
from mongolock_async._engine.clock import timeout as time_limit
from mongolock_async._engine.holding import EXPIRED, FORCED, RELEASED, Holding
from mongolock_async._engine.member import Member
from mongolock_async._errors import LeaseLostError, LockError
from mongolock_async._protocol.request import Request

from .lease import Lease

logger = logging.getLogger("mongolock_async")

P = ParamSpec("P")
R = TypeVar("R")


class Lock:
    """A name, bound to a repository: ``async with lock as lease`` and ``@lock``.

    ``LockRepository.lock`` makes it; that sends nothing. Any number of tasks may share one
    ``Lock``: each block, and each call of a decorated function, takes a lease of its own. It is
    *not* re-entrant: a task that asks for what it holds already waits for itself.

    Inside the block the lease is kept alive. If it is lost all the same, the body is cancelled, as
    ``asyncio.timeout`` does it, and the block raises ``LeaseLostError``.

    Attributes:
        name: the lock.
    """

    def __init__(self, member: Member, request: Request, timeout: float | None) -> None:
        self.name = request.name
        self._member = member
        self._request = request
        self._timeout = timeout
        self._blocks: list[Block] = []

    def __repr__(self) -> str:
        return f"<Lock {self.name!r}>"

    async def __aenter__(self) -> Lease:
        """Wait for the lock.

        Raises:
            LockTimeoutError: it was not free within the lock's timeout.
            LockBackendError: MongoDB did not do as asked.
            LeaseLostError: the answer took longer than the ttl.
        """
        holding = await self._member.acquire(self._request, self._timeout)
        self._blocks.append(Block(holding))
        return Lease(self._member, holding)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release the lock. A release that fails is logged, not raised: the lease expires by itself.

        Raises:
            LeaseLostError: the lease was lost while the body ran, and the body raised nothing else.
        """
        block = self._leave()
        holding = block.holding
        held = holding.held
        ours = block.leave(exc_type)
        if holding.ended == RELEASED:
            return
        released = await self._release(holding)
        lost = block.lost
        if lost is None and (released is False or (released is None and not held)):
            lost = FORCED if released is False and held else EXPIRED
        if lost is not None and ours:
            raise LeaseLostError(self.name, holding.owner, holding.fencing_token, lost) from exc

    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        """Decorate a coroutine function: each call holds the lock from its beginning to its end.

        Raises:
            TypeError: the function is not a coroutine function.
        """
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"@lock takes a coroutine function, not {function!r}")

        @functools.wraps(function)
        async def locked(*args: P.args, **kwargs: P.kwargs) -> R:
            async with self:
                return await function(*args, **kwargs)

        return locked

    async def _release(self, holding: Holding) -> bool | None:
        """What the server says of it; None: nothing in time. The release goes on in the background then."""
        left = holding.remaining
        try:
            async with time_limit(self._member.clock, left):
                return await self._member.release(holding)
        except (TimeoutError, LockError):
            if left > 0:
                logger.warning("release of %r was not confirmed; the lease expires by itself", self.name)
            return None

    def _leave(self) -> Block:
        """The block that this task entered last; for a finalizer, one whose own task is done, or any."""
        task = asyncio.current_task()
        own = [block for block in self._blocks if block.task is task]
        left = [block for block in self._blocks if block.task.done()]
        block = (own or left or self._blocks)[-1]
        self._blocks.remove(block)
        return block

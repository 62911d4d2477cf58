"""A lock by its name, to be used around code."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from ._errors import LeaseLostError, LockBackendError
from ._holding import RELEASED, Holding
from ._lease import Lease
from ._session import Request, Session

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

    def __init__(self, session: Session, request: Request, timeout: float | None) -> None:
        self.name = request.name
        self._session = session
        self._request = request
        self._timeout = timeout
        self._blocks: list[_Block] = []

    def __repr__(self) -> str:
        return f"<Lock {self.name!r}>"

    async def __aenter__(self) -> Lease:
        """Wait for the lock.

        Raises:
            LockTimeoutError: it was not free within the lock's timeout.
            LockBackendError: MongoDB did not do as asked.
            LeaseLostError: the lease was over before the body could begin; its ttl is too short.
        """
        holding = await self._session.acquire(self._request, self._timeout)
        if holding.ended is not None:
            raise LeaseLostError(self.name, holding.owner, holding.fencing_token, holding.ended)
        self._blocks.append(_Block(holding))
        return holding

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release the lock. A release that fails is logged, not raised: the lease expires by itself.

        Raises:
            LeaseLostError: the lease was lost while the body ran.
        """
        block = self._leave()
        lost = block.leave(exc_type)
        holding = block.holding
        try:
            # Of a lost lease nothing is left: the release goes on in the background.
            async with asyncio.timeout(holding.remaining):
                await holding.release()
        except (TimeoutError, LockBackendError):
            logger.warning("release of %r was not confirmed; the lease expires by itself", self.name)
        if lost:
            reason = block.lost or ""
            raise LeaseLostError(self.name, holding.owner, holding.fencing_token, reason) from exc

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

    def _leave(self) -> _Block:
        """The block that this task entered last; where a finalizer leaves, the last one at all."""
        task = asyncio.current_task()
        blocks = [block for block in self._blocks if block.task is task] or self._blocks
        block = blocks[-1]
        self._blocks.remove(block)
        return block


class _Block:
    """One ``async with``: it cancels its task when the lease is lost."""

    def __init__(self, holding: Holding) -> None:
        task = asyncio.current_task()
        assert task is not None  # a coroutine of ours runs
        self.holding = holding
        self.task = task
        self.lost: str | None = None
        self._cancelling = task.cancelling()
        self._inside = True
        holding.on_end(self._interrupt)

    def leave(self, exc_type: type[BaseException] | None) -> bool:
        """Whether the block has to say that its lease is lost; as in ``asyncio.Timeout.__aexit__``."""
        self._inside = False
        if self.lost is None:
            return False
        ours_alone = self.task.uncancel() <= self._cancelling
        return exc_type is None or (ours_alone and exc_type is asyncio.CancelledError)

    def _interrupt(self, holding: Holding) -> None:
        if self._inside and holding.ended != RELEASED:
            self.lost = holding.ended
            self.task.cancel()

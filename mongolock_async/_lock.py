"""A lock by its name, to be used around code."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from ._errors import LeaseLostError, LockError
from ._holding import EXPIRED, FORCED, RELEASED, Holding
from ._lease import Lease
from ._request import Request
from ._session import Session

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
            LeaseLostError: the answer took longer than the ttl.
        """
        holding = await self._session.acquire(self._request, self._timeout)
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
            LeaseLostError: the lease was lost while the body ran, and the body raised nothing else.
        """
        block = self._leave()
        holding = block.holding
        held = holding.held
        ours = block.leave(exc_type)
        if holding.ended == RELEASED:
            return
        released = await self._let_go(holding)
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

    async def _let_go(self, holding: Holding) -> bool | None:
        """What the server says of it; None: nothing in time. The release goes on in the background then."""
        left = holding.remaining
        try:
            async with asyncio.timeout(left):
                return await holding.release()
        except (TimeoutError, LockError):
            if left > 0:
                logger.warning("release of %r was not confirmed; the lease expires by itself", self.name)
            return None

    def _leave(self) -> _Block:
        """The block that this task entered last; for a finalizer, one whose own task is done, or any."""
        task = asyncio.current_task()
        own = [block for block in self._blocks if block.task is task]
        left = [block for block in self._blocks if block.task.done()]
        block = (own or left or self._blocks)[-1]
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
        self._cancelled = False
        self._inside = True
        holding.on_end(self._interrupt)

    def leave(self, exc_type: type[BaseException] | None) -> bool:
        """Whether an error of ours may stand for what the body raised; as ``asyncio.Timeout.__aexit__``."""
        self._inside = False
        ours_alone = self._cancelled and self.task.uncancel() <= self._cancelling
        return exc_type is None or (ours_alone and exc_type is asyncio.CancelledError)

    def _interrupt(self, holding: Holding) -> None:
        if self._inside and holding.ended != RELEASED:
            self.lost = holding.ended
            # Not at once: it may be the body itself that has just found out, by renew().
            asyncio.get_running_loop().call_soon(self._cancel)

    def _cancel(self) -> None:
        if self._inside:
            self._cancelled = self.task.cancel()

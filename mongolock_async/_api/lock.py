"""A lock by its name, to be used around code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from types import EllipsisType, TracebackType
from typing import Any, ParamSpec, TypeVar

from mongolock_async._engine.block import note_loss
from mongolock_async._engine.member import Member
from mongolock_async._protocol.request import Request
from mongolock_async._settings import Seconds, check_name, check_timeout

from .bound import Bound
from .decorated import decorated
from .entered import Entered
from .lease import Lease

P = ParamSpec("P")
R = TypeVar("R")

# In the request of a lock whose calls have names of their own.
NAMELESS = "a name for each call"


class Lock(Bound):
    """A lock by its name, and how it is to be had: ``async with lock as lease``, ``@lock`` and more.

    ``LockRepository`` makes it (``lock``, ``semaphore``, ``rwlock``); that sends nothing. A name belongs to
    one kind of lock, of one capacity, while anybody has it or waits for it. Any number of tasks may share one
    ``Lock``: each block, and each call of a decorated function, takes a lease of its own. It is
    *not* re-entrant: a task that asks for what it holds already waits for itself.

    Inside the block the lease is kept alive. If it is lost all the same, the body is cancelled, as
    ``asyncio.timeout`` does it, and the block raises ``LeaseLostError``; where the body raised another
    error, that one has a note of the loss. The body must not ``yield`` to a caller, as an async generator
    does: the caller would be cancelled in its place (PEP 789). A body that stops the event loop cannot be
    cancelled meanwhile, and is not renewed, unless the repository has a ``renewal_collection`` of a
    blocking client.

    A lock whose name is a function of a call's arguments is a decorator only; all else is a TypeError.
    """

    def __init__(
        self,
        member: Member,
        request: Request,
        timeout: float | None,
        name_of: Callable[..., str] | None = None,
    ) -> None:
        if inspect.iscoroutinefunction(name_of):
            raise TypeError(f"a name cannot be waited for: pass a plain function, not {name_of!r}")
        self._member = member
        self._asked = request
        self._timeout = timeout
        self._name_of = name_of
        self._entered: Entered[Lease] = Entered()

    def __repr__(self) -> str:
        return f"<Lock {self._name_of or self.name!r}>"

    @property
    def name(self) -> str:
        """The lock."""
        return self._request.name

    async def locked(self) -> bool:
        """Whether an ``obtain`` would be refused now: somebody has the lock, or waits for it. One read.

        It was true a moment ago on the server; it is no permission, and no promise.

        Raises:
            LockError: the document under that name is no lock.
            LockBackendError: MongoDB did not do as asked.
        """
        return await self._member.locked(self._request)

    async def obtain(self, *, keep_alive: bool = False) -> Lease | None:
        """Take the lock if it can be had at once. Never waits; one command.

        Args:
            keep_alive: renew the lease until it is released; else it expires after its ttl.

        Returns:
            The lease, or None: there is not enough left of the lock, or somebody else waits for it.

        Raises:
            LockError: the document under that name is no lock, or it is in use as a lock of another kind or
                capacity; or no capacity is stored.
            LockBackendError: MongoDB did not do as asked. If the lock was taken all the same, it
                is withdrawn, or expires by itself.
            LeaseLostError: the answer took longer than the ttl.
        """
        holding, _ = await self._member.claim(self._request.kept(keep_alive=keep_alive))
        return None if holding is None else Lease(self._member, holding)

    async def acquire(
        self, timeout: Seconds | EllipsisType | None = ..., *, keep_alive: bool = False
    ) -> Lease:
        """Take the lock; wait until it can be had, in the order in which the waiters came.

        A claim that weighs much is not overtaken by those behind it that weigh less.

        Args:
            timeout: how long to wait: seconds, or a timedelta; 0: ask once; None: for ever; left out: as
                long as this lock was made to wait.
            keep_alive: as for ``obtain``.

        Raises:
            LockTimeoutError: it was not free in time; it says who had it.
            TypeError, ValueError: ``timeout`` is no duration.
            LockError, LockBackendError, LeaseLostError: as ``obtain``. A LockError, too, if a semaphore has
                been resized to less than this lock's weight.
        """
        limit = self._timeout if isinstance(timeout, EllipsisType) else check_timeout(timeout)
        request = self._request.kept(keep_alive=keep_alive)
        return Lease(self._member, await self._member.acquire(request, limit))

    async def __aenter__(self) -> Lease:
        """Wait for the lock.

        Raises:
            LockTimeoutError: it was not free within the lock's timeout.
            LockError, LockBackendError, LeaseLostError: as ``acquire``.
        """
        holding = await self._member.acquire(self._request, self._timeout)
        lease = Lease(self._member, holding)
        self._entered.add(self._member.leases.blocks.enter(holding), lease)
        return lease

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release the lock, and wait for the server's word, for a second at most.

        A release that fails, or has no answer by then, is logged, not raised: it goes on in the background,
        or the lease expires by itself.

        Raises:
            LeaseLostError: the lease was lost while the body ran, and the body raised nothing else. An error
                of the body gets a note of the loss.
        """
        block, _lease = self._entered.pop()
        (holding,) = block.holdings
        ours = self._member.leases.blocks.leave(block, exc_type)
        lost = await self._member.end(holding)
        if lost is not None and ours:
            raise holding.loss(lost) from exc
        if lost is not None and exc is not None:
            note_loss(exc, holding, lost)

    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        """Decorate a coroutine function: each call holds the lock from its beginning to its end.

        Where the name is a function, it is given all arguments of that call (of a method: ``self``, too), and
        must return a name. What it raises, the decorated function raises, before anything is sent.

        Raises:
            TypeError: the function is not a coroutine function.
        """
        name_of = self._name_of
        if name_of is None:
            return decorated(function, lambda *_args, **_kwargs: self)
        return decorated(function, lambda *args, **kwargs: self._named(name_of(*args, **kwargs)))

    @property
    def _request(self) -> Request:
        if self._name_of is not None:
            raise TypeError(
                "the name of this lock is a function of a call's arguments: it can only decorate a coroutine "
                "function; for anything else, give the lock a name"
            )
        return self._asked

    def _named(self, name: object) -> Lock:
        """The lock of one call."""
        return Lock(self._member, self._asked.named(check_name(name)), self._timeout)

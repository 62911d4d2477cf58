"""Several locks by their names, to be used as one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from types import EllipsisType, TracebackType
from typing import Any, ParamSpec, TypeVar

from mongolock_async._engine.holding import Holding
from mongolock_async._engine.member import Member
from mongolock_async._engine.several import Several
from mongolock_async._protocol.request import Request
from mongolock_async._settings import Seconds, check_timeout

from .bound import Bound
from .decorated import decorated
from .entered import Entered
from .lease import Lease

P = ParamSpec("P")
R = TypeVar("R")

Leases = tuple[Lease, ...]


class LockAll(Bound):
    """Several locks, all of which are held, or none; ``LockRepository.lock_all`` makes it.

    It has the verbs of a ``Lock``, and gives a tuple of leases: in the order in which the names were given,
    each name once. The locks are taken one after the other in the order of their names, so that no order of
    yours deadlocks with another one. (It may with locks that the caller holds already: take all of
    them here.) Those it has are kept alive while it waits for the next ones, and are in nobody else's hands
    meanwhile.

    The loss of one is the loss of all: the body is cancelled, once, and all are released when it has ended.

    Attributes:
        names: the locks, in the order in which they were given.
    """

    def __init__(self, member: Member, requests: Sequence[Request], timeout: float | None) -> None:
        self.names = tuple(request.name for request in requests)
        self._member = member
        self._several = Several(member, sorted(requests, key=lambda request: request.name))
        self._timeout = timeout
        self._entered: Entered[Leases] = Entered()

    def __repr__(self) -> str:
        return f"<LockAll {', '.join(map(repr, self.names))}>"

    async def locked(self) -> bool:
        """Whether an ``obtain`` would be refused now: one of them is held or waited for. A read for each.

        It was true a moment ago on the server; it is no permission, and no promise.

        Raises:
            LockError, LockBackendError: as ``obtain``.
        """
        return await self._several.locked()

    async def obtain(self, *, keep_alive: bool = False) -> Leases | None:
        """Take all of them, if none is taken. Never waits; one command for each.

        Whatever happens, it leaves nothing behind but what it returns: what it has got by then is given back
        (for a second, it waits for that).

        Args:
            keep_alive: renew the leases until they are released; else they expire after their ttl.

        Returns:
            The leases, or None: somebody else has one of the locks, or waits for it.

        Raises:
            LockError: the document under a name is no lock, or one of another kind.
            LockBackendError: MongoDB did not do as asked.
            LeaseLostError: one was lost before the last one was had; it says which.
        """
        holdings = await self._several.claim(keep_alive=keep_alive)
        return None if holdings is None else self._leases(holdings)

    async def acquire(
        self, timeout: Seconds | EllipsisType | None = ..., *, keep_alive: bool = False
    ) -> Leases:
        """Take all of them; wait until each can be had.

        It leaves nothing behind but what it returns, as ``obtain``.

        Args:
            timeout: how long to wait for all of them together: seconds, or a timedelta; 0: ask once; None:
                for ever; left out: as long as this was made to wait.
            keep_alive: as for ``obtain``.

        Raises:
            LockTimeoutError: one was not free in time; it says which, and who had it.
            TypeError, ValueError: ``timeout`` is no duration.
            LockError, LockBackendError, LeaseLostError: as ``obtain``. The loss of one ends the wait for the
                others.
        """
        limit = self._timeout if isinstance(timeout, EllipsisType) else check_timeout(timeout)
        return self._leases(await self._several.acquire(limit, keep_alive=keep_alive))

    async def __aenter__(self) -> Leases:
        """Wait for all of them.

        Raises:
            LockTimeoutError, LockError, LockBackendError, LeaseLostError: as ``acquire``.
        """
        block = await self._several.enter(self._timeout)
        leases = self._leases(block.holdings)
        self._entered.add(block, leases)
        return leases

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release all of them, as the block of a ``Lock``.

        Raises:
            LeaseLostError: one was lost while the body ran, and the body raised nothing else; it names the
                first one. An error of the body gets a note of each loss.
        """
        block, _leases = self._entered.pop()
        await self._several.leave(block, exc)

    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        """Decorate a coroutine function: each call holds all of them from its beginning to its end.

        Raises:
            TypeError: the function is not a coroutine function.
        """
        return decorated(function, lambda *_args, **_kwargs: self)

    def _leases(self, holdings: Iterable[Holding]) -> Leases:
        """In the order of the caller's."""
        by_name = {holding.name: holding for holding in holdings}
        return tuple(Lease(self._member, by_name[name]) for name in self.names)

"""Work that is due at each boundary of a schedule, in one process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import AsyncGeneratorType
from typing import Self, cast

from mongolock_async._engine.boundaries import Boundaries
from mongolock_async._engine.holding import Holding
from mongolock_async._engine.member import Member
from mongolock_async._engine.ticks import Ticks
from mongolock_async._protocol.request import Request

from .bound import Bound
from .lease import Lease


class Schedule(Bound):
    """Boundaries of the server's clock, each of which one process gets, and no other.

    ``LockRepository.every`` and ``LockRepository.cron`` make it; that sends nothing. Three ways to use it:

    - ``async for lease in schedule``: at each boundary, a lease in one process, and None in the others.
      The lease is kept alive while the body runs, and released when the loop goes on, ends or raises.
      (A loop that was left by ``break`` lets go of its lease when nobody refers to the schedule any
      more; ``contextlib.aclosing`` does so at once.) Nobody interrupts the body if the lease is lost
      (``lease.lost``). A schedule is its own iterator: one loop at a time.
    - ``await schedule.run(work)``: ``work(lease)`` at each boundary that is ours.
    - ``await schedule.obtain()``: the boundary that lasts now, if nobody had it yet.

    A boundary lasts until the next one. It is served once, whatever happens: if its holder dies, it is not
    run again, and the next one is, as soon as the dead holder's lease has expired. Boundaries that pass
    while the body runs are skipped by its process; another may take one as long as it lasts. A process that
    was suspended over boundaries takes the last of them, if nobody had it. Those who had no luck at a
    boundary come up to 0.1 s later to the next one (a tenth of the time between two, if that is less), so
    that hundreds of processes do not come at once.

    A schedule outlives outages: it logs one line, and goes on with the next boundary once MongoDB is back.
    What MongoDB refuses (codes 13 and 18), and a client that was closed, is raised. So is, before the first
    answer, an error that does not go away by itself (``LockBackendError.hint``): the configuration is wrong.
    One that comes later is told by the log, with its hint, and outlived as an outage, since whoever has
    changed the server may change it back. ``aclose`` of the repository ends loops and ``run``.

    It does *not* promise that each boundary is run: not where no process is there, MongoDB is away (but see
    ``catch_up`` of ``cron``), the holder dies, or a former body still runs in all processes.

    Attributes:
        name: the lock; the document under it remembers the last boundary that was served.
    """

    def __init__(
        self, member: Member, request: Request, boundaries: Boundaries, catch_up: float | None = None
    ) -> None:
        self.name = request.name
        self._member = member
        self._request = request
        self._boundaries = boundaries
        self._catch_up = catch_up
        self._loop = self._begin()

    def __repr__(self) -> str:
        return f"<Schedule {self.name!r}: {self._boundaries}>"

    def __aiter__(self) -> Self:
        if self._loop.ag_frame is None:  # the last one has ended
            self._loop = self._begin()
        return self

    async def __anext__(self) -> Lease | None:
        """Wait for the next boundary; the lease of the one before is released first.

        Raises:
            StopAsyncIteration: the repository was closed meanwhile, or the loop has ended.
            LockError: the repository is closed, or the document under that name is no lock.
            LockBackendError: MongoDB refuses (codes 13 and 18), the client was closed, or this is no server
                for locks (before the first answer only).
        """
        holding = await anext(self._loop)
        return None if holding is None else Lease(self._member, holding)

    async def aclose(self) -> None:
        """End the loop, and release its lease."""
        await self._loop.aclose()

    async def run(self, work: Callable[[Lease], Awaitable[object]]) -> None:
        """Call ``work(lease)`` at each boundary that is ours; return when the repository is closed.

        The work is cancelled if its lease is lost; the lease is released when it has ended, and not before.
        An error that it raises is logged, with its traceback, and the schedule goes on.

        Args:
            work: a coroutine function, or what else returns an awaitable.

        Raises:
            TypeError: ``work`` is nothing of the kind, which may show only when it is called.
            LockError, LockBackendError: as the loop.
        """
        if not callable(work):
            raise TypeError(f"work must be a coroutine function, not {type(work).__name__}")
        member = self._member
        await self._ticks().run(lambda holding: Lease(member, holding), work)

    async def obtain(self) -> Lease | None:
        """Take the boundary that lasts now, if nobody had it yet. Never waits; at most two commands.

        "Once an hour", from wherever it is called how often. Unlike a loop, it does not wait for the first
        boundary of a schedule that was never served. The lease is kept alive until it is released.

        Returns:
            The lease, or None: somebody had it, or still holds a former one.

        Raises:
            LockError, LockBackendError, LeaseLostError: as ``LockRepository.obtain``.
        """
        holding = await self._ticks().obtain()
        return None if holding is None else Lease(self._member, holding)

    def _ticks(self) -> Ticks:
        return Ticks(self._member, self._request, self._boundaries, self._catch_up)

    def _begin(self) -> AsyncGeneratorType[Holding | None, None]:
        # The only generator: one around another cannot be closed while the event loop closes both.
        return cast("AsyncGeneratorType[Holding | None, None]", self._ticks().held())

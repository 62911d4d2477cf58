"""The renewal loop in a thread of its own: the member's event loop may stand still meanwhile."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from mongolock_async._errors import LockError

from .clock import Clock
from .holding import Holding
from .keepalive import KeepAlive
from .recorder import Recorder
from .renewable import Renew, Renewable

# How often, in seconds, it looks whether the member's loop is closed: nobody could release anything any more.
LOOK = 1.0
# How long, in seconds, its end waits for renewals that are under way.
END = 1.0


class RenewalThread:
    """Does what ``KeepAlive`` does, and is used as one is, in the member's event loop.

    The thread runs from the first lease or place on until ``aclose``, or until the member's loop is closed.
    At exit, nobody waits for it.

    Args:
        renew: as for ``KeepAlive``; called in the thread.
        clock: as for ``KeepAlive``.
        revived: as for ``KeepAlive``; called in the member's loop.
    """

    def __init__(
        self, renew: Mapping[str, Renew], clock: Clock, revived: Callable[[Renewable], None]
    ) -> None:
        self._revived = revived
        ways = {kind: partial(_renew, way) for kind, way in renew.items()}
        self._keeper = KeepAlive(ways, clock, lambda there: _there(there).revived())
        self._kept: dict[Renewable, _There] = {}
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()

    @property
    def renewals(self) -> int:
        """How many were confirmed."""
        return self._keeper.renewals

    @property
    def latency(self) -> Recorder:
        """How long they took."""
        return self._keeper.latency

    def add(self, lease: Renewable) -> None:
        """Keep it alive from now on.

        Raises:
            LockError: there is no thread, and none can be started.
        """
        if self._thread is None:
            self._start()
        there = self._kept[lease] = _There(lease, self._home, self._revived)
        self._post(self._keeper.add, there)

    def discard(self, lease: Renewable) -> None:
        """Never renew it again, but for what is under way."""
        if there := self._kept.pop(lease, None):
            self._post(self._keeper.discard, there)

    def paced(self, lease: Renewable) -> None:
        """It was renewed just now, and has another life: its next renewal follows from that."""
        if there := self._kept.get(lease):
            self._post(self._keeper.paced, there)

    async def settle(self, lease: Renewable) -> None:
        """Wait until no renewal of it is under way."""
        if there := self._kept.get(lease):
            settled = asyncio.run_coroutine_threadsafe(self._keeper.settle(there), self._loop)
            await asyncio.wrap_future(settled)

    async def aclose(self) -> None:
        """Stop, and end the thread."""
        self._kept.clear()
        if self._thread is not None:
            self._post(self._stop.set)
            await self._over.wait()
            self._thread.join()

    def _start(self) -> None:
        self._home = asyncio.get_running_loop()
        self._over = asyncio.Event()  # here
        self._stop = asyncio.Event()  # there
        thread = threading.Thread(target=self._run, name="mongolock_async renewals", daemon=True)
        loop = None
        try:
            loop = self._loop = asyncio.new_event_loop()
            thread.start()
        except (OSError, RuntimeError) as error:  # the next lease tries again
            if loop is not None:
                loop.close()
            raise LockError(f"the thread that renews leases does not start: {error}") from error
        self._thread = thread

    def _post(self, work: Callable[..., object], *arguments: object) -> None:
        """Have it done in the thread; one after another, in their order."""
        if os.getpid() == self._pid:  # a forked child has no thread, and shares what would wake its parent's
            _call(self._loop, work, *arguments)

    def _run(self) -> None:
        """The thread."""
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._renew())
        finally:
            _call(self._home, self._over.set)

    async def _renew(self) -> None:
        while not (self._stop.is_set() or self._home.is_closed()):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), LOOK)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._keeper.aclose(), END)


class _There:
    """A lease or a place of the member's loop, as the thread knows it."""

    def __init__(
        self, lease: Renewable, home: asyncio.AbstractEventLoop, revived: Callable[[Renewable], None]
    ) -> None:
        self.lease = lease
        self.id = lease.id
        self.name = lease.name
        self._home = home
        self._revived = revived

    @property
    def kind(self) -> str:
        return self.lease.kind

    @property
    def life(self) -> float:
        return self.lease.life

    @property
    def resting(self) -> bool:
        return self.lease.resting

    @property
    def alone(self) -> bool:
        return self.lease.alone

    def renewed(self, sent: float) -> None:
        """At once for a lease, whose deadline moves although the loop stands still."""
        if not isinstance(self.lease, Holding):
            _call(self._home, self.lease.renewed, sent)
            return
        self.lease.renewed(sent)
        if self.lease.ended is not None:  # before the loop could say so
            self.revived()

    def gone(self) -> None:
        """At once for a lease: it is not held any more."""
        if isinstance(self.lease, Holding):
            self.lease.gone()
        else:
            _call(self._home, self.lease.gone)

    def revived(self) -> None:
        """The server has renewed what was discarded meanwhile."""
        _call(self._home, self._revived, self.lease)


async def _renew(way: Renew, batch: Sequence[_There], within: float) -> set[str]:
    return await way([there.lease for there in batch], within)


def _there(lease: Renewable) -> _There:
    assert isinstance(lease, _There)  # nothing else was added
    return lease


def _call(loop: asyncio.AbstractEventLoop, work: Callable[..., object], *arguments: object) -> None:
    """In that loop, soon; if it is closed, nobody is left who would want it."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(work, *arguments)

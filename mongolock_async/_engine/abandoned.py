"""Leases that are kept alive, and that nobody wants any more."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .holding import Holding
from .keepalive import KeepAlive
from .lifetime import Lifetime
from .renewal_thread import RenewalThread

# The iterator of a schedule that is left together with its lease releases it some turns of the loop later.
GRACE = 0.1


class Abandoned:
    """Warns of them, and has them renewed no more, so that they expire.

    Args:
        keep_alive: what renews.
        lifetime: knows the event loop.
    """

    def __init__(self, keep_alive: KeepAlive | RenewalThread, lifetime: Lifetime) -> None:
        self._keep_alive = keep_alive
        self._lifetime = lifetime

    def forgotten(self, holding: Holding) -> None:
        """Nobody refers to the lease any more. Called in any thread: where the garbage is collected."""
        if not holding.ticking:
            self._give_up(holding, stacklevel=4)
        elif holding.kept and holding.held:
            self._in_loop(self._soon, holding)

    @contextmanager
    def unless_its_task_fails(self, holding: Holding) -> Iterator[None]:
        """The iterator of a schedule rests at the lease, and the task that has got it works."""

        def done(task: asyncio.Task[object]) -> None:
            # Not ``exception()``: asyncio would take the error for heard.
            if task.cancelled() or task._exception is not None:  # noqa: SLF001 - nothing public tells
                self._soon(holding)

        task = asyncio.current_task()
        assert task is not None  # a coroutine of ours runs
        task.add_done_callback(done)
        its_task = weakref.ref(task)
        del task  # its error, of which nobody has heard, must not stay here
        try:
            yield
        finally:
            if task := its_task():
                task.remove_done_callback(done)

    def _soon(self, holding: Holding) -> None:
        asyncio.get_running_loop().call_later(GRACE, self._give_up, holding)

    def _in_loop(self, callback: Callable[[Holding], object], holding: Holding) -> None:
        assert self._lifetime.loop is not None  # there is a lease
        with contextlib.suppress(RuntimeError):  # the loop is closed, and renews nothing
            self._lifetime.loop.call_soon_threadsafe(callback, holding)

    def _give_up(self, holding: Holding, stacklevel: int = 1) -> None:
        if not holding.kept or not holding.held:
            return
        holding.kept = False
        self._in_loop(self._keep_alive.discard, holding)
        warnings.warn(
            f"the lease of {holding.name!r} was abandoned: it is not renewed any more, and expires",
            ResourceWarning,
            stacklevel=stacklevel,
        )

"""A command under a lease: it ends before that does, with all its children."""

from __future__ import annotations

import asyncio
import math
import os
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from mongolock_async import Lease

from . import exits
from .child import LOOK_EVERY, Child
from .guard import Guard
from .signals import Signals
from .terminal import STOPS, WANTS_IT, Terminal

# Seconds before the end of its lease that a command is told to end.
GRACE = 5.0
# It is killed so many seconds before that end, or this part of the ttl, if that is less: to kill takes time.
AHEAD = 0.5
PART = 0.05
# The lease is looked at so many times in a ttl, at least.
LOOKS = 4
# Seconds until it is said that the command has left processes behind.
SILENCE = 1.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command has ended.

    Attributes:
        code: its exit code, 128 + n after signal n; ``exits.LOST``, if it had not begun.
        lost: whether its lease was over, or in danger, so that it was told to end, killed, or not begun.
    """

    code: int
    lost: bool


class Job:
    """Runs a command under one lease after another, with a guard beside it.

    Args:
        words: the program and its arguments.
        grace: seconds, at most half the ttl; None: ``GRACE``, at most a third of the ttl.
        signals: what we are told.
    """

    def __init__(self, words: Sequence[str], grace: float | None, signals: Signals) -> None:
        self.words = words
        self.signals = signals
        self.terminal = Terminal()
        self._grace = grace
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.guard = self._stack.enter_context(Guard())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def grace(self, lease: Lease) -> float:
        """Seconds before the end of this lease that the command is told to end."""
        return min(GRACE, lease.ttl / 3) if self._grace is None else min(self._grace, lease.ttl / 2)

    async def run(self, lease: Lease) -> Ended:
        """Run it to its end, and to that of its children; the lease is not released.

        Processes that it leaves in its group keep this waiting: the lock is theirs, too.

        Raises:
            CommandError: it cannot be run.
            LockBackendError: the lease lives for less than its ttl yet, and could not be renewed.
            asyncio.CancelledError: raised when it was killed, and is gone.
        """
        # One that was handed over to us lives for 10 s at first.
        if lease.remaining <= self.grace(lease) and not await lease.renew():
            exits.say(f"the lease of {lease.name!r} was lost before the command had begun")
            return Ended(exits.LOST, lost=True)
        self.signals.take()
        try:
            run = _Run(self, lease)
            self.signals.forward_to(run.child)
            return await run.ended()
        finally:
            self.signals.forward_no_more()
            self.terminal.take_back()


class _Run:
    """One run of it."""

    def __init__(self, job: Job, lease: Lease) -> None:
        self._job = job
        self._lease = lease
        self._ahead = min(AHEAD, PART * lease.ttl)
        self._warned = False
        self._over = False
        self._left_behind: float | None = None
        guard = job.guard
        try:
            self.child = Child(job.words, _environment(lease), guard.input, guard.first(self._left))
        except exits.CommandError:
            guard.rest()  # it was told of the group before that was not to be
            raise

    @property
    def _left(self) -> float:
        """Seconds until it is to be killed."""
        return self._lease.remaining - self._ahead

    async def ended(self) -> Ended:
        """Wait for that, and see to it in time."""
        cancelled: asyncio.CancelledError | None = None
        losing = asyncio.create_task(self._lease.lost.wait())
        losing.add_done_callback(lambda _: self.child.wake())
        try:
            while not self.child.gone:
                try:
                    await self.child.changed(self._tended())
                except asyncio.CancelledError as error:
                    cancelled = error
                    self.child.send(signal.SIGKILL)
        finally:
            losing.cancel()
            struck = self._job.guard.strikes
            if self.child.gone:  # else, something is wrong with us, and the guard kills it when we end
                self._job.guard.rest()
        if struck or not self._lease.held:
            self._say_that_it_is_over()
        if cancelled is not None:
            raise cancelled
        assert self.child.code is not None  # it is gone
        return Ended(self.child.code, self._warned or self._over)

    def _tended(self) -> float:
        """Do what is to be done now; the seconds until it is to be looked at again."""
        child, guard = self.child, self._job.guard
        if child.stopper is not None:
            self._mind_a_stop()
        if child.code is not None:
            self._say_what_is_left_behind()
        left = self._left
        if left <= 0 or guard.strikes:
            self._say_that_it_is_over()
            child.send(signal.SIGKILL)
            return LOOK_EVERY
        guard.kill_in(child.group, left)
        danger = left + self._ahead - self._job.grace(self._lease)
        if danger <= 0 and not self._warned:
            self._warned = True
            exits.say(f"the lease of {self._lease.name!r} was not renewed: the command is told to end")
            child.send(signal.SIGTERM)
            child.send(signal.SIGCONT)  # one that is stopped hears nothing else
        return left if self._warned else min(danger, self._lease.ttl / LOOKS)

    def _mind_a_stop(self) -> None:
        """Somebody has stopped the command: if it is the terminal, so are we, as a shell expects it."""
        child, terminal = self.child, self._job.terminal
        number, child.stopper = child.stopper, None
        if not terminal.is_there or number not in STOPS:
            return
        asked = self._job.signals.have_asked_to_stop()
        if number in WANTS_IT and terminal.ours and not asked:
            terminal.lend(child.group)
            return
        had_it = terminal.lent
        terminal.take_back()
        terminal.stop_us()  # nothing is renewed meanwhile, and the guard kills the command in time
        self._job.signals.forward(signal.SIGTSTP)
        if self._left <= 0 or self._job.guard.strikes:
            return
        if number in WANTS_IT and not terminal.is_watched:  # it would ask again and again, and never get it
            child.send(signal.SIGHUP)
        if had_it and terminal.ours:
            terminal.lend(child.group)
        else:
            child.send(signal.SIGCONT)

    def _say_that_it_is_over(self) -> None:
        if not self._over:
            self._over = True
            exits.say(f"the lease of {self._lease.name!r} was lost: the command is killed")

    def _say_what_is_left_behind(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._left_behind is None:
            self._left_behind = now
        elif now - self._left_behind > SILENCE:
            self._left_behind = math.inf
            exits.say(
                f"the command has ended, but not what it has started: {self._lease.name!r} is held until "
                f"that ends, too (kill -- -{self.child.group})"
            )


def _environment(lease: Lease) -> dict[str, str]:
    of_lease = {
        "MONGOLOCK_NAME": lease.name,
        "MONGOLOCK_TOKEN": str(lease.fencing_token),
        "MONGOLOCK_OWNER": str(lease.owner),
    }
    if lease.boundary is not None:
        of_lease["MONGOLOCK_BOUNDARY"] = lease.boundary.isoformat()
    return os.environ | of_lease

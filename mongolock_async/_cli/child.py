"""A command that runs, and all processes of its group."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import exits, guard
from .exits import CommandError

# Of Linux' prctl(2).
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
# Where nobody tells of an end: a process of the group that is not ours to wait for.
LOOK_EVERY = 0.05


def check(words: Sequence[str]) -> None:
    """Whether there is such a program. It may be gone, or changed, when it is run.

    Raises:
        CommandError: there is not, or it may not be run.
    """
    program = words[0]
    if shutil.which(program) is not None:
        return
    if os.sep in program and Path(program).exists():
        raise CommandError(f"{program} cannot be run", exits.NOT_EXECUTABLE)
    raise CommandError(f"{program}: there is no such command", exits.NOT_FOUND)


class Child:
    """The command and its children, in a process group of their own.

    Killed with us: on Linux, the command itself by the kernel, at once; the whole group by the guard.

    Args:
        words: the program and its arguments.
        environment: its environment.
        told: where a guard is told of the group, before the command runs.
        deadline: when the guard is to kill it.

    Raises:
        CommandError: it cannot be run.

    Attributes:
        group: its process group.
        code: how the command has ended, 128 + n after signal n; None: it runs. Its children may outlive it.
        killer: the signal that has ended it; None: none has.
        stopper: the signal that has stopped it, until somebody takes note of that; None: none has.
    """

    def __init__(
        self, words: Sequence[str], environment: Mapping[str, str], told: int, deadline: float
    ) -> None:
        self.code: int | None = None
        self.killer: int | None = None
        self.stopper: int | None = None
        self._changed = asyncio.Event()
        adopt_orphans()
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._reap)
        self._process = _started(words, environment, told, deadline)
        self.group = self._process.pid
        self._reap()

    @property
    def gone(self) -> bool:
        """Whether no process of the group is left."""
        if self.code is None:
            return False
        try:
            os.killpg(self.group, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # there is one, of another user
            return False
        return False

    def send(self, number: int) -> None:
        """Send the whole group this signal."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.group, number)

    def wake(self) -> None:
        """End a ``changed`` that waits."""
        self._changed.set()

    async def changed(self, within: float) -> None:
        """Wait until something has happened to it, or for so many seconds."""
        limit = within if self.code is None else min(within, LOOK_EVERY)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._changed.wait()
        self._changed.clear()

    def _reap(self) -> None:
        """Take note of what has become of our children, the adopted ones, too."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                break
            if pid == 0:
                break
            if pid == self.group:
                self._note(status)
        self._changed.set()

    def _note(self, status: int) -> None:
        if os.WIFSTOPPED(status):
            self.stopper = os.WSTOPSIG(status)
            return
        code = os.waitstatus_to_exitcode(status)
        self._process.returncode = code  # else it would wait for it, too
        self.killer = -code if code < 0 else None
        self.code = code if self.killer is None else exits.by_signal(self.killer)


def adopt_orphans() -> None:
    """Processes of the group that lose their parent become our children, so that they leave no zombies."""
    if prctl is not None:
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _started(
    words: Sequence[str], environment: Mapping[str, str], told: int, deadline: float
) -> subprocess.Popen[bytes]:
    us = os.getpid()

    def before_it_runs() -> None:
        """In the child. It calls the system, and takes no locks that a thread of ours might have had."""
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != us:  # we ended before that
                os._exit(1)
        with contextlib.suppress(OSError):  # there is no guard any more
            os.write(told, guard.line(os.getpid(), deadline))

    with warnings.catch_warnings():
        # Of forking beside threads; the resolver of host names may have one.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return subprocess.Popen(  # noqa: S603 - the user's own command
                words,
                env=environment,
                process_group=0,
                preexec_fn=before_it_runs,  # noqa: PLW1509 - see there
                close_fds=False,
            )
        except FileNotFoundError as error:
            raise CommandError(f"{words[0]}: there is no such command", exits.NOT_FOUND) from error
        except OSError as error:
            raise CommandError(f"{words[0]} cannot be run: {error.strerror}", exits.NOT_EXECUTABLE) from error

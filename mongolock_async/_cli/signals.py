"""Signals: they are the command's while it runs; else, they end us."""

from __future__ import annotations

import asyncio
import math
import signal
from collections.abc import Coroutine
from typing import Any

from . import exits
from .child import Child

# Those that end a program which does not handle them.
ENDING = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
)
# Those that mean something to a command that runs, and nothing to one that waits.
OTHERS = (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)
# Those that mean the end also of what goes on after the command. HUP may mean: read your settings again.
FOR_GOOD = {signal.SIGINT, signal.SIGQUIT, signal.SIGTERM}
# Seconds.
JUST_NOW = 1.0


class Signals:
    """What we are told by them.

    One that was ignored when we were started, as by nohup, is ignored by us and by the command.

    Attributes:
        last: the last one that was meant to end us, or the command; None: none was.
    """

    def __init__(self) -> None:
        self.last: int | None = None
        self._to_end = False
        self._stop_asked = -math.inf
        self._child: Child | None = None
        self._work: asyncio.Task[int] | None = None

    async def heeded(self, work: Coroutine[Any, Any, int]) -> int:
        """The exit code of this work, which a signal ends where no command runs.

        Raises:
            Interrupted: Ctrl-C has ended it, or the command.
        """
        loop = asyncio.get_running_loop()
        self._work = task = asyncio.create_task(work)
        for number in ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._heed, number)
        await asyncio.wait([task])
        ended_us = task.cancelled() and self.last is not None
        code = exits.by_signal(self.last) if ended_us and self.last is not None else task.result()
        if self.last == signal.SIGINT and code == exits.by_signal(signal.SIGINT):
            raise exits.Interrupted
        return code

    def take(self) -> None:
        """A command is about to start: what comes meanwhile is kept until the event loop runs again."""
        for number in OTHERS:
            self.forward(number)

    def forward_to(self, child: Child) -> None:
        """It runs; the event loop has not run since ``take``."""
        self._child = child

    def forward(self, number: int) -> None:
        """Of those that are no end: the command's from now on."""
        if signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, self._heed, number)

    def forward_no_more(self) -> None:
        """It is gone."""
        killer = None if self._child is None else self._child.killer
        if killer == signal.SIGINT:
            self.last = killer  # it may have had the terminal, and Ctrl-C was for all of us
        self._to_end |= killer is not None and killer == self.last
        self._child = None
        for number in OTHERS:
            asyncio.get_running_loop().remove_signal_handler(number)

    def end_if_told(self) -> None:
        """Of one who would go on after the command: end, if a signal was meant to end it."""
        if self._to_end and self._work is not None:
            self._work.cancel()

    def have_asked_to_stop(self) -> bool:
        """Whether Ctrl-Z has come just now, and nobody has taken note of it.

        It may have come while the command was stopped as one that wants the terminal, and to continue that
        would undo it.
        """
        asked, self._stop_asked = self._stop_asked, -math.inf
        return asyncio.get_running_loop().time() - asked < JUST_NOW

    def are_too_late(self) -> None:
        """There is nothing left for them to end."""
        self._work = None

    def _heed(self, number: int) -> None:
        if number in ENDING:
            self.last = number
        if self._child is not None:
            self._child.send(number)
            if number == signal.SIGTSTP:
                self._stop_asked = asyncio.get_running_loop().time()
            self._to_end |= number in FOR_GOOD
        elif self._work is not None and number in ENDING:
            self._work.cancel()

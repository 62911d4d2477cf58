"""The whole terminal, taken for a while, and put back as it was."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live

_LEAVES = b"qQ"
# How it may be ended from outside.
_ENDS = (signal.SIGTERM, signal.SIGHUP)


class Screen:
    """A context: the terminal shows frames, and nothing is echoed; after it, all is as before.

    Also after an exception, Ctrl-C, SIGTERM and SIGHUP; while it is suspended with Ctrl-Z, too. What is
    written to ``sys.stderr`` meanwhile comes out at the end.

    Args:
        console: of a terminal.
        draw: makes a frame, for a width and a height.
    """

    def __init__(self, console: Console, draw: Callable[[int, int], RenderableType]) -> None:
        self._console = console
        self._draw = draw
        self._loop = asyncio.get_running_loop()
        self._taken = ExitStack()
        self._errors = io.StringIO()
        self._left = asyncio.Event()
        self._live: Live | None = None
        self.signal: int | None = None

    def __enter__(self) -> Self:
        self._take()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._taken.close()
        sys.stderr.write(self._errors.getvalue())

    def show(self) -> None:
        """Draw a frame."""
        if self._live is not None:
            self._live.update(self._draw(*self._console.size), refresh=True)

    async def left(self) -> None:
        """Return when the user wants to leave, or the process is to end: then ``signal`` says by which."""
        await self._left.wait()

    def _take(self) -> None:
        with ExitStack() as stack:
            stack.enter_context(redirect_stderr(self._errors))
            stack.enter_context(self._signals())
            stack.enter_context(self._keys())
            stack.callback(setattr, self, "_live", None)
            self._live = Live(console=self._console, screen=True, auto_refresh=False, redirect_stderr=False)
            stack.enter_context(self._live)
            self._taken = stack.pop_all()

    @contextmanager
    def _keys(self) -> Iterator[None]:
        """Keys are read one by one, and not echoed."""
        if not sys.stdin.isatty():
            yield
            return
        number = sys.stdin.fileno()
        before = termios.tcgetattr(number)
        tty.setcbreak(number, termios.TCSADRAIN)
        self._loop.add_reader(number, self._read, number)
        try:
            yield
        finally:
            self._loop.remove_reader(number)
            termios.tcsetattr(number, termios.TCSADRAIN, before)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        actions: dict[int, Callable[[], None]] = {number: self._ender(number) for number in _ENDS}
        actions |= {
            signal.SIGINT: self._left.set,
            signal.SIGTSTP: self._suspend,
            signal.SIGWINCH: self.show,
        }
        before = {number: signal.getsignal(number) for number in actions}
        for number, action in actions.items():
            self._loop.add_signal_handler(number, action)
        try:
            yield
        finally:
            for number, handler in before.items():
                self._loop.remove_signal_handler(number)
                signal.signal(number, handler)

    def _ender(self, number: int) -> Callable[[], None]:
        def end() -> None:
            self.signal = number
            self._left.set()

        return end

    def _read(self, number: int) -> None:
        keys = os.read(number, 1024)
        if not keys:  # the terminal is gone
            self._loop.remove_reader(number)
        if set(keys) & set(_LEAVES):
            self._left.set()

    def _suspend(self) -> None:
        """As any program is by Ctrl-Z; the shell has its terminal meanwhile."""
        self._taken.close()
        signal.raise_signal(signal.SIGTSTP)
        self._take()
        self.show()

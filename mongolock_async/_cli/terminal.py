"""The terminal that we were started at, which one process group at a time may read.

The command is in a group of its own. It gets the terminal when it wants to read it, or to change its
settings, and not before: whoever is in a pipeline with us would lose it, and a script around us would not
hear of Ctrl-C. The kernel stops a group that reads what it has not got; that is how we know.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

WANTS_IT = {signal.SIGTTIN, signal.SIGTTOU}
STOPS = {signal.SIGTSTP, *WANTS_IT}


class Terminal:
    """Ours, if we have one.

    Attributes:
        lent: whether the command has it.
    """

    def __init__(self) -> None:
        self.lent = False
        self._file: int | None = None
        with contextlib.suppress(OSError):
            self._file = os.open("/dev/tty", os.O_RDWR)

    @property
    def is_there(self) -> bool:
        """Whether we have one."""
        return self._file is not None

    @property
    def ours(self) -> bool:
        """Whether our process group may read it: it does not run in the background."""
        return self._foreground() == os.getpgrp()

    def lend(self, group: int) -> None:
        """Give it to that group, and continue that.

        A Ctrl-Z between the two is lost, as with ``fg``: whoever is continued forgets what was to stop it.
        So nothing else may be between them.
        """
        with _not_stopped_for_it():
            self.lent = self._give(group)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGCONT)

    def take_back(self) -> None:
        """It is ours again, if that group had it."""
        if self.lent:
            with _not_stopped_for_it():
                self._give(os.getpgrp())
        self.lent = False

    @property
    def is_watched(self) -> bool:
        """Whether there may be a shell that continues those who are stopped."""
        try:
            return os.getsid(os.getppid()) == os.getsid(0)
        except OSError:  # it is of another user
            return False

    def stop_us(self) -> None:
        """As Ctrl-Z does it; it returns when we go on, and at once where nobody could continue us."""
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTSTP)

    def _foreground(self) -> int | None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                return os.tcgetpgrp(self._file)
        return None

    def _give(self, group: int) -> bool:
        if self._file is None:
            return False
        try:
            os.tcsetpgrp(self._file, group)
        except OSError:  # it hung up, or the group is gone
            return False
        return True


@contextlib.contextmanager
def _not_stopped_for_it() -> Iterator[None]:
    """Whoever gives it away from the background would be stopped."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

"""A process beside ours that kills the command when its lease ends, or when we do.

It also sees to that where we cannot: killed, or stopped, we renew nothing, and the command and its children
would go on beside the next holder. It runs this file as a script, without the package, in a session of its
own, so that nothing that is typed at a terminal reaches it. On its standard input it reads lines ``GROUP
DEADLINE``: when to kill which process group, by the clock below; group 0: none. The end of the input is our
end.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import subprocess
import sys
import time
from typing import Self

# It goes on while the machine is suspended, where there is one that does; Python's own may stand still.
CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
# Seconds between two looks at it: a suspended machine may stop what waits.
LOOK_EVERY = 0.5
# Seconds that we wait for its end.
GOODBYE = 1.0


def now() -> float:
    """The time, by that clock."""
    return time.clock_gettime(CLOCK)


def line(group: int, deadline: float) -> bytes:
    """What tells it to kill that group, and when."""
    return b"%d %f\n" % (group, deadline)


class Guard:
    """Our end of it.

    Attributes:
        input: where lines for it are written to.
        deadline: when it kills what it was told last.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - this file
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self.input = self._process.stdin.fileno()
        os.set_blocking(self.input, False)
        self.deadline = math.inf

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """It ends, and kills what it was told last, unless that was none."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # somebody has stopped it
            self._process.wait(GOODBYE)

    @property
    def strikes(self) -> bool:
        """Whether it has killed that by now, or is about to."""
        return now() >= self.deadline

    def first(self, left: float) -> float:
        """The deadline of a command that is about to start, and will tell it so itself."""
        self.deadline = now() + left
        return self.deadline

    def kill_in(self, group: int, left: float) -> None:
        """So many seconds from now, instead of what it was told before."""
        self._tell(group, now() + left)

    def rest(self) -> None:
        """There is nothing to be killed."""
        self._tell(0, math.inf)

    def _tell(self, group: int, deadline: float) -> None:
        self.deadline = deadline
        try:
            os.write(self.input, line(group, deadline))
        except BlockingIOError:  # stopped for long, it would act on old lines: we go on without
            self._process.kill()
        except BrokenPipeError:  # somebody has killed it: likewise
            pass


def main() -> None:
    """Watch until the input ends."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    group, deadline = 0, 0.0
    while True:
        left = max(0.0, min(LOOK_EVERY, deadline - now())) if group else None
        ready, _, _ = select.select([0], [], [], left)
        if ready:
            told = os.read(0, 65_536)
            if not told:
                kill(group)
                return
            first, second = told.split(b"\n")[-2].split()
            group, deadline = int(first), float(second)
        if group and now() >= deadline:
            kill(group)
            group = 0


def kill(group: int) -> None:
    """With all of its processes, also those that are stopped."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if group:
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()

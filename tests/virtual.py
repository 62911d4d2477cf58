"""An event loop whose time jumps to what comes next, so that a test of hours takes milliseconds."""

from __future__ import annotations

import asyncio
import selectors

# Many more than any test needs.
JUMPS = 1_000_000


class _Jumps(selectors.DefaultSelector):
    """Lets time pass instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.jumps = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; else, it is later now."""
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("the test waits for what will never happen: no task and no timer is left")
        self.now += timeout
        self.jumps += 1
        if self.jumps > JUMPS:
            raise RuntimeError("the test never ends: time goes by, and nothing comes of it")
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its ``time`` stands still while anything can run, and jumps to the next timer when nothing can.

    For tests without a server and without threads: nothing else could happen meanwhile.
    """

    def __init__(self) -> None:
        self._jumps = _Jumps()
        super().__init__(self._jumps)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._jumps.now


async def settle() -> None:
    """Let everything happen that takes no time."""
    await asyncio.sleep(1e-6)

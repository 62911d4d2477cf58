"""Looking at the locks again and again, also while MongoDB is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from rich.console import RenderableType

from mongolock_async import LockBackendError, LockInfo, LockRepository

from .durations import duration
from .frames import Seen, frame
from .orders import ordered

# Seconds between two looks, and between two frames while there is no answer.
PERIOD = 1.0
# Silence of so many seconds is nothing to speak of.
_PATIENCE = 2.5
# The server's codes for "not authorised" and "authentication failed": waiting does not help.
_REFUSALS = {13, 18}


class Watching:
    """What was seen of the locks, and what keeps it from being new.

    Args:
        locks: the repository.
        where: what to call it.
        prefix: what the names begin with.
        held: only those that somebody holds.
        sort: one of ``ORDERS``.
    """

    def __init__(self, locks: LockRepository, where: str, prefix: str, *, held: bool, sort: str) -> None:
        self._locks = locks
        self._where, self._prefix, self._held, self._sort = where, prefix, held, sort
        self._answered = _now()
        self._failure = ""
        self.seen = Seen(where, "", ())

    @property
    def trouble(self) -> str:
        """Why what was seen is old; "" if it is not."""
        silence = _now() - self._answered
        if not self._failure and silence < _PATIENCE:
            return ""
        return f"No answer from MongoDB for {duration(silence)}{self._failure}; still asking"

    def frame(self, width: int, height: int) -> RenderableType:
        """What was seen, for a screen of that size."""
        return frame(self.seen, self.trouble, width, height)

    async def look(self) -> None:
        """See all locks once.

        Raises:
            LockBackendError: MongoDB did not do as asked.
        """
        if not self._failure:
            self._answered = _now()  # nobody has asked since
        found: list[LockInfo] = []
        async for info in self._locks.list(self._prefix, held=self._held):
            self._answered = _now()
            found.append(info)
        self._answered, self._failure = _now(), ""
        at = f"{datetime.now().astimezone():%H:%M:%S}"
        self.seen = Seen(self._where, at, ordered(found, self._sort, used_first=True))

    async def run(self, draw: Callable[[], None]) -> None:
        """Look and draw, each second, until it is cancelled. A long list takes half of the time.

        Raises:
            LockBackendError: MongoDB refuses it.
        """
        while True:
            began = _now()
            seen = await self._outlive(draw)
            draw()
            await asyncio.sleep(max(PERIOD, _now() - began) if seen else PERIOD)

    async def _outlive(self, draw: Callable[[], None]) -> bool:
        """Look once, and draw while there is no answer; whether there was one."""
        look = asyncio.create_task(self.look())
        try:
            while not (await asyncio.wait([look], timeout=PERIOD))[0]:
                draw()
            await look
        except LockBackendError as error:
            if error.code in _REFUSALS:
                raise
            self._failure = f" ({error.kind})"
            return False
        else:
            return True
        finally:
            look.cancel()


def _now() -> float:
    return asyncio.get_running_loop().time()

"""Reads the calls to one ear, as they are written."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import Any

import pymongo
from pymongo.errors import PyMongoError

from .capped import AWAIT, SILENCE, Capped

logger = logging.getLogger("mongolock_async")

# What failed is tried again after so many seconds, doubled each time.
AGAIN = 1.0
AGAIN_AT_MOST = 60.0
# A cursor that died did so for others, too: they must not all come back at once.
JITTER = 1.0
# Between two readings: the drivers' pools are not fair, and a cursor is never done.
PAUSE = 0.003
# Those who were called send their question first; after so many turns of the loop, the cursor goes on.
TURNS = 3
# Closing waits so long for the server, and then for the task, which is cancelled again and again: a
# cancellation may be lost in the driver, by asyncio.wait_for in Python 3.11.
CLOSE = 1.0
CANCEL = 0.1


class Listening:
    """One tailable cursor after another, until nobody wants them.

    Args:
        capped: where calls are written.
        ear: to whom.
        read: called with each call.
        state: called with None when a cursor has followed another, and with the error when none can be had.
        idle: whether nobody wants it any more.
        news: whether the first cursor is news, too, since calls were missed before.
    """

    def __init__(
        self,
        capped: Capped,
        ear: str,
        read: Callable[[Mapping[str, Any]], None],
        state: Callable[[Exception | None], None],
        idle: Callable[[], bool],
        *,
        news: bool,
    ) -> None:
        self._capped = capped
        self._ear = ear
        self._read = read
        self._state = state
        self._idle = idle
        self._news = news
        self._ended = False
        self._doubted = False
        self._cursor: Any = None
        self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())
        self._task.add_done_callback(_report)

    @property
    def over(self) -> bool:
        """Whether it has ended, and another is needed."""
        return self._task.done()

    def renew(self) -> None:
        """Take another cursor, soon."""
        self._doubted = True

    async def aclose(self) -> None:
        """End at once, without waiting for the server's next answer to the cursor."""
        self._ended = True
        try:
            if self._cursor is not None:
                with pymongo.timeout(CLOSE):
                    await self._capped.kill(self._cursor)
                    await self._capped.write({"to": []})  # an insert wakes it, to find itself killed
                await asyncio.wait([self._task], timeout=CLOSE)
        except PyMongoError:
            pass  # the server is away
        finally:
            for _ in range(round(CLOSE / CANCEL)):
                if not self._task.done():
                    self._task.cancel()
                    await asyncio.wait([self._task], timeout=CANCEL)

    async def _run(self) -> None:
        again = AGAIN
        while not self._over():
            began = time.monotonic()
            try:
                with self._capped.seat():
                    await self._follow()
                pause, again = random.uniform(0, JITTER), AGAIN
            except Exception as error:  # noqa: BLE001 - whatever it was, those who wait go on by polling
                if self._over():
                    return
                self._state(error)
                if time.monotonic() - began > AGAIN_AT_MOST:  # it has heard for long
                    again = AGAIN
                pause, again = again, min(2 * again, AGAIN_AT_MOST)
            self._capped.lost()
            self._news = True
            if not self._over():
                await asyncio.sleep(pause)

    async def _follow(self) -> None:
        """Read from one cursor, while it is alive, and not half deaf."""
        with pymongo.timeout(AWAIT):
            await self._capped.fill()
        self._doubted = False
        await self._open()
        if self._news and self._cursor.alive:
            self._state(None)
        try:
            while self._cursor.alive and not self._over() and not self._doubted:
                await self._hear()
                primary = await self._capped.primary()
                # After a step-down it survives on the former primary, and hears late or nothing.
                if primary is not None and self._cursor.address not in {None, primary}:
                    return
                await asyncio.sleep(PAUSE)
        finally:
            cursor, self._cursor = self._cursor, None
            with contextlib.suppress(PyMongoError), pymongo.timeout(CLOSE):
                await cursor.close()

    async def _open(self) -> None:
        self._cursor = self._capped.read(self._ear)
        if not self._over():  # the collection may be made, or written to, while we are closed
            await self._hear()

    async def _hear(self) -> None:
        """Read what there is; it ends whenever there is no more, and now and then between two calls."""
        until = time.monotonic() + AWAIT
        with pymongo.timeout(AWAIT + SILENCE):
            async for call in self._cursor:
                self._read(call)
                for _ in range(TURNS):
                    await asyncio.sleep(0)
                if self._doubted or self._over() or time.monotonic() > until:
                    return

    def _over(self) -> bool:
        return self._ended or self._task.cancelling() > 0 or self._idle()


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("listening for calls failed: %s", type(error).__name__, exc_info=error)

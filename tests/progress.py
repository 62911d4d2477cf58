"""How far a long program is: a line that moves, on a terminal; a file has what the program prints."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rich.progress import Progress

LOOK_EVERY = 0.5


def bar() -> Progress:
    """The line, below all that is printed meanwhile. A file gets none of it."""
    return Progress(transient=True, disable=not sys.stdout.isatty())


@asynccontextmanager
async def passing(what: str, seconds: float) -> AsyncIterator[None]:
    """Show how much of a time is over, that passes meanwhile."""
    with bar() as shown:
        line = shown.add_task(what, total=seconds)
        following = asyncio.create_task(_follow(shown))
        try:
            yield
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
        shown.update(line, completed=seconds)


async def _follow(shown: Progress) -> None:
    while True:
        for line in shown.tasks:
            shown.update(line.id, completed=line.elapsed)
        await asyncio.sleep(LOOK_EVERY)

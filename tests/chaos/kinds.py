"""The activities that a worker may be told to do, by name."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine
from typing import Any

from .elections import candidates, observers
from .sections import blocks, readers, semaphore, several, tries
from .work import PERIOD, Work
from .writes import fenced, transactions


async def ticks(work: Work, name: str) -> None:
    """``every``: each boundary in one process."""
    while not work.stop.is_set():
        async with work.round(), contextlib.aclosing(work.locks.every(PERIOD, name)) as boundaries:
            async for lease in boundaries:
                if lease is not None:
                    work.recorder.note("run", boundary=lease._holding.boundary_ms)
                    await asyncio.sleep(random.uniform(0, 0.1))
                if work.stop.is_set():
                    break
        await asyncio.sleep(0.05)


KINDS: dict[str, Callable[[Work], Coroutine[Any, Any, None]]] = {
    "blocks": lambda work: blocks(work, "block"),
    "more": lambda work: blocks(work, "another block"),
    "tries": lambda work: tries(work, "try"),
    "semaphore": lambda work: semaphore(work, "semaphore"),
    "readers": lambda work: readers(work, "readers"),
    "several": lambda work: several(work, ("one of three", "two of three", "three of three")),
    "candidates": lambda work: candidates(work, "election"),
    "observers": lambda work: observers(work, "election"),
    "fenced": lambda work: fenced(work, "fenced"),
    "transactions": lambda work: transactions(work, "transaction"),
    "ticks": lambda work: ticks(work, "tick"),
}

"""From a release in one process to the lock's being held in another."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from ._figures import Figure, median, milliseconds, percentile, spread
from ._processes import Worker, workers

HOLD = 0.020
WARM_UP = 10
CONTEND_SECONDS = 5


async def hand_off(label: str, kinds: dict[str, str], rounds: int, *, floor: bool) -> list[Figure]:
    """For each kind of contender and its server; with ``floor``, the bare write and its event take turns.

    The contenders take turns, too, so that what else the machine does falls on all of them.
    """
    taken: dict[str, list[int]] = {kind: [] for kind in kinds}
    bare: dict[str, list[int]] = {kind: [] for kind in kinds}
    async with AsyncExitStack() as stack:
        pairs = {kind: await stack.enter_async_context(workers(2, kind, uri)) for kind, uri in kinds.items()}
        for here, _ in pairs.values():
            await here.do("acquire")
        for number in range(rounds + WARM_UP):
            for kind, pair in pairs.items():
                here, there = pair if number % 2 == 0 else pair[::-1]
                passed = await _round(here, there, "release", "acquire", HOLD)
                if number >= WARM_UP:
                    taken[kind].append(passed)
                if floor:
                    passed = await _round(here, there, "write", "hear", 0.005)
                    if number >= WARM_UP:
                        bare[kind].append(passed)
                    await here.do("hear")  # its own stream reports the same write
    figures = []
    for kind in kinds:
        ours, lowest = milliseconds(taken[kind]), milliseconds(bare[kind])
        note = spread(ours)
        ratio = None
        if lowest:
            ratio = median(ours) / median(lowest)
            note += f" ({percentile(ours, 0.99) / median(lowest):.2f} x the floor's median)"
            figures.append(Figure(label, f"floor ({kind})", median(lowest), "ms", 1.0, spread(lowest)))
        figures.append(Figure(label, kind, median(ours), "ms", ratio, note))
    return figures


async def _round(here: Worker, there: Worker, give: str, get: str, pause: float) -> int:
    await there.tell(get)
    await asyncio.sleep(pause)
    began = await here.do(give)
    return int(await there.answer()) - int(began)


async def throughput(kind: str, uri: str, count: int, floor_ms: float) -> Figure:
    """So many processes take and free one lock as fast as they can."""
    async with workers(count, kind, uri) as contenders:
        for worker in contenders:
            await worker.tell(f"loop {CONTEND_SECONDS}")
        turns = [await worker.answer() for worker in contenders]
    total = sum(turns)
    share = [turn / (total / count) for turn in turns]
    rate = total / CONTEND_SECONDS
    note = f"shares {min(share):.2f} to {max(share):.2f} of an equal one"
    return Figure(f"{count} processes contend", kind, rate, "locks/s", rate / (1000 / floor_ms), note)

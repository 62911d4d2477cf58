"""What ``watch`` sees, from one second to the next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from cli.shown import lock
from faulty import Fault, FaultyLocks, lost
from waiters import now

from mongolock_async import LockBackendError, LockInfo, LockRepository
from mongolock_async._cli.watching import Watching

Watched = list[tuple[float, list[str], str]]


def watching(locks: LockRepository, prefix: str = "", *, held: bool = False) -> Watching:
    return Watching(locks, "db.locks", prefix, held=held, sort="name")


async def watched(locks: LockRepository, seconds: float) -> Watched:
    """Each frame: when, which locks, and the trouble."""
    frames: Watched = []
    watch = watching(locks)

    def draw() -> None:
        frames.append((round(now(), 1), [info.name for info in watch.seen.locks], watch.trouble))

    with suppress(TimeoutError):
        await asyncio.wait_for(watch.run(draw), seconds)
    return frames


async def test_it_looks_once_a_second(locks: LockRepository, memory: FaultyLocks) -> None:
    await locks.create("cron")
    assert await watched(locks, 3.5) == [(second, ["cron"], "") for second in range(4)]
    assert memory.sent["page"] == 4


async def test_it_sees_what_changes(locks: LockRepository, others: LockRepository) -> None:
    watch = watching(others, "job:")
    for name in ("job:a", "job:b", "cron"):
        await locks.create(name)
    await watch.look()
    before = [(info.name, info.held) for info in watch.seen.locks]
    await locks.acquire("job:b")
    await watch.look()
    after = [(info.name, info.held) for info in watch.seen.locks]
    assert before == [("job:a", False), ("job:b", False)]
    assert after == [("job:b", True), ("job:a", False)]  # what is in use comes first


async def test_it_sees_only_what_is_held_if_that_is_wanted(locks: LockRepository) -> None:
    await locks.create("free")
    await locks.acquire("taken")
    watch = watching(locks, held=True)
    await watch.look()
    assert [info.name for info in watch.seen.locks] == ["taken"]


async def test_an_outage_is_told_and_it_goes_on(locks: LockRepository, memory: FaultyLocks) -> None:
    await locks.create("cron")
    frames = asyncio.create_task(watched(locks, 8.5))
    await asyncio.sleep(1.5)
    memory.faults.append(lost("page", times=4))
    troubles = {when: trouble for when, _, trouble in await frames}
    assert troubles[1] == troubles[6] == troubles[8] == ""
    assert troubles[3] == "No answer from MongoDB for 1.0s (NetworkTimeout); still asking"
    assert all(seen == ["cron"] for _, seen, _ in frames.result())


async def test_silence_is_told_while_it_lasts(locks: LockRepository, memory: FaultyLocks) -> None:
    await locks.create("cron")
    frames = asyncio.create_task(watched(locks, 30.5))
    await asyncio.sleep(0.5)
    memory.faults.append(Fault("page", delay=20))
    troubles = {when: trouble for when, _, trouble in await frames}
    assert troubles[3] == ""
    assert troubles[5] == "No answer from MongoDB for 4.0s; still asking"
    assert troubles[20].startswith("No answer from MongoDB for 19s;")
    assert troubles[21] == ""


async def test_after_an_outage_it_looks_again_in_a_second(locks: LockRepository, memory: FaultyLocks) -> None:
    memory.faults.append(lost("page", delay=20))
    frames = await watched(locks, 23)
    assert [when for when, _, _ in frames][-3:] == [20, 21, 22]


async def test_a_list_that_takes_long_is_looked_at_half_of_the_time(
    locks: LockRepository, memory: FaultyLocks
) -> None:
    memory.faults.append(Fault("page", delay=2, times=99))
    await watched(locks, 10.5)
    assert memory.times["page"] == pytest.approx([0, 4, 8], abs=0.1)


class Slow(LockRepository):
    """Its list has three pages, and each takes 2 s."""

    async def list(self, prefix: str = "", *, held: bool = False) -> AsyncIterator[LockInfo]:
        for page in range(3):
            await asyncio.sleep(2)
            yield lock(f"{prefix}{page}{held}")


async def test_a_list_whose_pages_take_their_time_is_no_silence(memory: FaultyLocks) -> None:
    frames = await watched(Slow(memory), 20)
    assert max(len(seen) for _, seen, _ in frames) == 3
    assert {trouble for _, _, trouble in frames} == {""}


@pytest.mark.parametrize("code", [13, 18])
async def test_a_refusal_ends_it(locks: LockRepository, memory: FaultyLocks, code: int) -> None:
    refused = LockBackendError("list", None, "OperationFailure", code)
    memory.faults.append(Fault("page", error=refused))
    with pytest.raises(LockBackendError, match=f"code {code}"):
        await watched(locks, 5)


async def test_whoever_leaves_does_not_wait_for_an_answer(locks: LockRepository, memory: FaultyLocks) -> None:
    memory.faults.append(Fault("page", delay=20))
    await watched(locks, 1.5)
    assert now() == pytest.approx(1.5, abs=0.01)

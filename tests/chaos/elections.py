"""Candidates who lead for a while, and those who look who does."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random

from mongolock_async import Leader, Lease

from .facts import said_by
from .work import Work


async def candidates(work: Work, name: str) -> None:
    """Stand, lead, tell all another value now and then; of ten who stand, one is cancelled soon."""
    for number in itertools.count(1):
        if work.stop.is_set():
            return
        async with work.round():
            try:
                async with asyncio.timeout(random.uniform(0, 1) if random.random() < 0.1 else None):
                    await _stand(work, name, number)
            except TimeoutError:
                work.recorder.note("candidate cancelled")
        await asyncio.sleep(random.uniform(0, 0.1))


async def _stand(work: Work, name: str, number: int) -> None:
    """Until its term has come to its end; after a loss it waits for the next one."""
    owner = str(work.locks._owner)
    election = work.locks.election(name, said_by(owner, str(number)))
    with contextlib.ExitStack() as waits:
        waits.enter_context(work.wait(name))

        async def serve(lease: Lease) -> None:
            waits.close()
            work.granted(lease)
            try:
                await _term(work, name, lease, str(number))
            except BaseException:
                waits.enter_context(work.wait(name))
                raise

        await election.run(serve)


async def _term(work: Work, name: str, lease: Lease, value: str) -> None:
    await work.section(name, lease, work.now_and_then_long(), role="leader")
    if random.random() < 0.3:
        await lease.proclaim(said_by(str(lease.owner), f"{value} again"))
        work.recorder.note("proclaimed")
        await work.section(name, lease, work.some(), role="leader")


async def observers(work: Work, name: str) -> None:
    """Look once, and then at each change, for some seconds."""
    election = work.locks.election(name)
    while not work.stop.is_set():
        async with work.round(), contextlib.aclosing(election.observe()) as leaders:
            _seen(work, name, await election.leader())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(random.uniform(1, 10)):
                    async for leader in leaders:
                        _seen(work, name, leader)
                        if work.stop.is_set():
                            return
        await asyncio.sleep(random.uniform(0, 1))


def _seen(work: Work, name: str, leader: Leader | None) -> None:
    if leader is None:
        work.recorder.note("nobody leads")
        return
    facts = {"token": leader.fencing_token, "owner": leader.owner, "value": leader.value}
    work.recorder.note("look", lock=name, **facts)

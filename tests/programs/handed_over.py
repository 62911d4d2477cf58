"""A program, for tests: ``mongolock WORDS`` is handed a lock over in memory, and the next renewal fails.

    handed_over.py HOW WORDS...

``unheard``: the renewal never arrives; ``forced``: the lock was taken away before.
"""

from __future__ import annotations

import asyncio
import sys

from faulty import FaultyLocks, lost

from mongolock_async import LockRepository
from mongolock_async._cli import exits, program
from mongolock_async._cli.parser import parsed


async def main(how: str, *words: str) -> int:
    """The exit code."""
    options = parsed(program(), words)
    store = FaultyLocks()
    async with LockRepository(store) as holder, LockRepository(store) as locks:
        held = await holder.acquire(options.name, keep_alive=True)
        ours = asyncio.create_task(options.run(locks, options))
        while (info := await holder.get(options.name)) is None or not info.queue:
            await asyncio.sleep(0.01)
        if how == "unheard":
            store.faults.append(lost("prolong"))
        await held.release()
        if how == "forced":
            await holder.force_release(options.name)
        code: int = await ours
        return code


try:
    sys.exit(asyncio.run(main(*sys.argv[1:])))
except Exception as error:  # noqa: BLE001 - as mongolock does
    sys.exit(exits.told(error))

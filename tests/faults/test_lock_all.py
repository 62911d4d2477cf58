"""Eight processes that take two to five of eight locks at a time, in random orders.

LOCK_ALL_SECONDS=30 makes it longer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise

import pytest
from support import heed_ctrl_c

from mongolock_async.testing import ReplicaSet

PROCESSES = 8
SECONDS = float(os.environ.get("LOCK_ALL_SECONDS", "10"))
# Whoever waits for longer stands in a circle.
PATIENCE = 30.0

WORKER = f"""
import asyncio, json, random, sys, time
from pymongo import AsyncMongoClient
from mongolock_async import LockRepository

async def main(uri):
    client = AsyncMongoClient(uri)
    async with LockRepository(client.get_default_database().locks) as locks:
        until = time.monotonic() + {SECONDS}
        while time.monotonic() < until:
            names = random.sample("abcdefgh", random.randint(2, 5))
            async with locks.lock_all(*names, timeout={PATIENCE}) as leases:
                assert [lease.name for lease in leases] == names
                began = time.monotonic()
                await asyncio.sleep(random.random() / 50)
                ended = time.monotonic()
            print(json.dumps([names, began, ended]), flush=True)
    await client.close()

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.long
@pytest.mark.timeout(SECONDS + PATIENCE + 60)
def test_those_who_take_several_in_any_order_never_deadlock_or_overlap(replica_set: ReplicaSet) -> None:
    heed_ctrl_c()
    uri = replica_set.uri.replace("/?", "/lock_all?")
    command = [sys.executable, "-c", WORKER, uri]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    outputs = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * PROCESSES
    sections: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for line in [line for output in outputs for line in output.splitlines()]:
        names, began, ended = json.loads(line)
        for name in names:
            sections[name].append((began, ended))
    print({name: len(its) for name, its in sorted(sections.items())})
    assert len(sections) == 8
    for its in sections.values():
        overlaps = [(one, other) for one, other in pairwise(sorted(its)) if other[0] < one[1]]
        assert overlaps == []

"""Eight processes that read nine times for each time that they write.

RWLOCK_SECONDS=20 makes it the long run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest
from support import heed_ctrl_c

from mongolock_async.testing import ReplicaSet

PROCESSES = 8
SECONDS = float(os.environ.get("RWLOCK_SECONDS", "8"))
# At most the seven others, and what is going on, come before a writer: two sections are left for all else.
SECTION = 0.3
# What a writer waits for, in sections, at the most.
PATIENCE = 10

WORKER = """
import asyncio, json, random, sys, time
from pymongo import AsyncMongoClient
from mongolock_async import LockRepository

async def main(uri, seconds, section):
    client = AsyncMongoClient(uri)
    async with LockRepository(client.get_default_database().locks) as locks:
        cfg = locks.rwlock("cfg", ttl=10)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            writes = random.random() < 0.1
            asked = time.monotonic()
            async with cfg.write() if writes else cfg.read():
                began = time.monotonic()
                await asyncio.sleep(section)
                ended = time.monotonic()
            print(json.dumps([writes, asked, began, ended]), flush=True)
    await client.close()

asyncio.run(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))
"""


@dataclass
class Section:
    writes: bool
    asked: float
    began: float
    ended: float


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 60)
def test_no_writer_waits_for_long_and_no_reader_is_beside_one(replica_set: ReplicaSet) -> None:
    heed_ctrl_c()
    uri = replica_set.uri.replace("/?", "/readers_and_writers?")
    command = [sys.executable, "-c", WORKER, uri, str(SECONDS), str(SECTION)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    outputs = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * PROCESSES
    sections = [Section(*json.loads(line)) for output in outputs for line in output.splitlines()]
    written = [section for section in sections if section.writes]
    assert len(sections) - len(written) > len(written) > 0
    beside = [
        (one, other)
        for one in written
        for other in sections
        if one is not other and one.began < other.ended and other.began < one.ended
    ]
    assert beside == []
    assert max(section.began - section.asked for section in written) < PATIENCE * SECTION
    together = max(
        sum(one.began <= other.began < one.ended for one in sections if not one.writes) for other in sections
    )
    assert together > 2

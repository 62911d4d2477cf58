"""An election of eight processes, whose leader is killed every three seconds.

ELECTION_SECONDS=60 makes it longer.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from support import heed_ctrl_c, until

from mongolock_async import LockRepository
from mongolock_async.testing import ReplicaSet

PROCESSES = 8
SECONDS = float(os.environ.get("ELECTION_SECONDS", "20"))
TTL = 2.0
PERIOD = 3.0

# It notes, every few milliseconds, that its lease is held, with the token: by the clock of the machine.
WORKER = f"""
import asyncio, os, sys, time
from pymongo import AsyncMongoClient
from mongolock_async import LockRepository

async def serve(lease):
    while lease.held:
        os.write(1, f"{{lease.fencing_token}} {{os.getpid()}} {{time.time()}}\\n".encode())
        await asyncio.sleep(0.005)

async def main(uri):
    client = AsyncMongoClient(uri)
    async with LockRepository(client.get_default_database().locks, owner=os.getpid(), ttl={TTL}) as locks:
        await locks.election("scheduler", str(os.getpid())).run(serve)

asyncio.run(main(sys.argv[1]))
"""


@dataclass
class Crew:
    """The candidates, and what leaders have noted."""

    uri: str
    path: Path
    members: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self) -> None:
        with self.path.open("ab") as file:
            member = subprocess.Popen([sys.executable, "-c", WORKER, self.uri], stdout=file)
        self.members[member.pid] = member

    def kill(self, pid: int) -> None:
        member = self.members.pop(pid)
        member.kill()
        member.wait()

    def terms(self) -> dict[int, list[float]]:
        """Token -> when its leader knew that it led."""
        terms: dict[int, list[float]] = {}
        for line in self.path.read_text().splitlines():
            token, _, moment = line.split()
            terms.setdefault(int(token), []).append(float(moment))
        return terms


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 120)
async def test_never_two_lead_and_the_next_one_leads_at_the_expiry_of_one_that_was_killed(
    replica_set: ReplicaSet, tmp_path: Path
) -> None:
    heed_ctrl_c()
    uri = replica_set.uri.replace("/?", "/elections?")
    crew = Crew(uri, tmp_path / "terms")
    crew.path.touch()
    late: list[float] = []
    async with AsyncMongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        collection = client.get_default_database().locks

        async def holder() -> dict[str, Any]:
            found = await collection.find_one({"_id": "scheduler"}) or {"holders": []}
            return next(iter(found["holders"]), {"owner": None, "token": 0})

        async with LockRepository(collection) as locks:
            election = locks.election("scheduler")
            try:
                for _ in range(PROCESSES):
                    crew.start()
                await until(lambda: leads(election), within=60)
                began = time.monotonic()
                while time.monotonic() < began + SECONDS:
                    await asyncio.sleep(PERIOD - TTL / 2)
                    await until(lambda: leads(election), within=60)
                    dead = await holder()
                    crew.kill(dead["owner"])
                    crew.start()
                    await asyncio.sleep(0.1)  # what it had sent has arrived
                    last = await holder()
                    assert last["token"] == dead["token"]

                    async def is_over(token: int = dead["token"]) -> bool:
                        now: int = (await holder())["token"]
                        return now > token

                    await until(is_over, within=30)
                    late.append(((await holder())["since"] - last["expires"]).total_seconds())
            finally:
                for pid in list(crew.members):
                    crew.kill(pid)
    terms = crew.terms()
    print(
        f"{len(terms)} terms; the next one was elected {max(late) * 1000:.0f} ms after the expiry at the most"
        f", {median(late) * 1000:.0f} ms in the middle"
    )
    assert len(terms) > SECONDS / PERIOD / 2
    in_order = [terms[token] for token in sorted(terms)]
    assert [one for one, other in pairwise(in_order) if other[0] <= one[-1]] == []
    assert min(late) >= 0
    assert max(late) < 1


async def leads(election: Any) -> bool:
    """Whether anybody does, by the server."""
    return await election.leader() is not None

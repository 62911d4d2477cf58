"""The servers for tests: they do as they are told, and they never outlive the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import ServerSelectionTimeoutError
from support import needs_processes, until

from mongolock_async.testing import Mongod, ReplicaSet

RUN = """
import asyncio
from mongolock_async.testing import Mongod

async def main():
    async with Mongod() as server:
        print(server.node.pid, server.node._directory, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture(scope="module", autouse=True)
def _processes() -> None:
    needs_processes()


async def gone(pid: int, directory: str) -> None:
    """Wait until both are."""

    async def neither() -> bool:
        return not Path(f"/proc/{pid}").exists() and not Path(directory).exists()

    await until(neither, within=30)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
async def test_no_process_and_no_file_outlives_a_run_that_ends_by(number: signal.Signals) -> None:
    run = subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert run.stdout is not None
    pid, directory = run.stdout.readline().decode().split()
    os.kill(run.pid, number)
    run.wait()
    run.stdout.close()
    await gone(int(pid), directory)


async def test_a_mongod_is_gone_after_its_block() -> None:
    async with Mongod() as server:
        pid, directory = server.node.pid, str(server.node._directory)
        assert server.node.alive
    await gone(pid, directory)
    assert server.nodes[0].alive is False


async def test_a_restarted_node_has_its_data() -> None:
    async with Mongod() as server:
        async with AsyncMongoClient[dict[str, int]](server.uri, w="majority", journal=True) as client:
            await client.a.b.insert_one({"_id": 1})
        before = server.node.pid
        await server.node.kill()
        assert not server.node.alive
        await server.node.restart()
        assert server.node.pid != before
        async with AsyncMongoClient[dict[str, int]](server.uri) as client:
            assert await client.a.b.find_one() == {"_id": 1}


async def test_a_stopped_node_is_silent_until_it_is_resumed() -> None:
    async with Mongod() as server:
        server.node.stop()
        async with AsyncMongoClient[dict[str, int]](server.uri, serverSelectionTimeoutMS=300) as client:
            with pytest.raises(ServerSelectionTimeoutError):
                await client.admin.command("ping")
        server.node.resume()
        assert (await server.node.command("ping"))["ok"] == 1


@pytest.mark.long
async def test_a_replica_set_elects_another_primary_after_each_fault() -> None:
    async with ReplicaSet(3) as servers:
        first = await servers.primary()
        await servers.step_down()
        second = await servers.primary()
        assert second is not first
        await second.kill()
        third = await servers.primary()
        assert third is not second
        await second.restart()
        assert len(await servers.secondaries()) == 2


async def test_a_given_server_is_used_and_not_touched(
    standalone: Mongod, replica_set: ReplicaSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGODB_URI", replica_set.uri)
    async with Mongod() as one, ReplicaSet(3) as three:
        assert one.uri == three.uri == replica_set.uri
        with pytest.raises(RuntimeError, match="not processes of ours"):
            await three.primary()
    assert all(node.alive for node in replica_set.nodes)
    monkeypatch.setenv("MONGODB_URI", standalone.uri)
    with pytest.raises(RuntimeError, match="not a replica set"):
        await ReplicaSet(3).__aenter__()

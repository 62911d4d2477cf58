"""Owns the shared mongod: starts it, again if it dies, and stops it when no terminal is left."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from ._shared import flock

SET_NAME = "demo"
LOOK_EVERY = 0.1
START_SECONDS = 30.0
STOP_SECONDS = 10.0
NOT_INITIATED = 94


class Server:
    """A single-node replica set in a directory that outlives it."""

    def __init__(self, binary: Path, directory: Path) -> None:
        self._binary = binary
        self._directory = directory
        self._data = directory / "data"
        self._log = directory / "mongod.log"
        self._port_file = directory / "port"
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    async def start(self) -> None:
        """Start it on the port it had, or on another that is free, and make it primary."""
        self._data.mkdir(exist_ok=True)
        self._log.unlink(missing_ok=True)
        await self._end_orphan()
        self._port = self._free_port()
        self._process = subprocess.Popen(  # noqa: S603 - the mongod that was found
            [
                str(self._binary),
                *("--dbpath", str(self._data), "--logpath", str(self._log)),
                *("--port", str(self._port), "--bind_ip", "127.0.0.1", "--nounixsocket"),
                *("--replSet", SET_NAME, "--oplogSize", "64", "--wiredTigerCacheSizeGB", "0.25"),
                *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        async with asyncio.timeout(START_SECONDS):
            while not await self._is_primary():
                if not self.runs:
                    raise RuntimeError(f"mongod ended with exit code {self._process.returncode}")
                await asyncio.sleep(LOOK_EVERY)
        self._port_file.write_text(str(self._port))
        (self._directory / "uri").write_text(f"mongodb://127.0.0.1:{self._port}/?replicaSet={SET_NAME}")

    @property
    def runs(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    async def stop(self) -> None:
        """Let it end in order; kill it if it takes too long."""
        if self._process is not None:
            self._process.terminate()
            await _gone(lambda: not self.runs)
            self._process.kill()
            self._process.wait()

    async def _is_primary(self) -> bool:
        uri = f"mongodb://127.0.0.1:{self._port}/?directConnection=true"
        async with AsyncMongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=500) as client:
            member = {"_id": 0, "host": f"127.0.0.1:{self._port}"}
            with contextlib.suppress(PyMongoError):
                try:
                    config = (await client.admin.command("replSetGetConfig"))["config"]
                except OperationFailure as error:
                    if error.code == NOT_INITIATED:
                        config = {"_id": SET_NAME, "members": [member]}
                        await client.admin.command({"replSetInitiate": config})
                    return False
                if config["members"][0]["host"] != member["host"]:
                    config["members"][0]["host"] = member["host"]
                    await client.admin.command({"replSetReconfig": config, "force": True})
                return bool((await client.admin.command("hello"))["isWritablePrimary"])
        return False

    def _free_port(self) -> int:
        """The port of last time, since the replica set knows it, or else any."""
        with contextlib.suppress(OSError, ValueError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", int(self._port_file.read_text())))
            return int(probe.getsockname()[1])
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    async def _end_orphan(self) -> None:
        """End a server whose keeper was killed: it is ours if it works on our data."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self._data / "mongod.lock").read_text())
            command = Path(f"/proc/{pid}/cmdline")
            if str(self._data).encode() in command.read_bytes():
                os.kill(pid, signal.SIGTERM)
                await _gone(lambda: not command.exists())


async def keep(binary: Path, directory: Path) -> None:
    """Until no terminal is left."""
    with (directory / "keeper.lock").open("w") as keeper, (directory / "users.lock").open("w") as users:
        if not flock(keeper, fcntl.LOCK_EX):
            raise RuntimeError("there is a keeper already")
        server = Server(binary, directory)
        try:
            await server.start()
            with contextlib.suppress(BrokenPipeError):
                print("ready", flush=True)
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever waits for the answer sees its end
            while not flock(users, fcntl.LOCK_EX):
                await asyncio.sleep(LOOK_EVERY)
                if not server.runs:
                    await server.start()
        finally:
            # Both locks stay ours until the server is gone: a new terminal waits, and starts afresh.
            await server.stop()


async def _gone(condition: Callable[[], bool]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOP_SECONDS):
            while not condition():
                await asyncio.sleep(LOOK_EVERY)


if __name__ == "__main__":
    try:
        asyncio.run(keep(Path(sys.argv[1]), Path(sys.argv[2])))
    except Exception as error:  # noqa: BLE001 - its only reader is the terminal that waits
        print(f"{type(error).__name__}: {error}")
        sys.exit(1)

"""The FastAPI recipe in three processes, of which one is restarted twice under load.

RECIPE_RATE=200 (requests a second) and RECIPE_SECONDS=20 make it harder.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import AsyncMongoClient

from mongolock_async.testing import Mongod

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"
RATE = float(os.environ.get("RECIPE_RATE", "50"))
SECONDS = float(os.environ.get("RECIPE_SECONDS", "10"))
RESTARTED = 0

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]


@dataclass
class Service:
    """Three processes, and what they answered."""

    uri: str
    database: str
    ports: list[int]
    processes: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)
    receipts: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    answers: Counter[tuple[int, int | str]] = field(default_factory=Counter)

    async def start(self, number: int) -> None:
        arguments = ["web_service:app", "--port", str(self.ports[number]), "--log-level", "warning"]
        # Longer than httpx's 5 s: an idle connection is closed by the client, never while it sends on it.
        arguments += ["--timeout-keep-alive", "60"]
        self.processes[number] = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "uvicorn", *arguments],
            cwd=RECIPES,
            # Nobody is refused because this machine is slow.
            env={**os.environ, "MONGODB_URI": self.uri, "DATABASE": self.database, "ORDER_TIMEOUT": "25"},
            stdin=subprocess.DEVNULL,
        )
        async with httpx.AsyncClient() as http:
            while not await self._answers(http, number):
                await asyncio.sleep(0.05)

    async def restart_at(self, *moments: float) -> None:
        """As a roll-out does it: SIGTERM, and a new one once it has ended; one restart after the other."""
        loop = asyncio.get_running_loop()
        for moment in moments:
            await asyncio.sleep(moment - loop.time())
            await self._restart()

    async def _restart(self) -> None:
        self.processes[RESTARTED].terminate()
        # Uvicorn ends by the signal that it was sent, once it has shut down.
        assert await self.processes[RESTARTED].wait() in {0, -15}
        await self.start(RESTARTED)

    async def _answers(self, http: httpx.AsyncClient, number: int) -> bool:
        try:
            await http.get(f"http://127.0.0.1:{self.ports[number]}/health")
        except httpx.TransportError:
            return False
        return True

    async def press(self, http: httpx.AsyncClient, order: str, number: int) -> None:
        """One press of the button of an order, which reaches that process."""
        try:
            answer = await http.post(f"http://127.0.0.1:{self.ports[number]}/orders/{order}/charge")
        except httpx.TransportError as error:
            self.answers[number, type(error).__name__] += 1
        else:
            self.answers[number, int(answer.status_code)] += 1
            if answer.status_code == httpx.codes.OK:
                self.receipts[order].add(answer.json()["receipt"])


@pytest.fixture
async def service(standalone: Mongod) -> AsyncIterator[Service]:
    sockets = [socket.socket() for _ in range(3)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    service = Service(standalone.uri, f"shop_{uuid.uuid4().hex}", ports)
    try:
        for number in range(3):
            await service.start(number)
        yield service
    finally:
        for process in service.processes.values():
            if process.returncode is None:
                process.kill()
            await process.wait()


async def test_no_order_is_charged_twice_and_only_the_restarted_process_fails(service: Service) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    async with httpx.AsyncClient(timeout=30, limits=limits) as http, asyncio.TaskGroup() as group:
        group.create_task(service.restart_at(began + SECONDS / 3, began + 2 * SECONDS / 3))
        # Each order is pressed twice at a time, in two processes.
        for number in range(int(RATE * SECONDS / 2)):
            await asyncio.sleep(began + number * 2 / RATE - loop.time())
            for process in (number % 3, (number + 1) % 3):
                group.create_task(service.press(http, str(number), process))
    async with AsyncMongoClient[dict[str, Any]](service.uri) as client:
        payments = [one["order"] async for one in client[service.database].payments.find()]
        await client.drop_database(service.database)
    print({str(answer): count for answer, count in service.answers.items()}, len(payments), "payments")
    assert len(payments) == len(set(payments))
    assert all(len(receipts) == 1 for receipts in service.receipts.values())
    assert set(service.receipts) <= set(payments)
    assert {process for process, answer in service.answers if answer != httpx.codes.OK} <= {RESTARTED}
    assert len(service.receipts) == int(RATE * SECONDS / 2)

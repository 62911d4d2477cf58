"""The programs of docs/recipes, in real processes; its unit tests are collected there."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from runpy import run_path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from support import until

from mongolock_async import LockRepository
from mongolock_async.testing import Mongod

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"

Program = subprocess.Popen[str]


@pytest.fixture
def shop(standalone: Mongod) -> Iterator[Any]:
    """The database of the recipes."""
    with MongoClient[dict[str, Any]](standalone.uri) as client:
        database = client[f"shop_{uuid.uuid4().hex}"]
        yield database
        client.drop_database(database)


@pytest.fixture
def start(standalone: Mongod, shop: Any, tmp_path: Path) -> Iterator[Callable[[str], Program]]:
    """Starts a recipe in a process of its own, which writes into a file."""
    started: list[Program] = []

    def start(name: str) -> Program:
        with (tmp_path / f"{len(started)}.txt").open("w") as output:
            program = subprocess.Popen(
                [sys.executable, "-W", "error", str(RECIPES / name)],
                env={**os.environ, "MONGODB_URI": standalone.uri, "DATABASE": shop.name},
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        started.append(program)
        return program

    yield start
    for program in started:
        program.kill()
        program.wait()


@pytest.fixture
def lines(tmp_path: Path) -> Callable[[], list[str]]:
    """What they have written, one program after another."""
    return lambda: [line for path in sorted(tmp_path.glob("*.txt")) for line in path.read_text().splitlines()]


@pytest.fixture
def service(standalone: Mongod, shop: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the web service's file defines."""
    monkeypatch.setenv("MONGODB_URI", standalone.uri)
    monkeypatch.setenv("DATABASE", shop.name)
    return run_path(str(RECIPES / "web_service.py"))


@pytest.fixture
async def web(service: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of it, while it serves."""
    transport = httpx.ASGITransport(service["app"])
    async with (
        service["lifespan"](service["app"]),
        httpx.AsyncClient(transport=transport, base_url="http://shop") as web,
    ):
        yield web


async def reaches(number: Callable[[], int], goal: int) -> None:
    """Wait until it is so large."""

    async def reached() -> bool:
        return number() >= goal

    await until(reached, within=30)


def ended(*programs: Program) -> None:
    """They end by themselves."""
    assert [program.wait(timeout=30) for program in programs] == [0] * len(programs)


async def test_a_migration_runs_in_one_process_and_all_serve(
    start: Callable[[str], Program], lines: Callable[[], list[str]], shop: Any
) -> None:
    shop.orders.insert_one({"_id": 1})
    ended(*[start("migration.py") for _ in range(3)])
    assert sorted(lines()) == ["migrated", "serving", "serving", "serving"]
    assert shop.orders.find_one() == {"_id": 1, "currency": "EUR"}


async def test_another_leads_once_the_leader_is_told_to_end(
    start: Callable[[str], Program], lines: Callable[[], list[str]]
) -> None:
    first = start("leader.py")
    await reaches(lambda: len(lines()), 1)
    second = start("leader.py")
    first.terminate()
    ended(first)
    await reaches(lambda: len(lines()), 3)
    second.terminate()
    ended(second)
    (one, end, other, end_too) = lines()
    assert end == end_too == "no longer leading"
    assert int(one.removeprefix("leading with token ")) < int(other.removeprefix("leading with token "))


@pytest.mark.long
async def test_each_run_of_a_job_is_in_one_process(start: Callable[[str], Program], shop: Any) -> None:
    programs = [start("scheduled_jobs.py") for _ in range(2)]
    await reaches(lambda: shop.reports.count_documents({}), 2)
    for program in programs:
        program.send_signal(signal.SIGTERM)
    ended(*programs)
    runs = [int(report["_id"].generation_time.timestamp()) // 2 for report in shop.reports.find()]
    assert len(runs) == len(set(runs))


async def test_blocking_code_has_the_lock_to_its_end(
    start: Callable[[str], Program], lines: Callable[[], list[str]]
) -> None:
    ended(start("blocking_code.py"))
    assert lines() == ["imported 20 rows"]


async def test_an_order_is_charged_once_however_often_its_button_is_pressed(
    web: httpx.AsyncClient, shop: Any
) -> None:
    answers = await asyncio.gather(*[web.post(f"/orders/{n % 5}/charge") for n in range(20)])
    assert {answer.status_code for answer in answers} == {httpx.codes.OK}
    assert len({answer.json()["receipt"] for answer in answers}) == 5
    assert sorted(payment["order"] for payment in shop.payments.find()) == ["0", "1", "2", "3", "4"]


@pytest.mark.long
async def test_an_order_that_another_request_has_is_a_conflict(
    service: dict[str, Any], web: httpx.AsyncClient
) -> None:
    await service["locks"].acquire("order:1")
    answer = await web.post("/orders/1/charge")
    assert answer.status_code == httpx.codes.CONFLICT


def test_kubernetes_waits_for_the_requests_and_the_locks_before_it_kills() -> None:
    text = (RECIPES / "deployment.yaml").read_text()
    patterns = [
        r"terminationGracePeriodSeconds: (\d+)",
        r'command: \[sleep, "(\d+)"\]',
        r'--timeout-graceful-shutdown, "(\d+)"',
    ]
    grace, before, requests = (int(re.findall(pattern, text)[0]) for pattern in patterns)
    closing = inspect.signature(LockRepository.aclose).parameters["timeout"].default
    assert grace >= before + requests + closing

"""The scripts of the pages in docs, as they stand there, on both drivers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mongolock_async.testing import Mongod

DOCS = Path(__file__).parents[2] / "docs"
# What the comments of a script say of Motor.
MOTOR = [
    ("from pymongo import AsyncMongoClient", "from motor.motor_asyncio import AsyncIOMotorClient"),
    ("await client.close()", "client.close()"),
    ("AsyncMongoClient(", "AsyncIOMotorClient("),
]


@pytest.fixture
def script(driver: str, request: pytest.FixtureRequest) -> str:
    """The first script of a page."""
    found = re.search(r"^```python\n(.*?)^```", (DOCS / request.param).read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    text = found[1]
    for pymongo, motor in MOTOR if driver == "motor" else []:
        assert pymongo in text
        text = text.replace(pymongo, motor)
    return text


def output(script: str, uri: str) -> list[str]:
    """What it prints."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={**os.environ, "MONGODB_URI": uri},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.stderr, run.returncode) == ("", 0)
    return run.stdout.splitlines()


@pytest.mark.parametrize("script", ["schedules.md"], indirect=True)
def test_the_script_of_schedules_runs(script: str, standalone: Mongod, driver: str) -> None:
    # Each driver's run is another application's: this hour is served once.
    lines = output(script.replace("client.app.", f"client.schedules_{driver}."), standalone.uri)
    assert len(lines) == 3
    assert re.fullmatch(r"this hour is ours: \S+ \d\d:00:00\+00:00", lines[0])
    assert all(re.fullmatch(r"tick \S+ \S+\.[16]00000\+00:00", line) for line in lines[1:])


@pytest.mark.parametrize(
    ("script", "printed"),
    [
        (
            "semaphore.md",
            ["full: None", "training model 7", "a capacity of 3 now, less than the weight of 5"],
        ),
        ("lock_all.md", ["taken: None", "too late for account:bob", "ann is free: True", "both are ours"]),
        (
            "election.md",
            [
                "leader: None",
                "observed: http://10.0.0.",
                "/ready",
                "leads: http://10.0.0.8",
                "observed: None",
            ],
        ),
        ("rwlock.md", ["both read: True True", "alone: None", "still an upgradable reader: True", "'n': 1"]),
    ],
    indirect=["script"],
)
def test_the_scripts_of_locks_run(script: str, printed: list[str], standalone: Mongod) -> None:
    text = "\n".join(output(script, standalone.uri))
    assert [line for line in printed if line not in text] == []

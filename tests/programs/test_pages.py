"""The scripts of the pages in docs, as they stand there, on both drivers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mongolock_async.testing import Mongod, ReplicaSet

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


@pytest.mark.parametrize("script", ["once.md"], indirect=True)
def test_the_script_about_once_runs(script: str, standalone: Mongod, driver: str) -> None:
    # Each driver's run is another application's: what is done stays so.
    told = output(script.replace("client.app.", f"client.once_{driver}."), standalone.uri)
    assert told == [
        "migrated",
        "[False, False, False, False, True]",
        "now: True",
        "done",
        "'migration-43' was done by once(), and is no lock until reset() makes it undone",
        "was done: True",
        "migrated",
        "again: True",
    ]


@pytest.mark.parametrize("script", ["adopt.md"], indirect=True)
def test_the_script_about_leases_for_other_processes_runs(script: str, standalone: Mongod) -> None:
    told = output(script, standalone.uri)
    (first, second) = (line.split()[1] for line in told if line.startswith("token"))
    assert first == second
    assert sorted(line for line in told if not line.startswith("token")) == [
        "free again: True",
        "held here: False released here: False",
        "once more: None",
        "text is no text of lease.export(), or was changed since",
    ]


@pytest.mark.parametrize("script", ["fencing.md"], indirect=True)
def test_the_script_about_fencing_runs(script: str, replica_set: ReplicaSet, driver: str) -> None:
    if driver == "motor":
        script = script.replace("client.start_session() as", "await client.start_session() as")
    told = output(script, replica_set.uri)
    assert [line.split(":")[0] for line in told] == ["fenced", "aborted", "[100, 10]"]

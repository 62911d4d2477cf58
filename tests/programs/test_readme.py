"""The README's Python, as it stands there, on both drivers; and its commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from mongolock_async.testing import Mongod

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^    (pip install .* && .*)$", README.read_text(), re.MULTILINE)
# What changes for PyMongo's client, as its comments say.
CHANGES = [
    ("from motor.motor_asyncio import AsyncIOMotorClient  # or", "from pymongo import AsyncMongoClient  #"),
    ("AsyncIOMotorClient(", "AsyncMongoClient("),
    ("client.close()  # with PyMongo:", "await client.close()  #"),
]


def test_the_first_lock_of_the_readme_runs(standalone: Mongod, driver: str) -> None:
    (block,) = BLOCKS
    for motor, pymongo in CHANGES if driver == "pymongo" else []:
        assert motor in block
        block = block.replace(motor, pymongo)
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        env={**os.environ, "MONGODB_URI": standalone.uri},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.stderr, run.returncode) == ("", 0)
    first, taken, free, *others = run.stdout.splitlines()
    assert first.startswith("one at a time: account:7 ")
    assert "held by" in taken
    assert free == "None"
    assert sorted(others[:3]) == [f"one at a time, too: {account}" for account in (7, 7, 8)]
    assert re.fullmatch(r"tick \S+ \d\d:\d\d:\d\d(\.500000)?\+00:00", others[3])


def test_the_readmes_two_commands_are_these() -> None:
    assert COMMANDS == [
        "pip install -e '.[demo]' && python -m demo",
        "pip install -e '.[test]' && python -m pytest",
    ]


def test_ci_types_the_readmes_test_command() -> None:
    assert COMMANDS[1] in (README.parent / ".ci" / "run").read_text().splitlines()

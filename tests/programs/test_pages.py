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
PAGES = {
    "semaphore": ["full: None", "training model 7", "a capacity of 3 now, less than the weight of 5"],
    "rwlock": ["both read: True True", "alone: None", "still an upgradable reader: True", "'n': 1"],
}
# What a user of Motor writes in the place of it.
MOTOR = {
    "from pymongo import AsyncMongoClient": "from motor.motor_asyncio import AsyncIOMotorClient",
    "client = AsyncMongoClient(": "client = AsyncIOMotorClient(",
    "await client.close()": "client.close()",
}


@pytest.mark.parametrize("page", PAGES)
def test_the_script_of_a_page_runs(page: str, driver: str, standalone: Mongod) -> None:
    (script,) = re.findall(
        r"^```python\n(.*?)^```", (DOCS / f"{page}.md").read_text(), re.MULTILINE | re.DOTALL
    )
    for pymongo, motor in MOTOR.items() if driver == "motor" else ():
        assert pymongo in script
        script = script.replace(pymongo, motor)
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={**os.environ, "MONGODB_URI": standalone.uri},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert [text for text in PAGES[page] if text not in run.stdout] == []

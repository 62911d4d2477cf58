"""Eight demos, five of them killed on the way and started again.

DEMO_TICKS=60 makes it the long run that the project promises; the suite does a shorter one.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from support import heed_ctrl_c

from mongolock_async.testing import ReplicaSet

ROOT = Path(__file__).parents[2]
TICKS = int(os.environ.get("DEMO_TICKS", "12"))
PROCESSES = 8
KILLS = 5
RUN = re.compile(r"^Running increment task at (\S+)\n((?:Lock|Counter).*\n)*", re.MULTILINE)


@pytest.mark.long
@pytest.mark.timeout(TICKS + 120)
def test_no_tick_runs_twice_and_only_a_killed_holders_tick_is_missed(
    replica_set: ReplicaSet, tmp_path: Path
) -> None:
    heed_ctrl_c()
    uri = replica_set.uri.replace("/?", "/demo_under_kills?")
    with MongoClient[dict[str, Any]](uri) as client:
        client.drop_database("demo_under_kills")
        outputs: list[Path] = []
        demos = [start(uri, outputs, tmp_path) for _ in range(PROCESSES)]
        try:
            until_all_tick(outputs)
            killed = run(demos, lambda: start(uri, outputs, tmp_path))
        finally:
            for demo in demos:
                demo.kill()
                demo.wait()
        counter = client.get_default_database().counters.find_one({"_id": "increment-counter"})
        client.drop_database("demo_under_kills")

    assert counter is not None
    text = "".join(output.read_text() for output in outputs)
    ran = [
        int(datetime.fromisoformat(run[1]).timestamp())
        for run in RUN.finditer(text)
        if "incremented" in run[0]
    ]
    values = sorted(map(int, re.findall(r"Counter incremented to: (\d+)", text)))
    twice = [tick for tick, times in Counter(ran).items() if times > 1]
    missed = sorted(set(range(min(ran), max(ran) + 1)) - set(ran))
    print(
        f"{len(ran)} ticks, {len(killed)} kills; twice: {twice}; missed: {missed}; "
        f"increments: {len(values)}, last value: {counter['value']}"
    )
    assert "Traceback" not in text
    assert twice == []
    assert set(missed) <= set(killed)
    # A process killed between its write and its line has counted without saying so.
    assert values == sorted(set(values))
    assert 0 <= counter["value"] - len(values) <= len(missed)


def until_all_tick(outputs: list[Path]) -> None:
    """A busy machine takes its time to start eight of them."""
    while not all("Ctrl-C ends" in output.read_text() for output in outputs):
        time.sleep(0.1)


def run(demos: list[subprocess.Popen[bytes]], another: Callable[[], subprocess.Popen[bytes]]) -> list[int]:
    """Let them run, kill some and put others in their place, and end all by Ctrl-C; when they were killed."""
    killed = []
    began = time.time()
    # Some at any moment, some while the lock is held: within milliseconds of a boundary.
    for number in range(KILLS):
        at = began + 3 + number * (TICKS - 5) / KILLS
        at = at + random.random() if number % 2 else int(at) + 1 + random.random() / 80
        time.sleep(max(0, at - time.time()))
        victim = random.choice(demos)
        killed.append(int(time.time()))
        victim.kill()
        victim.wait()
        demos.remove(victim)
        demos.append(another())
    # Half-way between two boundaries, so that Ctrl-C meets nobody between a write and its line.
    time.sleep(max(0, int(began) + TICKS + 0.5 - time.time()))
    for demo in demos:
        demo.send_signal(signal.SIGINT)
    for demo in demos:
        demo.wait(20)
    return killed


def start(uri: str, outputs: list[Path], folder: Path) -> subprocess.Popen[bytes]:
    path = folder / f"demo{len(outputs)}"
    outputs.append(path)
    command = [sys.executable, "-m", "demo", "--uri", uri, "--every", "1"]
    with path.open("wb") as file:
        return subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)

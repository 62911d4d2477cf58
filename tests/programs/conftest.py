"""What programs need, wherever the tests were started."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator

import pytest
from commandline import Start, ended, started
from support import heed_ctrl_c

from mongolock_async.testing import Mongod


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c() -> None:
    heed_ctrl_c()


@pytest.fixture
def name() -> str:
    """That nobody else has."""
    return uuid.uuid4().hex


@pytest.fixture
def mongolock(standalone: Mongod) -> Iterator[Start]:
    """Starts ``mongolock WORDS`` as a process."""
    processes: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        processes.append(started(standalone.uri, *words))
        return processes[-1]

    yield start
    for process in processes:
        ended(process)

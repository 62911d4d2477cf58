"""What these tests need beyond the servers."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from heard import COMMAND, SECRET, Heard, hearing, shown
from injection import Tried
from secured import Guarded, guarded_set
from support import CommandLog


@pytest.fixture(autouse=True)
def _garbage_of_others() -> None:
    """Collected now: a test of thousands of leases left so much that it stopped the next one for a second."""
    gc.collect()


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A server that asks who you are, for all tests."""
    with guarded_set(tmp_path_factory.mktemp("guarded")) as servers:
        yield servers


@pytest.fixture
def heard() -> Iterator[Heard]:
    """At the end, something was heard, and nothing of it shows a secret."""
    with hearing() as heard:
        yield heard
    assert heard.texts
    assert shown(heard.texts, [SECRET, *COMMAND]) == []


@pytest.fixture
def tried(
    collection: Any, commands: CommandLog, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> Iterator[Tried]:
    """Prints the counts at the end."""
    tried = Tried(collection, commands, Counter())
    yield tried
    with capsys.disabled():
        print(f"\n{request.node.name}: {dict(tried.counts)}")

"""The blocks of docs/telemetry.md, as they stand there, on memory; and what Prometheus would read."""

from __future__ import annotations

import ast
import inspect
import re
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faulty import FaultyLocks
from prometheus_client import REGISTRY

from mongolock_async import LockTimeoutError
from mongolock_async.monitoring import LockListener

PAGE = (Path(__file__).parents[2] / "docs" / "telemetry.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
async def page(memory: FaultyLocks) -> AsyncIterator[dict[str, Any]]:
    """The names of the page, as its blocks make them; what they have started is ended."""
    names: dict[str, Any] = {"client": SimpleNamespace(app=SimpleNamespace(locks=memory))}
    yield names
    if "locks" in names:
        await names["locks"].aclose()
    if "server" in names:
        names["server"].shutdown()
        names["server"].server_close()
        names["metrics"].shutdown()
        assert not [name for name in REGISTRY._names_to_collectors if name.startswith("mongolock")]


async def run(block: str, names: dict[str, Any]) -> None:
    """As in a REPL that may await."""
    code = compile(block, "telemetry.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if (running := eval(code, names)) is not None and inspect.isawaitable(running):
        await running


def block_with(text: str) -> str:
    blocks: list[str] = [block for block in BLOCKS if text in block]
    assert len(blocks) == 1
    return blocks[0]


async def test_the_blocks_about_otel_and_stats_run(
    page: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    await run(block_with("otel.instrument(locks, lock_name"), page)
    await page["locks"].acquire("cron")
    await run(block_with("locks.stats()"), page)
    assert capsys.readouterr().out == "1 0 0 None\n"
    assert len(BLOCKS) == 4  # with those below


async def test_the_block_about_listeners_runs(
    page: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    await run(block_with("class Pager"), page)
    await page["locks"].acquire("cron", "somebody")
    with pytest.raises(LockTimeoutError):
        await page["locks"].acquire("cron", "me", timeout=2)
    assert capsys.readouterr().out == "me gave up cron after 2 s; somebody had it\n"


async def test_prometheus_reads_what_the_page_asks_for(page: dict[str, Any]) -> None:
    await run(block_with("start_http_server").replace("9464", "0"), page)
    locks = page["locks"]
    await locks.acquire("order:1")
    with pytest.raises(LockTimeoutError):
        await locks.acquire("order:1", timeout=1)
    port = page["server"].server_port
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    read = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    queries = "".join(re.findall(r"^```promql\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    asked = set(re.findall(r"\bmongolock_(?!lock_name)\w+", queries))
    assert len(asked) == 7
    assert asked <= read
    assert 'mongolock_lease_losses_total{mongolock_lock_name="order"' in text
    assert re.search(r'hold_duration_seconds_bucket\{le="60.0",mongolock_lock_name="order",', text)
    assert re.search(r'acquire_duration_seconds_count\{mongolock_lock_name="order",.*outcome="timeout"', text)


def test_each_method_of_a_listener_stands_in_the_table() -> None:
    methods = [name for name in vars(LockListener) if not name.startswith("_")]
    assert len(methods) == 10
    assert [name for name in methods if f"\n| `{name}` |" not in PAGE] == []

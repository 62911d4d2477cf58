"""All that can be said of one lock."""

from __future__ import annotations

import pytest
from cli.shown import WHOLE, holder, lines, lock, waiter
from rich.cells import cell_len

from mongolock_async import Holder, LockInfo, Waiter
from mongolock_async._cli.details import details


def rows(info: LockInfo, width: int = 100) -> list[list[str]]:
    return [line.split() for line in lines(details(info, width), width)]


def test_a_lock_shows_its_holder_and_its_queue_in_its_order() -> None:
    assert rows(lock("cron", holder(), waiter("web:2"), waiter("web:2"))) == [
        ["name", "cron"],
        ["kind", "mutex"],
        ["state", "held"],
        ["last", "token", "7"],
        ["waiting", "2"],
        [],
        ["HOLDER", "TOKEN", "AGE", "REMAINING", "TTL"],
        ["web:1", "7", "1m", "0s", "30s", "30s"],
        [],
        ["#", "WAITER", "AGE", "REMAINING"],
        ["1", "web:2", "5.0s", "8.0s"],
        ["2", "web:2", "5.0s", "8.0s"],
    ]


@pytest.mark.parametrize(("kind", "state"), [("mutex", "free"), ("once", "free"), ("done", "done")])
def test_a_lock_that_nobody_uses_shows_what_it_is(kind: str, state: str) -> None:
    shown = rows(lock(kind=kind))
    assert shown[1:] == [["kind", kind], ["state", state], ["last", "token", "7"], ["waiting", "0"]]


def test_a_semaphore_shows_its_capacity_and_all_weights() -> None:
    shown = rows(lock("gpu", holder(weight=2), holder(), waiter(weight=3), kind="semaphore", capacity=4))
    assert shown[2:4] == [["state", "held,", "3", "of", "4"], ["capacity", "4"]]
    assert [(row[0], row[1]) for row in shown[7:10]] == [("HOLDER", "WEIGHT"), ("web:1", "2"), ("web:1", "1")]
    assert shown[-1][:3] == ["1", "web:2", "3"]


@pytest.mark.parametrize(
    ("one", "mode"),
    [
        (holder(weight=1), "read"),
        (holder(weight=2**30), "upgradable"),
        (holder(weight=WHOLE), "write"),
        (waiter(weight=1), "read"),
        (waiter(weight=2**30), "upgradable"),
        (waiter(weight=WHOLE - 2**30), "upgrade"),
        (waiter(weight=WHOLE), "write"),
    ],
)
def test_of_a_reader_writer_lock_it_shows_who_reads_and_who_writes(one: Holder | Waiter, mode: str) -> None:
    assert mode in rows(lock("cfg", one, kind="rwlock", capacity=WHOLE))[-1]


def test_a_leader_shows_its_value() -> None:
    assert rows(lock("web", holder(value="http://10.0.0.7\x07")))[-1][-1] == r"http://10.0.0.7\x07"


def test_a_long_name_is_shown_whole() -> None:
    name = "orders:" + "0123456789" * 20
    shown = lines(details(lock(name), 60), 60)
    assert name in "".join(line.removeprefix("name").strip() for line in shown)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_every_holder_takes_one_line_also_on_a_narrow_terminal(width: int) -> None:
    pod = "worker-eu-central-1b-deployment-7f6c5d9b8-x2x9z:1"
    one = holder(pod, fencing_token=1795663089788, value="http://" + "x" * 100)
    cfg = lock("cfg", one, waiter(pod), kind="rwlock", capacity=WHOLE)
    shown = lines(details(cfg, width), width)
    assert len(shown) == 5 + 3 + 3
    assert max(map(cell_len, shown)) <= width
    assert shown[7].startswith("wor")
    assert "1795663089788" in shown[7]


def test_what_a_terminal_would_obey_is_told() -> None:
    evil = "[red]\x1b[2J\n\u202e"
    shown = lines(details(lock(evil, holder(evil), waiter(evil)), 100), 100)
    assert len(shown) == 11
    assert [r"[red]\x1b[2J\n\u202e" in line for line in shown].count(True) == 3

"""Many locks, one line each."""

from __future__ import annotations

import asyncio

import pytest
from cli.shown import WHOLE, holder, lines, lock, printed, waiter
from rich.cells import cell_len

from mongolock_async import LockInfo, LockRepository
from mongolock_async._cli.lists import lock_table

LONG = "orders:2026:customer-000000000000012345:invoice:line-00000000000001:final"
POD = "worker-eu-central-1b-deployment-7f6c5d9b8-x2x9z:1"


def words(*locks: LockInfo, width: int = 200) -> list[list[str]]:
    """What stands in the lines, the titles aside."""
    return [line.split() for line in lines(lock_table(locks, width), width)[1:]]


async def test_a_line_tells_who_holds_the_lock_since_when_for_how_long_and_who_waits(
    locks: LockRepository, others: LockRepository
) -> None:
    lease = await locks.acquire("cron", owner="web:1", ttl=30)
    waiting = asyncio.create_task(others.acquire("cron"))
    await asyncio.sleep(12.5)
    seen = [info async for info in locks.list()]
    waiting.cancel()
    titles, line = lines(lock_table(seen, 200), 200)
    assert titles.split() == ["NAME", "KIND", "HOLDERS", "AGE", "REMAINING", "QUEUE", "WAITING", "TOKEN"]
    assert line.split() == ["cron", "mutex", "web:1", "12s", "17s", "1", "12s", str(lease.fencing_token)]


def test_a_free_lock_has_no_holder_and_no_times() -> None:
    assert words(lock()) == [["cron", "mutex", "-", "-", "-", "0", "-", "7"]]


def test_of_several_holders_a_line_has_the_first_the_greatest_age_and_the_least_that_remains() -> None:
    two = holder(weight=2), holder("web:2", age=90, remaining=20)
    assert words(lock("gpu", *two, kind="semaphore", capacity=4), width=80) == [
        ["gpu", "semaphore", "3/4", "web:1", "+1", "1m", "30s", "20s", "0"]
    ]


@pytest.mark.parametrize(
    ("info", "kind"),
    [
        (lock("cfg", kind="rwlock", capacity=WHOLE), "rwlock"),
        (lock("cfg", holder(), holder(), kind="rwlock", capacity=WHOLE), "rwlock read"),
        (lock("cfg", holder(), holder(weight=2**30), kind="rwlock", capacity=WHOLE), "rwlock read"),
        (lock("cfg", holder(weight=WHOLE), kind="rwlock", capacity=WHOLE), "rwlock write"),
        (lock("gpu", kind="semaphore", capacity=4), "semaphore 0/4"),
        (lock("m", holder(), kind="once"), "once"),
        (lock("m", kind="done"), "done"),
    ],
)
def test_a_line_tells_the_kind_of_lock_and_how_it_is_used(info: LockInfo, kind: str) -> None:
    assert f" {kind} " in lines(lock_table([info], 80))[1]


def test_a_line_tells_how_long_the_first_of_those_who_wait_has_waited() -> None:
    assert words(lock("cron", holder(), waiter(age=90), waiter(age=20)))[0][-3:] == ["1m", "30s", "7"]


def test_a_line_tells_the_value_of_a_leader() -> None:
    line = lines(lock_table([lock("web", holder(value="http://10.0.0.7\n"))], 80))[1]
    assert r"web:1 (http://10.0.0.7\n)" in line


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_every_lock_takes_one_line_of_a_terminal_of_any_width(width: int) -> None:
    many = [lock(LONG, holder(POD)), lock("[red]\x1b[31m\n", holder("[/]\x07")), lock("日本" * 30), lock()]
    shown = lines(lock_table(many, width), width)
    assert len(shown) == 1 + len(many)
    assert max(map(cell_len, shown)) <= width
    assert all("…" in line for line in (shown[1], shown[3])) or width == 200
    assert width == 20 or shown[1].startswith("orde")
    assert width < 80 or ("final " in shown[1] and "-x2x9z:1 " in shown[1])
    assert width < 60 or r"[/]\x07 " in shown[2]


def test_a_narrow_terminal_shows_what_matters_most() -> None:
    many = [lock("c" * 100, holder())]
    titles = [lines(lock_table(many, width), width)[0].split() for width in (40, 60, 80)]
    assert titles == [
        ["NAME", "AGE", "QUEUE"],
        ["NAME", "HOLDERS", "AGE", "REMAINING", "QUEUE"],
        ["NAME", "KIND", "HOLDERS", "AGE", "REMAINING", "QUEUE"],
    ]


def test_a_free_lock_is_dim_and_one_that_is_not_renewed_is_yellow() -> None:
    many = [
        lock("free"),
        lock("kept", holder(remaining=10)),
        lock("late", holder(remaining=9.9)),
        lock("next", waiter()),
    ]
    shown = printed(lock_table(many, 80), colours=True).splitlines()[1:]
    assert [line.split(" ")[0] for line in shown] == [
        "\x1b[2mfree\x1b[0m",
        "kept",
        "\x1b[33mlate\x1b[0m",
        "next",
    ]

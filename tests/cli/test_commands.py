"""The commands that look at locks and change them, and what they print."""

from __future__ import annotations

import asyncio
import json

import pytest
from cli.conftest import Mongolock
from faulty import FaultyLocks
from waiters import look

from mongolock_async import LockError, LockRepository
from mongolock_async._cli.exits import UsageError

Capture = pytest.CaptureFixture[str]


async def many(locks: LockRepository) -> None:
    """Two free locks, and two that are held."""
    await locks.acquire("job:a", owner="web:1", ttl=3600)
    await asyncio.sleep(60)
    await locks.acquire("cron", owner="web:1", ttl=3600)
    await locks.create("job:b")
    await locks.create("a")


async def test_ls_prints_a_line_for_each_lock_in_the_order_of_names(
    locks: LockRepository, mongolock: Mongolock, capsys: Capture
) -> None:
    await many(locks)
    assert await mongolock("ls") == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["NAME", "a", "cron", "job:a", "job:b"]
    assert err == ""


async def test_ls_prints_only_what_is_asked_for(
    locks: LockRepository, mongolock: Mongolock, capsys: Capture
) -> None:
    await many(locks)
    await mongolock("ls", "job:", "--held", "--json")
    assert [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()] == ["job:a"]


async def test_ls_sorts(locks: LockRepository, mongolock: Mongolock, capsys: Capture) -> None:
    await many(locks)
    await mongolock("ls", "--sort", "age")
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()] == ["NAME", "job:a", "cron", "a", "job:b"]
    await mongolock("ls", "--sort", "age", "--json")
    names = [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()]
    assert names == ["job:a", "cron", "a", "job:b"]


async def test_what_is_no_terminal_gets_whole_names_and_no_codes(
    locks: LockRepository, mongolock: Mongolock, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    name = "[red]" + "x" * 500
    await locks.create(name)
    await mongolock("ls")
    await mongolock("show", name)
    out = capsys.readouterr().out
    assert out.count(name) == 2
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "no locks in mongolock.locks"),
        (["job:"], "no locks in mongolock.locks, job:*"),
        (["--held", "--json", "--collection", "shop.locks"], "no held locks in shop.locks"),
    ],
)
async def test_ls_of_nothing_says_so_on_standard_error(
    mongolock: Mongolock, capsys: Capture, words: list[str], told: str
) -> None:
    assert await mongolock("ls", *words) == 0
    assert capsys.readouterr() == ("", f"mongolock: {told}\n")


async def test_show_prints_one_lock(locks: LockRepository, mongolock: Mongolock, capsys: Capture) -> None:
    await many(locks)
    assert await mongolock("show", "cron") == 0
    assert "web:1" in capsys.readouterr().out
    assert await mongolock("show", "cron", "--json") == 0
    assert json.loads(capsys.readouterr().out)["holders"][0]["owner"] == "web:1"


@pytest.mark.parametrize("form", [[], ["--json"]])
async def test_show_of_a_name_that_was_never_used_is_one_line_and_exit_code_1(
    mongolock: Mongolock, capsys: Capture, form: list[str]
) -> None:
    assert await mongolock("show", "cr\non", *form) == 1
    assert capsys.readouterr() == ("", r"mongolock: there is no lock 'cr\non'" + "\n")


async def test_nothing_that_only_looks_writes_anything(
    locks: LockRepository, memory: FaultyLocks, mongolock: Mongolock
) -> None:
    await locks.acquire("cron")
    memory.sent.clear()
    await mongolock("ls")
    await mongolock("show", "cron")
    assert memory.sent == {"page": 1, "view": 1}


async def test_release_takes_the_lock_and_says_from_whom_and_until_when_they_may_go_on(
    locks: LockRepository, mongolock: Mongolock, capsys: Capture
) -> None:
    lease = await locks.acquire("cron", owner="web:\x07", ttl=30)
    await asyncio.sleep(12)
    assert await mongolock("release", "--force", "cron") == 0
    assert not (await look(locks)).held
    assert capsys.readouterr().out == (
        rf"cron: taken from web:\x07 (token {lease.fencing_token}, held for 12s), "
        "which may go on for up to 18s until it notices\n"
    )


async def test_release_with_a_token_takes_that_holding_only(
    locks: LockRepository, mongolock: Mongolock, capsys: Capture
) -> None:
    slots = locks.semaphore("cron", 2)
    one, two = await slots.acquire(), await slots.acquire()
    assert await mongolock("release", "--force", "cron", "--token", str(one.fencing_token)) == 0
    assert [holder.fencing_token for holder in (await look(locks)).holders] == [two.fencing_token]
    assert capsys.readouterr().out.count("taken from") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [(["cron"], "nobody holds 'cron'"), (["cron", "--token", "3"], "nobody holds 'cron' with token 3")],
)
async def test_release_of_what_nobody_holds_is_exit_code_1(
    mongolock: Mongolock, capsys: Capture, words: list[str], told: str
) -> None:
    assert await mongolock("release", "--force", *words) == 1
    assert capsys.readouterr() == ("", f"mongolock: {told}\n")


async def test_release_without_force_is_refused(locks: LockRepository, mongolock: Mongolock) -> None:
    await locks.acquire("cron")
    with pytest.raises(SystemExit) as ended:
        await mongolock("release", "cron")
    assert ended.value.code == 64
    assert (await look(locks)).held


async def test_resize_serves_those_who_wait_and_says_what_was(
    locks: LockRepository, mongolock: Mongolock, capsys: Capture
) -> None:
    slots = locks.semaphore("cron", 1)
    await slots.acquire()
    second = asyncio.create_task(slots.acquire())
    await asyncio.sleep(1)
    assert await mongolock("resize", "cron", "2") == 0
    await second
    assert capsys.readouterr().out == "cron: capacity 2, was 1\n"


async def test_resize_says_that_what_is_too_much_has_to_drain(
    locks: LockRepository, mongolock: Mongolock, capsys: Capture
) -> None:
    await locks.semaphore("cron", 4, weight=3).acquire()
    assert await mongolock("resize", "cron", "2") == 0
    told = "cron: capacity 2, was 4; 3 are taken: nothing is granted until that has drained\n"
    assert capsys.readouterr().out == told


async def test_resize_of_a_name_that_was_never_used_makes_a_semaphore(
    locks: LockRepository, mongolock: Mongolock, capsys: Capture
) -> None:
    assert await mongolock("resize", "cron", "3") == 0
    assert ((await look(locks)).kind, (await look(locks)).capacity) == ("semaphore", 3)
    assert capsys.readouterr().out == "cron: capacity 3\n"


async def test_resize_of_another_kind_in_use_is_an_error(
    locks: LockRepository, mongolock: Mongolock, capsys: Capture
) -> None:
    await locks.acquire("cron")
    with pytest.raises(LockError, match="in use as a mutex"):
        await mongolock("resize", "cron", "3")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("words", [["resize", "x", "many"], ["release", "--force", "x", "--token", "t"]])
async def test_what_should_be_a_number_is_wrong_words(mongolock: Mongolock, words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        await mongolock(*words)
    assert ended.value.code == 64


async def test_watch_needs_a_terminal(mongolock: Mongolock) -> None:
    with pytest.raises(UsageError, match="needs a terminal"):
        await mongolock("watch")

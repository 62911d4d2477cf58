"""What ``--json`` prints, for programs."""

from __future__ import annotations

import asyncio
import json

from cli.shown import holder, lock
from waiters import about, waiting

from mongolock_async import LockRepository
from mongolock_async._cli.records import line


async def test_a_lock_is_an_object_with_these_keys(locks: LockRepository, others: LockRepository) -> None:
    lease = await locks.election("cron", "http://10.0.0.7", owner=4711, ttl=10).acquire()
    waiting(others, "web:2")
    await asyncio.sleep(2.5)
    (info,) = [info async for info in locks.list()]
    assert json.loads(line(info)) == {
        "name": "cron",
        "kind": "mutex",
        "capacity": 1,
        "held": True,
        "fencing_token": lease.fencing_token,
        "holders": [
            {
                "owner": 4711,
                "weight": 1,
                "fencing_token": lease.fencing_token,
                "age": about(2.5),
                "remaining": about(7.5),
                "ttl": 10.0,
                "value": "http://10.0.0.7",
            }
        ],
        "queue": [{"owner": "web:2", "weight": 1, "age": about(2.5), "remaining": about(7.5)}],
    }


def test_a_free_lock_has_all_of_its_keys() -> None:
    free = {"name": "cron", "kind": "done", "capacity": 1, "held": False, "fencing_token": 7}
    assert json.loads(line(lock(kind="done"))) == {**free, "holders": [], "queue": []}


def test_a_name_comes_out_as_it_is_on_one_line_that_does_nothing_to_a_terminal() -> None:
    name = 'a"\n\x1b[31m\u202e\x9b 日本 [red]'
    told = line(lock(name, holder(name)))
    assert told.isascii()
    assert told.isprintable()
    assert (json.loads(told)["name"], json.loads(told)["holders"][0]["owner"]) == (name, name)

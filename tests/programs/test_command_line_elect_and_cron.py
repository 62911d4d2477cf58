"""``mongolock elect`` and ``mongolock cron`` in real processes."""

from __future__ import annotations

import select
import signal
from typing import Any

from commandline import Start, handed_over, is_left, line
from pymongo import MongoClient

from mongolock_async.testing import Mongod


def test_a_leader_that_was_forced_out_runs_its_command_again_once_it_leads(
    mongolock: Start, name: str, standalone: Mongod
) -> None:
    says = "echo $$ $MONGOLOCK_TOKEN; exec sleep 60"
    leader = mongolock("elect", "--ttl", "1", name, "--", "sh", "-c", says)
    group, token = map(int, line(leader).split())
    with MongoClient[dict[str, Any]](standalone.uri) as client:
        client.mongolock.locks.update_one({"_id": name}, {"$set": {"holders": []}})
    again, later = map(int, line(leader).split())
    assert later > token
    assert not is_left(group)
    leader.send_signal(signal.SIGTERM)
    assert leader.wait() == 128 + signal.SIGTERM
    assert not is_left(again)


def test_a_command_that_ends_by_itself_ends_the_election(mongolock: Start, name: str) -> None:
    leader = mongolock("elect", "--value", "here", name, "--", "sh", "-c", "exit 3")
    assert leader.communicate() == ("", "")
    assert leader.returncode == 3


def test_a_renewal_that_fails_before_the_command_begins_does_not_end_the_election(name: str) -> None:
    words = ("elect", "--ttl", "60", "--grace", "20", name, "--", "echo", "ran")
    assert handed_over("unheard", *words) == ("ran", 0)


def test_each_boundary_runs_in_one_process_and_a_failure_is_one_line(mongolock: Start, name: str) -> None:
    words = ("cron", "* * * * * *", "--tz", "UTC", name, "--", "sh", "-c", "echo $MONGOLOCK_BOUNDARY; exit 7")
    pair = [mongolock(*words) for _ in range(2)]
    errors = [process.stderr for process in pair if process.stderr is not None]
    ready, _, _ = select.select(errors, [], [])  # one may win them all
    assert "the command has failed: exit code 7" in ready[0].readline()
    for process in pair:
        process.send_signal(signal.SIGTERM)
    boundaries = " ".join(process.communicate()[0] for process in pair).split()
    assert len(boundaries) == len(set(boundaries)) > 0
    assert all(process.returncode in {128 + signal.SIGTERM, -signal.SIGTERM} for process in pair)

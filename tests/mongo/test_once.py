"""What is done once, and leases that go on elsewhere: how the commands are sent, and sent again."""

from __future__ import annotations

from typing import Any

import pytest
from mongo.shared import look
from support import CommandLog, until

from mongolock_async import Lease, LockRepository

pytestmark = pytest.mark.parametrize("uri", ["replica_set"], indirect=True)


async def lose_a_reply(client: Any) -> None:
    """The next write of this kind is done, and its answer never arrives; the driver repeats it."""
    fail = {"configureFailPoint": "onPrimaryTransactionalWrite", "mode": {"times": 1}}
    await client.admin.command({**fail, "data": {"closeConnection": True}})


async def nothing() -> None:
    pass


async def test_a_repeated_end_is_read_again_and_those_who_wait_are_called(
    locks: LockRepository, far: LockRepository, client: Any, commands: CommandLog
) -> None:
    others: list[Any] = []

    async def work() -> None:
        others.append(far._member.background.spawn(far.once("cron", nothing)))

        async def queued() -> bool:
            return len((await look(locks)).queue) == 1

        await until(queued)
        commands.clear()
        await lose_a_reply(client)

    assert await locks.once("cron", work) is True
    assert commands.counts["findAndModify"] == 2
    assert commands.counts["insert"] == 1  # the call
    assert await others[0] is False
    assert (await look(locks)).kind == "done"


async def test_the_end_and_its_undoing_are_for_a_majority(
    locks: LockRepository, commands: CommandLog
) -> None:
    await locks.once("cron", nothing)
    await locks.reset("cron")
    writes = [one for one in commands.sent if one.command_name == "findAndModify"]
    assert [one.command["writeConcern"]["w"] for one in writes] == ["majority"] * 3


async def test_a_repeated_reset_says_that_it_was_done(locks: LockRepository, client: Any) -> None:
    await locks.once("cron", nothing)
    await lose_a_reply(client)
    assert await locks.reset("cron") is True


async def test_a_repeated_adoption_gives_the_lease(
    locks: LockRepository, far: LockRepository, far_client: Any
) -> None:
    given = await locks.acquire("cron", keep_alive=True)
    text = await given.export()
    await lose_a_reply(far_client)
    lease = await far.adopt(text)
    assert isinstance(lease, Lease)
    assert lease.fencing_token == given.fencing_token
    assert await lease.release() is True


async def test_the_document_of_what_is_done_is_never_removed(locks: LockRepository, collection: Any) -> None:
    await locks.once("cron", nothing)
    await locks.create("cron")
    stored = await collection.find_one({"_id": "cron"})
    assert stored["expires_at"].year == 9999
    await locks.reset("cron")
    stored = await collection.find_one({"_id": "cron"})
    assert stored["expires_at"].year < 9999

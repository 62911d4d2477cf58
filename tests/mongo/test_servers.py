"""Which servers can keep locks. What others say of themselves, or answer, stands here as they document it:
those servers are not here; the one that is here is MongoDB.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest
from mongo.shared import Fail
from pymongo.hello import Hello
from pymongo.server_description import ServerDescription

from mongolock_async import LockBackendError, LockError, LockRepository
from mongolock_async._mongo import servers
from mongolock_async._mongo.servers import REFUSALS, check_servers, hint, through_routers
from mongolock_async._mongo.site import check_plan, tell_of_routers

on_standalone = pytest.mark.parametrize("uri", ["standalone"], indirect=True)

NEEDED = "locks need MongoDB 4.4 or later"
MONGOS = {"ok": 1, "msg": "isdbgrid", "maxWireVersion": 17, "isWritablePrimary": True}
NODE = {"ok": 1, "maxWireVersion": 17, "isWritablePrimary": True}
# Of MongoDB 4.2, and 4.4.
OLDER, OLD_ENOUGH = {**NODE, "maxWireVersion": 8}, {**NODE, "maxWireVersion": 9}
BEHIND_A_BALANCER = {"ok": 1, "serviceId": 1, "maxWireVersion": 13}


def saying(*replies: dict[str, Any]) -> list[ServerDescription]:
    """What the driver knows of servers that have answered so to ``hello``."""
    return [ServerDescription(("host", 27017), Hello(reply)) for reply in replies]


def servers_of(client: Any) -> list[ServerDescription]:
    return list(client.topology_description.server_descriptions().values())


def test_a_server_that_says_that_it_is_older_than_4_4_is_refused() -> None:
    with pytest.raises(LockError, match=rf"{NEEDED}.*; this server is older \(wire version 8\)"):
        check_servers(saying(NODE, OLDER))
    check_servers(saying(OLD_ENOUGH, NODE, MONGOS, BEHIND_A_BALANCER))


def test_a_server_that_has_not_answered_yet_is_not_refused() -> None:
    check_servers([ServerDescription(("host", 27017))])


async def test_this_server_is_new_enough_and_no_mongos(client: Any) -> None:
    await client.admin.command("ping")
    assert any(server.is_server_type_known for server in servers_of(client))
    check_servers(servers_of(client))
    assert not through_routers(servers_of(client))


@on_standalone
async def test_the_first_claim_is_refused_where_the_server_is_too_old(
    locks: LockRepository, collection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This one would be, if that were asked for."""
    monkeypatch.setattr(servers, "WIRE_VERSION", 1000)
    with pytest.raises(LockError, match="this server is older"):
        await locks.obtain("cron")
    assert await collection.count_documents({}) == 0


@pytest.mark.parametrize("hello", [MONGOS, BEHIND_A_BALANCER], ids=["mongos", "behind a load balancer"])
def test_one_line_says_that_the_clock_of_a_mongos_judges_the_leases(
    hello: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mongolock_async")
    tell_of_routers("app.locks", saying(hello, hello))
    (line,) = caplog.records
    assert line.levelno == logging.INFO
    assert line.getMessage().startswith(
        "app.locks is reached through a mongos, whose clock judges the leases"
    )


@on_standalone
async def test_that_line_is_written_once_by_the_first_claim(
    locks: LockRepository, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if this one were a mongos."""
    monkeypatch.setattr(servers, "ROUTERS", {"Standalone"})
    caplog.set_level(logging.INFO, "mongolock_async")
    for name in ("a", "b"):
        assert await locks.obtain(name) is not None
    (line,) = [record.getMessage() for record in caplog.records if record.name == "mongolock_async"]
    assert "is reached through a mongos" in line


@on_standalone
async def test_no_line_speaks_of_a_mongos_where_there_is_none(
    locks: LockRepository, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mongolock_async")
    await locks.obtain("cron")
    assert "mongos" not in caplog.text.replace("mongolock_async", "")


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_how_other_servers_refuse_our_commands_is_known(code: int) -> None:
    assert hint(code).startswith(NEEDED)


@pytest.mark.parametrize("code", [None, 13, 50, 11000])
def test_where_something_else_has_failed_nothing_is_said_of_other_servers(code: int | None) -> None:
    assert hint(code) == ""


@on_standalone
async def test_an_error_that_other_servers_answer_with_says_what_is_needed(
    locks: LockRepository, fail: Fail
) -> None:
    """This one is MongoDB, and is told to answer so."""
    await locks.create("cron")
    await fail("findAndModify", errorCode=9, times=9)
    with pytest.raises(LockBackendError, match=NEEDED) as caught:
        await locks.obtain("cron")
    assert caught.value.code == 9


def test_the_plans_of_shards_are_looked_at_too() -> None:
    """Such as a mongos answers with."""
    shard = {"shardName": "s1", "namespace": "app.locks", "collation": {"locale": "en"}}
    plan = {"queryPlanner": {"winningPlan": {"stage": "SINGLE_SHARD", "shards": [shard]}}, "ok": 1}
    with pytest.raises(LockError, match=r"app\.locks has a default collation"):
        check_plan("app.locks", plan)


@pytest.mark.parametrize(
    "plan",
    [
        {},
        {"queryPlanner": None},
        {"queryPlanner": {"namespace": "tenant_app.locks"}},
        {"queryPlanner": {"collation": {"locale": "simple"}}},
    ],
    ids=str,
)
def test_a_plan_that_says_nothing_of_it_refuses_nothing(plan: dict[str, Any]) -> None:
    check_plan("app.locks", plan)

"""A lease that goes on under another id, by every backend."""

from __future__ import annotations

import pytest
from contract.shared import TTL, Later, granted, held, holders, seen, token, waits

from mongolock_async._engine.backend import Backend
from mongolock_async._protocol.kind import UPGRADABLE, WRITER
from mongolock_async._protocol.request import TtlChange

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_owner_and_token_stay_and_the_old_id_is_nobodys(backend: Backend) -> None:
    mine = await held(backend, owner="giver", ttl=5)
    adopted = await backend.adopt("cron", "m.1", mine, "n.1")
    assert adopted is not None
    asked = adopted.request("cron", keep_alive=True)
    assert (asked.owner, asked.ttl, asked.weight, asked.capacity) == ("giver", 5, 1, 1)
    assert (asked.kind, asked.at_least, asked.keep_alive) == ("mutex", None, True)
    assert adopted.grant.fencing_token == mine
    assert await backend.renew({"cron": ("m.1", mine)}, 5) == set()
    assert await backend.renew({"cron": ("n.1", mine)}, 5) == {"n.1"}
    assert (await backend.release("cron", "m.1"))[0] is False
    assert await holders(backend) == ["giver"]
    assert (await backend.release("cron", "n.1"))[0] is True


async def test_it_is_adopted_by_one(backend: Backend) -> None:
    mine = await held(backend)
    both = [await backend.adopt("cron", "m.1", mine, new) for new in ("n.1", "o.1")]
    assert [one is None for one in both] == [False, True]


async def test_a_repetition_says_the_same(backend: Backend) -> None:
    mine = await held(backend)
    for _ in range(2):
        adopted = await backend.adopt("cron", "m.1", mine, "n.1")
        assert adopted is not None
        assert adopted.grant.fencing_token == mine


async def test_it_lives_for_its_whole_ttl_from_then_on(backend: Backend, later: Later) -> None:
    mine = await held(backend)
    await later(20)
    adopted = await backend.adopt("cron", "m.1", mine, "n.1")
    assert adopted is not None
    assert TTL - 5 < adopted.grant.remaining <= TTL
    assert adopted.grant.age >= 20


async def test_what_is_over_is_not_adopted(backend: Backend, later: Later) -> None:
    mine = await held(backend, ttl=5)
    assert await backend.adopt("cron", "m.1", mine + 1, "n.1") is None
    assert await backend.adopt("cron", "m.2", mine, "n.1") is None
    assert await backend.adopt("none", "m.1", mine, "n.1") is None
    await later(6)
    assert await backend.adopt("cron", "m.1", mine, "n.1") is None
    assert await seen(backend)


async def test_it_grants_nothing(backend: Backend) -> None:
    mine = await held(backend)
    await waits(backend, "o.1")
    assert await backend.adopt("cron", "m.1", mine, "n.1")
    _, reply = await backend.release("cron", "n.1")
    assert granted(reply) == ["o.1"]


async def test_a_part_of_a_lock_keeps_its_weight_and_its_kind(backend: Backend) -> None:
    mine = await held(backend, kind="rwlock", weight=UPGRADABLE, capacity=WRITER, at_least=60.0)
    adopted = await backend.adopt("cron", "m.1", mine, "n.1")
    assert adopted is not None
    asked = adopted.request("cron", keep_alive=False)
    assert (asked.kind, asked.weight, asked.capacity, asked.at_least) == ("rwlock", UPGRADABLE, WRITER, 60)
    assert token(await backend.claim(asked.upgrade(), "n.1+1")) == mine


async def test_its_new_holder_counts_the_changes_of_its_ttl_anew(backend: Backend) -> None:
    mine = await held(backend)
    await backend.prolong("cron", "m.1", mine, TtlChange(7, 60))
    await backend.adopt("cron", "m.1", mine, "n.1")
    await backend.prolong("cron", "n.1", mine, TtlChange(1, 90))
    assert (await seen(backend))["holders"][0]["ttl_ms"] == 90_000


async def test_its_new_holder_counts_the_changes_of_its_value_anew(backend: Backend) -> None:
    mine = await held(backend, value="first")
    await backend.proclaim("cron", "m.1", mine, "second", 7)
    await backend.adopt("cron", "m.1", mine, "n.1")
    assert (await seen(backend))["holders"][0].get("value") == "second"
    await backend.proclaim("cron", "n.1", mine, "third", 1)
    assert (await seen(backend))["holders"][0].get("value") == "third"

"""Names and owners are refused before anything is sent, or are values and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from injection import (
    ANYTHING,
    BITS,
    FEW,
    LONG,
    MANY,
    TEXTS,
    WORDS,
    Tried,
    encodable,
    examples,
    mostly,
    stored,
)

from mongolock_async import LockRepository
from mongolock_async._settings import default_owner

pytestmark = pytest.mark.parametrize("uri", ["standalone"], indirect=True)

NAMES = st.text("$.{}\"':0aéß🔒 \n", min_size=1, max_size=20) | st.sampled_from(WORDS + LONG)
OWNERS = TEXTS | BITS | st.none()
HOW = st.sampled_from(["obtain", "acquire", "force_release"])
BYSTANDERS: list[dict[str, Any]] = [{"_id": 1, "foreign": True}, {"_id": "$where", "x": [1]}, {"_id": " "}]


def is_name(name: object) -> bool:
    return isinstance(name, str) and encodable(name) and 0 < len(name.encode()) <= 1024 and "\0" not in name


def is_owner(owner: object) -> bool:
    if isinstance(owner, str):
        return encodable(owner)
    return owner is None or (type(owner) is int and -(2**63) <= owner < 2**63)


@examples(FEW)
@given(name=mostly(NAMES, ANYTHING), owner=mostly(OWNERS, ANYTHING), how=HOW)
async def test_names_and_owners_are_refused_or_come_back_as_they_went_in(
    tried: Tried, locks: LockRepository, name: Any, owner: Any, how: str
) -> None:
    await take(tried, locks, name, owner, how)


@pytest.mark.long
@pytest.mark.timeout(600)
@examples(MANY)
@given(name=mostly(NAMES, ANYTHING), owner=mostly(OWNERS, ANYTHING), how=HOW)
async def test_500_names_and_owners_are_refused_or_come_back_as_they_went_in(
    tried: Tried, locks: LockRepository, name: Any, owner: Any, how: str
) -> None:
    await take(tried, locks, name, owner, how)


async def take(tried: Tried, locks: LockRepository, name: Any, owner: Any, how: str) -> None:
    """Take a lock in one way, look at it, and free it."""
    if not tried.counts:
        await tried.collection.insert_many(BYSTANDERS)
        await locks.create("index")
        tried.counts.update(accepted=0, refused=0)
    tried.commands.clear()
    if not (is_name(name) and is_owner(owner)):
        await _refused(locks, name, owner)
        assert tried.commands.counts == {}
        tried.counts["refused"] += 1
        return
    before = await stored(tried.collection)
    assume(name not in before)
    try:
        await _accepted(locks, tried.collection, name, owner, how)
        after = await stored(tried.collection)
        assert after.pop(name)
        assert after == before
    finally:
        await tried.collection.delete_one({"_id": name})
    tried.counts["accepted"] += 1


async def _refused(locks: LockRepository, name: Any, owner: Any) -> None:
    for claim in (locks.obtain, locks.acquire):
        with pytest.raises((TypeError, ValueError)):
            await claim(name, owner)
    with pytest.raises((TypeError, ValueError)):
        locks.lock(name, owner)
    with pytest.raises((TypeError, ValueError)):
        locks.every(1, name, owner)
    if is_name(name):
        return
    for use in (locks.get, locks.create, locks.force_release):
        with pytest.raises((TypeError, ValueError)):
            await use(name)
    if name != "":  # the prefix of every name
        with pytest.raises((TypeError, ValueError)):
            await anext(locks.list(name))


async def _accepted(
    locks: LockRepository, collection: Any, name: str, owner: str | int | None, how: str
) -> None:
    lease = await (locks.obtain(name, owner) if how == "obtain" else locks.acquire(name, owner))
    assert lease is not None
    kept = default_owner() if owner is None else owner
    assert (lease.name, lease.owner) == (name, kept)
    info = await locks.get(name)
    assert info is not None
    assert (info.name, [holder.owner for holder in info.holders]) == (name, [kept])
    assert name in [found.name async for found in locks.list(name)]
    document = await collection.find_one({"_id": name})
    assert (document["_id"], [holder["owner"] for holder in document["holders"]]) == (name, [kept])
    if how == "force_release":
        assert await locks.force_release(name) is True
    assert await lease.release() is (how != "force_release")

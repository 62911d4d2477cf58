"""Whatever is passed in is refused before anything is sent, or is a value and nothing else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson.errors import BSONError
from bson.regex import Regex
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pymongo.errors import PyMongoError
from support import CommandLog

from mongolock_async import Fenced, LockRepository, StaleTokenError
from mongolock_async._settings import default_owner

pytestmark = pytest.mark.parametrize("uri", ["standalone"], indirect=True)

# Two drivers, and two tests for each: 160 in the ordinary suite, and 2,000 in the long one.
FEW, MANY = 40, 500

WORDS = [
    "$token",
    "$$NOW",
    "$$ROOT",
    "$ne",
    "a.b",
    "a.$b",
    ".",
    "$",
    "",
    "\0",
    "a\0b",
    "\ud800",
    "x\udfff",
    "ü🔒",
]
LONG = [letter * (size // len(letter.encode())) for letter in "aü🔒" for size in (1020, 1024, 1028, 5000)]
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=20),
    st.sampled_from(WORDS + LONG),
    st.lists(st.sampled_from(WORDS), min_size=2, max_size=4).map("".join),
    st.text("$.{}\"':0aé", min_size=1, max_size=10),
)
BITS = st.integers(-(2**63), 2**63 - 1)
INTEGERS = st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**31, 10**40]) | BITS | st.integers()
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.binary(max_size=10),
    st.just(datetime(2026, 1, 1, tzinfo=UTC)),
    st.sampled_from([re.compile("^.*$"), Regex("^"), bson.ObjectId(), bson.MinKey(), bson.Decimal128("1")]),
)
KEYS = st.sampled_from(["$ne", "$gt", "$in", "$exists", "$literal", "$regex", "$where", "$set", "a.b", "a"])
NESTED = st.recursive(
    SCALARS | TEXTS | st.integers(-9, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=5,
)
ANYTHING = TEXTS | INTEGERS | NESTED


def mostly(usual: st.SearchStrategy[Any], other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Four of five are the usual ones."""
    return st.sampled_from([usual] * 4 + [other]).flatmap(lambda one: one)


def encodable(value: object) -> bool:
    return not (isinstance(value, str) and re.search("[\ud800-\udfff]", value))


def examples(count: int) -> settings:
    """So many, however long they take; the fixtures are meant to be the same for all of them."""
    unchecked = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=count, deadline=None, suppress_health_check=unchecked, database=None)


@dataclass
class Tried:
    """An empty collection, what is sent to it, and what became of the examples."""

    collection: Any
    commands: CommandLog
    counts: Counter[str]


@pytest.fixture
def tried(
    collection: Any, commands: CommandLog, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> Iterator[Tried]:
    """Prints the counts at the end."""
    tried = Tried(collection, commands, Counter())
    yield tried
    with capsys.disabled():
        print(f"\n{request.node.name}: {dict(tried.counts)}")


def bytes_of(document: Mapping[str, Any]) -> dict[str, bytes]:
    """For comparison: NaN is like NaN here, and 1 is not like 1.0 or True."""
    return {field: bson.encode({"": value}) for field, value in document.items()}


async def stored(collection: Any) -> dict[Any, dict[str, bytes]]:
    """Every document, by its _id."""
    return {document["_id"]: bytes_of(document) async for document in collection.find()}


# Names and owners

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


# Fences

# "n" is what the updates set.
PLAIN = st.sampled_from(["_fence", "key", "0"]) | st.text("a0:é🔒 \n'\"{}", min_size=1, max_size=10)
FIELDS = mostly(PLAIN, ANYTHING).filter(lambda field: field != "n")
TOKENS = st.sampled_from([0, 1, 2**31, 2**62, 2**63 - 1, 2**63]) | st.integers(0, 9)
STORABLE = SCALARS | TEXTS.filter(encodable) | BITS | st.integers(0, 9)
USUAL = st.sampled_from([{}, {"_id": 1}, {"_id": {"$in": [1, 2]}}, {"key": {"$exists": True}}, {"_id": 7}])
UNUSUAL = st.one_of(
    st.fixed_dictionaries({"_id": NESTED}),
    st.fixed_dictionaries({"key": NESTED}),
    st.builds(lambda operator, value: {"key": {operator: value}}, KEYS, NESTED),
    st.builds(lambda value: {"$or": [{"_id": 1}, {"key": value}]}, NESTED),
    st.builds(lambda value: {"$expr": {"$eq": ["$key", value]}}, NESTED),
    st.dictionaries(TEXTS | KEYS, NESTED, min_size=1, max_size=2),
    ANYTHING,
)
FILTERS = mostly(USUAL, UNUSUAL)
METHODS = ["update_one", "update_many", "replace_one", "find_one_and_update", "delete_one", "insert_one"]
CASES = {
    "method": st.sampled_from(METHODS),
    "criteria": FILTERS,
    "field": FIELDS,
    "token": TOKENS,
    "keys": st.lists(STORABLE, min_size=3, max_size=3),
    "stamps": st.lists(mostly(TOKENS.filter(lambda token: token < 2**63), STORABLE), max_size=3),
}
# What the driver raises before it sends.
UNSENT = (TypeError, ValueError, OverflowError, BSONError)


@examples(FEW)
@given(**CASES)
async def test_a_fence_writes_what_the_filter_says_and_nothing_else(tried: Tried, **case: Any) -> None:
    await write(tried, **case)


@pytest.mark.long
@pytest.mark.timeout(600)
@examples(MANY)
@given(**CASES)
async def test_a_fence_writes_in_500_cases_what_the_filter_says_and_nothing_else(
    tried: Tried, **case: Any
) -> None:
    await write(tried, **case)


async def write(
    tried: Tried, method: str, criteria: Any, field: Any, token: int, keys: list[Any], stamps: list[Any]
) -> None:
    """One fenced write among three documents; the driver's own ``find`` says which ones it may change."""
    accounts = tried.collection
    tried.commands.clear()
    try:
        fence = Fenced(accounts, "cron", token, field)
    except (TypeError, ValueError):
        assert tried.commands.counts == {}
        tried.counts["refused"] += 1
        return
    documents: list[dict[str, Any]] = [{"_id": number, "key": key} for number, key in enumerate(keys)]
    if encodable(field):
        for document, stamp in zip(documents, stamps, strict=False):
            document[field] = stamp
    await accounts.delete_many({})
    await accounts.insert_many(documents)
    before = await stored(accounts)
    expected, writable = await _expected(accounts, method, criteria, field, token)
    tried.commands.clear()
    outcome = await _outcome(fence, method, criteria)
    assert outcome != "refused" or tried.commands.counts == {}
    after = await stored(accounts)
    tried.counts[outcome] += 1
    assert outcome == expected or (outcome.startswith("refused") and expected == "refused")
    changed = {number for number in {*before, *after} if after.get(number) != before.get(number)}
    assert changed <= writable
    assert len(changed) == _how_many(method, outcome, len(writable))
    for number in changed:
        assert after.get(number, {}) == _written(method, before.get(number, {}), field, token)


async def _expected(
    accounts: Any, method: str, criteria: Any, field: str, token: int
) -> tuple[str, set[int]]:
    """What should come of it, and the documents that may be written, by what ``find`` finds."""
    if method == "insert_one":
        criteria = {}
    if not isinstance(criteria, Mapping):  # some of them are all documents, to the driver
        return "refused", set()
    try:
        matching = {document["_id"] async for document in accounts.find(criteria)}
        stamped = accounts.find({field: {"$gt": token}})
        newer = matching & {document["_id"] async for document in stamped}
    except (*UNSENT, PyMongoError):
        return "refused", set()
    if method == "insert_one":
        return "written", {9}
    writable = matching - newer
    if newer and (method == "update_many" or not writable):
        return "stale", writable
    return ("written" if writable else "matched none"), writable


async def _outcome(fence: Fenced, method: str, criteria: Any) -> str:
    change: dict[str, Any] = {"$set": {"n": 1}}
    try:
        if method == "insert_one":
            result = await fence.insert_one({"_id": 9, "n": 1})
        elif method == "delete_one":
            result = await fence.delete_one(criteria)
        elif method == "replace_one":
            result = await fence.replace_one(criteria, {"n": 1})
        else:
            result = await getattr(fence, method)(criteria, change)
    except UNSENT:
        return "refused"
    except StaleTokenError:
        return "stale"
    except PyMongoError:
        return "refused by the server"
    counts = [getattr(result, name, None) for name in ("matched_count", "deleted_count")]
    return "matched none" if result is None or 0 in counts else "written"


def _how_many(method: str, outcome: str, writable: int) -> int:
    if method == "update_many" and outcome in {"written", "stale"}:
        return writable
    return 1 if outcome == "written" else 0


def _written(method: str, before: dict[str, bytes], field: str, token: int) -> dict[str, bytes]:
    if method == "delete_one":
        return {}
    if method == "insert_one":
        return bytes_of({"_id": 9, "n": 1, field: token})
    kept = {"_id": before["_id"]} if method == "replace_one" else before
    return {**kept, **bytes_of({"n": 1, field: token})}

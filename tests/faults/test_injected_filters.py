"""Filters, fields and documents of a fence are refused before anything is sent, or mean what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from bson.errors import BSONError
from hypothesis import given
from hypothesis import strategies as st
from injection import (
    ANYTHING,
    BITS,
    FEW,
    KEYS,
    MANY,
    NESTED,
    SCALARS,
    TEXTS,
    Tried,
    bytes_of,
    encodable,
    examples,
    mostly,
    stored,
)
from pymongo.errors import PyMongoError

from mongolock_async import Fenced, StaleTokenError

pytestmark = pytest.mark.parametrize("uri", ["standalone"], indirect=True)

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
MANY_AT_ONCE = {"update_many", "delete_many"}
DELETES = {"delete_one", "delete_many", "find_one_and_delete"}
REPLACES = {"replace_one", "find_one_and_replace"}
METHODS = [
    *("update_one", "update_many", "find_one_and_update", "insert_one"),
    *("delete_one", "delete_many", "find_one_and_delete", "replace_one", "find_one_and_replace"),
]
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
    if newer and (method in MANY_AT_ONCE or not writable):
        return "stale", writable
    return ("written" if writable else "matched none"), writable


async def _outcome(fence: Fenced, method: str, criteria: Any) -> str:
    change: dict[str, Any] = {"$set": {"n": 1}}
    try:
        if method == "insert_one":
            result = await fence.insert_one({"_id": 9, "n": 1})
        elif method in DELETES:
            result = await getattr(fence, method)(criteria)
        elif method in REPLACES:
            result = await getattr(fence, method)(criteria, {"n": 1})
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
    if method in MANY_AT_ONCE and outcome in {"written", "stale"}:
        return writable
    return 1 if outcome == "written" else 0


def _written(method: str, before: dict[str, bytes], field: str, token: int) -> dict[str, bytes]:
    if method in DELETES:
        return {}
    if method == "insert_one":
        return bytes_of({"_id": 9, "n": 1, field: token})
    kept = {"_id": before["_id"]} if method in REPLACES else before
    return {**kept, **bytes_of({"n": 1, field: token})}

"""Anything that somebody may pass in, and what becomes of it in an empty collection."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import bson
from bson.regex import Regex
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from support import CommandLog

# By each driver: in the ordinary suite, and in the long one.
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


def bytes_of(document: Mapping[str, Any]) -> dict[str, bytes]:
    """For comparison: NaN is like NaN here, and 1 is not like 1.0 or True."""
    return {field: bson.encode({"": value}) for field, value in document.items()}


async def stored(collection: Any) -> dict[Any, dict[str, bytes]]:
    """Every document, by its _id."""
    return {document["_id"]: bytes_of(document) async for document in collection.find()}

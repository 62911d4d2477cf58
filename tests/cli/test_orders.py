"""The orders in which locks are shown."""

from __future__ import annotations

import pytest
from cli.shown import holder, lock, waiter

from mongolock_async._cli.orders import ORDERS, ordered

MANY = [
    lock("e"),
    lock("d", waiter(age=9)),
    lock("c", holder(age=5, remaining=20)),
    lock("b", holder(age=60, remaining=10), waiter(age=1), waiter(age=0)),
    lock("a", holder(age=7, remaining=20)),
]


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("name", "abcde"),
        ("age", "bacde"),  # the oldest first; what nobody holds comes last
        ("remaining", "bacde"),  # what ends first
        ("queue", "bdace"),  # the longest
        ("waiting", "dbace"),  # who has waited for the longest time
    ],
)
def test_locks_are_sorted_by_a_number_and_then_by_name(by: str, names: str) -> None:
    assert [info.name for info in ordered(MANY, by)] == list(names)


@pytest.mark.parametrize("by", ORDERS)
def test_what_nobody_uses_may_be_put_last(by: str) -> None:
    free = lock("0")
    assert ordered([free, *MANY], by, used_first=True)[-2:] == [free, MANY[0]]

"""All that can be said of one lock."""

from __future__ import annotations

import itertools
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mongolock_async import Holder, LockInfo, Waiter

from . import summaries
from .harmless import harmless
from .output import console
from .tables import MEDIUM, USUAL, Column, label, lasting, number, table

# Both have a weight.
Person = TypeVar("Person", Holder, Waiter)


def print_details(info: LockInfo) -> None:
    """Print them."""
    out = console()
    out.print(details(info, out.width))


def details(info: LockInfo, width: int) -> Group:
    """What it is, who holds it, who waits for it; for a terminal of that width."""
    parts: list[RenderableType] = [_heading(info)]
    if info.holders:
        parts += [Text(), _holders(info, width)]
    if info.queue:
        parts += [Text(), _queue(info, width)]
    return Group(*parts)


def _heading(info: LockInfo) -> Table:
    rows = {"name": harmless(info.name), "kind": harmless(info.kind), "state": summaries.state(info)}
    if info.kind == "semaphore":
        rows["capacity"] = str(info.capacity)
    rows |= {"last token": str(info.fencing_token), "waiting": str(len(info.queue))}
    heading = Table.grid(padding=(0, 2, 0, 0))
    for word, text in rows.items():
        heading.add_row(Text(word, "dim"), Text(text, overflow="fold"))
    return heading


def _holders(info: LockInfo, width: int) -> Table:
    columns: list[Column[Holder]] = [
        label("HOLDER", lambda one: harmless(one.owner)),
        *_size(info),
        number("TOKEN", lambda one: one.fencing_token),
        lasting("AGE", lambda one: one.age),
        lasting("REMAINING", lambda one: one.remaining, MEDIUM),
        lasting("TTL", lambda one: one.ttl, USUAL),
    ]
    if any(one.value for one in info.holders):
        columns.append(label("VALUE", lambda one: harmless(one.value), MEDIUM))
    return table(columns, info.holders, width)


def _queue(info: LockInfo, width: int) -> Table:
    places = itertools.count(1)
    size: list[Column[Waiter]] = _size(info)
    columns: list[Column[Waiter]] = [
        number("#", lambda _: next(places)),
        label("WAITER", lambda one: harmless(one.owner)),
        *size,
        lasting("AGE", lambda one: one.age),
        lasting("REMAINING", lambda one: one.remaining, MEDIUM),
    ]
    return table(columns, info.queue, width)


def _size(info: LockInfo) -> list[Column[Person]]:
    """What tells holders from each other, and those who wait; of most locks, nothing does."""
    if info.kind == "rwlock":
        return [Column("MODE", lambda one: summaries.mode(info, one))]
    return [number("WEIGHT", lambda one: one.weight)] if info.kind == "semaphore" else []

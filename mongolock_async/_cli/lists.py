"""Many locks, one line each."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from mongolock_async import LockInfo

from . import summaries
from .harmless import harmless
from .output import console
from .tables import MEDIUM, USUAL, WIDE, Column, label, lasting, number, table


def print_list(infos: Iterable[LockInfo]) -> None:
    """Print them."""
    out = console()
    out.print(lock_table(infos, out.width))


def lock_table(infos: Iterable[LockInfo], width: int) -> Table:
    """These locks, for a terminal of that width."""
    return table(_COLUMNS, infos, width, _style)


def _style(info: LockInfo) -> str:
    """Dim: nobody uses it; yellow: a lease of it is not renewed."""
    if not summaries.is_used(info):
        return "dim"
    return "yellow" if summaries.is_unrenewed(info) else ""


_COLUMNS: list[Column[LockInfo]] = [
    label("NAME", lambda info: harmless(info.name)),
    Column("KIND", summaries.kind, room=USUAL),
    label("HOLDERS", summaries.holders, MEDIUM),
    lasting("AGE", summaries.age),
    lasting("REMAINING", summaries.remaining, MEDIUM),
    number("QUEUE", lambda info: len(info.queue)),
    lasting("WAITING", summaries.waited, WIDE),
    number("TOKEN", lambda info: info.fencing_token, WIDE),
]

"""Tables for a terminal, as wide as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, Literal, NamedTuple, TypeVar

from rich.table import Table
from rich.text import Text

from .durations import duration
from .labels import Label
from .summaries import NOTHING

One = TypeVar("One")

# How wide a terminal must be for columns that not everybody needs.
MEDIUM, USUAL, WIDE = 50, 70, 110
_GAP = (0, 2, 0, 0)
# "23h 59m": durations that grow do not move the columns.
_DURATION = 7


class Column(NamedTuple, Generic[One]):
    """What stands under a title, one line for each one.

    Attributes:
        title: at its head.
        cell: what stands there.
        justify: at which side.
        least: how wide it is at least.
        is_label: whether it is cut where there is not enough room.
        room: how wide the terminal must be for it.
    """

    title: str
    cell: Callable[[One], str]
    justify: Literal["left", "right"] = "left"
    least: int = 1
    is_label: bool = False
    room: int = 0


def label(title: str, cell: Callable[[One], str], room: int = 0) -> Column[One]:
    """A column of names."""
    return Column(title, cell, is_label=True, room=room)


def number(title: str, cell: Callable[[One], int], room: int = 0) -> Column[One]:
    """A column of numbers."""
    return Column(title, lambda one: str(cell(one)), "right", room=room)


def lasting(title: str, cell: Callable[[One], float | None], room: int = 0) -> Column[One]:
    """A column of durations; some have none."""

    def told(one: One) -> str:
        seconds = cell(one)
        return NOTHING if seconds is None else duration(seconds)

    return Column(title, told, "right", _DURATION, room=room)


def table(
    columns: Iterable[Column[One]],
    those: Iterable[One],
    width: int,
    style: Callable[[One], str] = lambda _: "",
) -> Table:
    """One line for each, without lines around and between them; columns without room are left out."""
    made = Table(box=None, pad_edge=False, padding=_GAP, header_style="bold")
    shown = [column for column in columns if width >= column.room]
    for column in shown:
        made.add_column(
            column.title, justify=column.justify, min_width=column.least, no_wrap=not column.is_label
        )
    for one in those:
        made.add_row(*[_cell(column, column.cell(one), style(one)) for column in shown])
    return made


def _cell(column: Column[One], text: str, style: str) -> Label | Text:
    return Label(text, style) if column.is_label else Text(text, style)

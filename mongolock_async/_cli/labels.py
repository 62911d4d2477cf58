"""Texts on one line, cut to the room that there is."""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

ELLIPSIS = "…"
# A column of labels is not made narrower than this, as far as the terminal allows.
_NARROWEST = 8


def cut(text: str, cells: int) -> str:
    """The text in so many cells of a terminal; one that is longer loses its middle."""
    if cell_len(text) <= cells:
        return text
    if cells <= 0:
        return ""
    end = (cells - 1) // 2
    return _first(text, cells - 1 - end) + ELLIPSIS + _first(text[::-1], end)[::-1]


class Label:
    """A text for a cell of a table, cut in the middle to the room that there is."""

    def __init__(self, text: str, style: str = "") -> None:
        self._text = text
        self._style = style

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        whole = cell_len(self._text)
        return Measurement(min(whole, _NARROWEST), whole).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(cut(self._text, options.max_width), self._style, no_wrap=True, end="")


def _first(text: str, cells: int) -> str:
    """As many characters as fit."""
    taken = 0
    for number, one in enumerate(text):
        taken += cell_len(one)
        if taken > cells:
            return text[:number]
    return text

"""What ``watch`` shows at a moment: one screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.text import Text

from mongolock_async import LockInfo

from .harmless import harmless
from .lists import lock_table

# A line about all, one for trouble, one of titles, and one at the bottom.
_AROUND = 4


@dataclass(frozen=True, slots=True)
class Seen:
    """The locks, in the order in which they are shown.

    Attributes:
        where: the collection, and what the names begin with.
        at: the time of day at which they were seen.
        locks: all of them.
    """

    where: str
    at: str
    locks: Sequence[LockInfo]


def frame(seen: Seen, trouble: str, width: int, height: int) -> RenderableType:
    """A screen of that size: as many locks as fit, and how many there are."""
    rows = max(0, height - _AROUND)
    shown, more = seen.locks[:rows], len(seen.locks) - rows
    parts: list[RenderableType] = [
        _line(f"{harmless(seen.where)}  {_numbers(seen.locks)}  {seen.at}", "bold"),
        _line(trouble, "bold red"),
        lock_table(shown, width),
    ]
    parts += [Text()] * (rows - len(shown))
    rest = f"{more} more; --held, --sort or a longer PREFIX shows others" if more > 0 else ""
    parts.append(_line(f"q: leave  {rest}", "dim"))
    return Group(*parts)


def _numbers(locks: Sequence[LockInfo]) -> str:
    held = sum(info.held for info in locks)
    waiting = sum(len(info.queue) for info in locks)
    return f"{len(locks)} {'lock' if len(locks) == 1 else 'locks'}, {held} held, {waiting} waiting"


def _line(text: str, style: str) -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")

"""Locks to be shown, and what a terminal shows of them."""

from __future__ import annotations

import io
from typing import Any, Literal

from rich.console import Console, RenderableType

from mongolock_async import Holder, LockInfo, Waiter

WHOLE = 2**31 - 1


def holder(owner: str | int = "web:1", **other: Any) -> Holder:
    """Who has held a lock for a minute, and has renewed its lease just now."""
    usual = {"weight": 1, "fencing_token": 7, "age": 60, "remaining": 30, "ttl": 30}
    return Holder(**{"owner": owner, **usual, **other})


def waiter(owner: str = "web:2", **other: Any) -> Waiter:
    """Who has waited for 5 s."""
    return Waiter(**{"owner": owner, "weight": 1, "age": 5, "remaining": 8, **other})


def lock(name: str = "cron", *those: Holder | Waiter, kind: str = "mutex", capacity: int = 1) -> LockInfo:
    """A lock, with its holders and those who wait."""
    holders = tuple(one for one in those if isinstance(one, Holder))
    queue = tuple(one for one in those if isinstance(one, Waiter))
    return LockInfo(name, capacity, holders, queue, 7, kind)


def printed(what: RenderableType, width: int = 80, *, colours: bool = False) -> str:
    """All that goes to a terminal of this width."""
    out = io.StringIO()
    system: Literal["standard"] | None = "standard" if colours else None
    console = Console(
        file=out, width=width, height=100, force_terminal=colours, color_system=system, no_color=False
    )
    console.print(what)
    return out.getvalue()


def lines(what: RenderableType, width: int = 80) -> list[str]:
    """What can be read there, without the blanks at the ends of lines."""
    return [line.rstrip() for line in printed(what, width).splitlines()]

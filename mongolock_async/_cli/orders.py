"""The orders in which locks are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mongolock_async import LockInfo

from . import summaries

# What ``--sort`` takes. By a number, what has none comes last.
ORDERS: dict[str, Callable[[LockInfo], float | None]] = {
    "name": lambda _: 0,
    "age": lambda info: _most(summaries.age(info)),
    "remaining": summaries.remaining,
    "queue": lambda info: _most(len(info.queue) or None),
    "waiting": lambda info: _most(summaries.waited(info)),
}


def ordered(infos: Iterable[LockInfo], by: str, *, used_first: bool = False) -> list[LockInfo]:
    """By what remains, the least first, or by the most of anything else; then by name.

    ``used_first``: those that nobody uses come after all others.
    """
    number = ORDERS[by]

    def place(info: LockInfo) -> tuple[bool, bool, float, str]:
        found = number(info)
        idle = used_first and not summaries.is_used(info)
        return idle, found is None, 0 if found is None else found, info.name

    return sorted(infos, key=place)


def _most(number: float | None) -> float | None:
    return None if number is None else -number

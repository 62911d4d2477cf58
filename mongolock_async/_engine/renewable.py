"""What is kept alive, and by what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol


class Kept(Protocol):
    """A lease or a place, as far as the log is concerned."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...


class Renewable(Kept, Protocol):
    """A lease or a place, as far as the loop is concerned."""

    @property
    def life(self) -> float: ...
    @property
    def resting(self) -> bool: ...
    @property
    def alone(self) -> bool: ...

    def renewed(self, sent: float) -> None: ...
    def gone(self) -> None: ...


class Keeper(Protocol):
    """What keeps them alive."""

    def add(self, lease: Renewable) -> None: ...
    def discard(self, lease: Renewable) -> None: ...


@contextmanager
def keeping(keeper: Keeper, lease: Renewable) -> Iterator[None]:
    """Keep it alive during the block."""
    keeper.add(lease)
    try:
        yield
    finally:
        keeper.discard(lease)


# (what is to be renewed, of one kind; seconds within which to answer) -> the ids of those that still stand
Renew = Callable[[Sequence[Any], float], Awaitable[set[str]]]

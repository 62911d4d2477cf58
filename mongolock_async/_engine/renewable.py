"""What is kept alive, and by what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol


class Renewable(Protocol):
    """A lease or a place, as far as the loop is concerned."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def life(self) -> float: ...
    @property
    def resting(self) -> bool: ...
    @property
    def alone(self) -> bool: ...

    def renewed(self, sent: float) -> None: ...
    def gone(self) -> None: ...


# (what is to be renewed, of one kind; seconds within which to answer) -> the ids of those that still stand
Renew = Callable[[Sequence[Any], float], Awaitable[set[str]]]

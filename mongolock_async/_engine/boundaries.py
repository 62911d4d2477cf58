"""The moments at which a schedule is due. Milliseconds since the beginning of 1970, by the server's clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(boundary: int) -> datetime:
    """A boundary as a time, in UTC."""
    return EPOCH + timedelta(milliseconds=boundary)


class Boundaries(Protocol):
    """One boundary lasts until the next one. As a str, it is for people to read.

    Attributes:
        period: from each one to the next, where that is always the same; None: it is not.
    """

    @property
    def period(self) -> int | None: ...

    def last(self, now: int) -> int:
        """The last one that is not after this moment."""

    def next(self, after: int) -> int:
        """The first one after this moment."""


@dataclass(frozen=True, slots=True)
class Periodic:
    """The multiples of a period, shifted by an offset that is shorter."""

    period: int
    offset: int

    def __str__(self) -> str:
        shifted = f" at {self.offset / 1000:g} s" if self.offset else ""
        return f"every {self.period / 1000:g} s{shifted}"

    def last(self, now: int) -> int:
        """See ``Boundaries``."""
        return now - (now - self.offset) % self.period

    def next(self, after: int) -> int:
        """See ``Boundaries``."""
        return self.last(after) + self.period

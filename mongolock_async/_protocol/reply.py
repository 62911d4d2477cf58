"""What a backend answers, as the projections have the server compute it, and how it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from mongolock_async._settings import Owner

from .kind import Kind, Size


class Person(TypedDict):
    """A holder (with a token), or one who waits (its token is missing); a view has its ttl and value, too."""

    owner: Owner
    weight: int
    age_ms: int
    left_ms: int
    token: NotRequired[int]
    ttl_ms: NotRequired[int]
    value: NotRequired[str]


class View(TypedDict):
    """A lock for people to read; what has expired is left out."""

    kind: NotRequired[Kind]
    capacity: int
    token: int
    holders: list[Person]
    queue: list[Person]


class Mine(TypedDict):
    """What the lease that asked holds."""

    token: int
    left_ms: int
    age_ms: int


class Granted(TypedDict):
    """One who waited, and was granted by the command that is answered; ``ear``: who listens for it."""

    lease: str
    ear: NotRequired[str | None]


class TickAnswer(TypedDict):
    """What the server's clock shows, and the last boundary that was served; None: there was none."""

    now_ms: int
    last_ms: int | None


class Answer(TypedDict):
    """Where the lease that asked stands; without ``mine``, it holds nothing, and the rest says why.

    ``place``: in the queue; -1: it is not there; None: the document is no lock. ``next_ms``: until somebody
    before it expires. ``fits``: it could be served now.
    """

    mine: NotRequired[Mine]
    granted: NotRequired[list[Granted]]
    holders: NotRequired[list[Person]]
    place: NotRequired[int | None]
    kind: NotRequired[Kind]
    capacity: NotRequired[int]
    next_ms: NotRequired[int | None]
    fits: NotRequired[bool]
    waiting: NotRequired[int]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a lease got: a token, and the seconds that it lives and has lived, at the time of the answer."""

    fencing_token: int
    remaining: float
    age: float = 0.0

    @classmethod
    def of(cls, mine: Mine) -> Grant:
        """What the answer says."""
        return cls(mine["token"], mine["left_ms"] / 1000, mine["age_ms"] / 1000)


@dataclass(frozen=True, slots=True)
class Tick:
    """What the server's clock shows, and the last boundary that was served; 0: there was none."""

    now_ms: int
    last_ms: int


class Reply:
    """An answer, read field by field as it is asked for."""

    __slots__ = ("_answer", "_tick")

    def __init__(self, answer: Answer, tick: TickAnswer | None = None) -> None:
        self._answer = answer
        self._tick = tick

    def followed_by(self, later: Reply | None) -> Reply:
        """What a later answer says, of the same boundary; None: nothing is left."""
        return Reply({} if later is None else later._answer, self._tick)  # noqa: SLF001 - one of its kind

    @property
    def grant(self) -> Grant | None:
        """What this lease holds; None: nothing."""
        mine = self._answer.get("mine")
        return mine and Grant.of(mine)

    @property
    def granted(self) -> Sequence[Granted]:
        """Whom the command has granted besides."""
        return self._answer.get("granted", ())

    @property
    def holders(self) -> Sequence[Person]:
        """Everybody who is in its way."""
        return self._answer.get("holders", ())

    @property
    def place(self) -> int | None:
        """The place in the queue, from 0; None: not queued."""
        place = self._answer.get("place")
        return place if place is not None and place >= 0 else None

    def taken_for(self, size: Size, *, but: int | None = None) -> bool:
        """Whether others wait before this one, or have so much of the lock that it does not fit.

        ``but``: the holder with this token does not count.
        """
        if self.fits:
            return False
        if (self._answer.get("waiting", 0) if self.place is None else self.place or 0) > 0:
            return True
        held = sum(holder["weight"] for holder in self.holders if but is None or holder.get("token") != but)
        return held > 0 and (self.kind != size.kind or held + size.weight > self.capacity)

    @property
    def alone(self) -> bool:
        """Whether nobody else stands in the queue."""
        return self._answer.get("waiting", 1) <= 1

    @property
    def fits(self) -> bool:
        """Of a look: whether it could be served now."""
        return self._answer.get("fits", False)

    @property
    def kind(self) -> Kind | None:
        """What kind of lock it is now; None: not told, or nobody has used it yet."""
        return self._answer.get("kind")

    @property
    def used(self) -> bool:
        """Whether anybody has it, or waits for it."""
        return bool(self._answer.get("waiting") or self.holders)

    @property
    def capacity(self) -> int:
        """The capacity that the lock has now; 0: it holds the lock, and was not told."""
        return self._answer.get("capacity", 0)

    @property
    def next_expiry(self) -> float | None:
        """Seconds until the first of those before it expires; None: there are none."""
        next_ms = self._answer.get("next_ms")
        return None if next_ms is None else next_ms / 1000

    @property
    def tick(self) -> Tick:
        """Of a tick's claim only: when it was carried out, and what had been served by then."""
        assert self._tick is not None
        return Tick(self._tick["now_ms"], self._tick["last_ms"] or 0)

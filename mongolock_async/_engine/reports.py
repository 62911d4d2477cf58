"""What the log says of renewals, of losses and of what is left behind.

One line a second at most, however many leases it is about.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from mongolock_async._errors import LockBackendError

from .clock import Clock, Timer
from .renewable import Kept

logger = logging.getLogger("mongolock_async")

# Seconds from one line to the next.
PACE = 1.0
# A line about many names so many.
NAMED = 3


# Its kind and its name: what is told of it must not keep it from being forgotten.
Told = tuple[str, str]


class Pace:
    """Speaks at once when there is news, and of all that comes in the next second at the end of that.

    Args:
        clock: by which a second is counted.
        speak: says what there is to say; False: there was nothing.
    """

    def __init__(self, clock: Clock, speak: Callable[[], bool]) -> None:
        self._clock = clock
        self._speak = speak
        self._timer: Timer | None = None

    def news(self) -> None:
        """There may be something to say."""
        if self._timer is None and self._speak():
            self._timer = self._clock.call_later(PACE, self._next)

    def end(self) -> None:
        """Say now what is left, and nothing later."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._speak()

    def _next(self) -> None:
        self._timer = None
        self.news()


class Renewals:
    """Those that fail, and that work again. A line tells of what fails, or works, when it is written."""

    def __init__(self, clock: Clock) -> None:
        self._pace = Pace(clock, self._speak)
        self._failing: dict[str, Told] = {}
        self._again: dict[str, Told] = {}
        # Of the last failure that no line has told yet.
        self._reason: str | None = None
        self._said = False

    def failed(self, leases: Iterable[Kept], error: Exception) -> None:
        """These could not be renewed."""
        for lease in leases:
            self._failing[lease.id] = lease.kind, lease.name
            self._again.pop(lease.id, None)
        self._reason = _reason(error)
        self._pace.news()

    def renewed(self, leases: Iterable[Kept]) -> None:
        """These were."""
        if not self._said and not self._failing:
            return
        for lease in leases:
            self._failing.pop(lease.id, None)
            self._again[lease.id] = lease.kind, lease.name
        self._pace.news()

    def over(self, lease: Kept) -> None:
        """It is not renewed any more."""
        self._failing.pop(lease.id, None)

    def cancelled(self, kept: Iterable[Kept]) -> None:
        """The task that renews these was cancelled, and not by us."""
        leases = [(lease.kind, lease.name) for lease in kept if lease.kind != "place"]
        if leases:
            logger.warning("the task that renews was cancelled: no more renewals of %s", _those(leases))

    def end(self) -> None:
        """Nothing is renewed any more."""
        self._failing.clear()
        self._again.clear()
        self._pace.end()

    def _speak(self) -> bool:
        if self._failing:
            if self._reason is None:
                return False
            those = _those(list(self._failing.values()))
            logger.warning("renewal of %s failed: %s; trying again", those, self._reason)
            self._reason, self._said = None, True
            return True
        if self._said and not self._again:  # all that failed are lost, and none was renewed since
            return False
        said, again = self._said, self._again
        self._said, self._again = False, {}
        if said:
            logger.warning("renewal of %s works again", _those(list(again.values())))
        return said


class Losses:
    """Leases that ended without having been released."""

    def __init__(self, clock: Clock) -> None:
        self._pace = Pace(clock, self._speak)
        self._lost: list[tuple[str, str]] = []

    def add(self, name: str, reason: str) -> None:
        """A lease of this lock is lost."""
        self._lost.append((name, reason))
        self._pace.news()

    def end(self) -> None:
        """Say what was not said yet."""
        self._pace.end()

    def _speak(self) -> bool:
        lost, self._lost = self._lost, []
        if len(lost) == 1:
            logger.warning("lease of %r is lost: %s", *lost[0])
        elif lost:
            reasons = "; ".join(dict.fromkeys(reason for _, reason in lost))
            logger.warning("leases of %s are lost: %s", _names([name for name, _ in lost]), reasons)
        return bool(lost)


class Left:
    """Leases of which nobody knows whether they were taken out: they expire.

    Args:
        clock: by which a second is counted.
        one: the line about one, with its name.
        many: the line about more, with their number and their names.
    """

    def __init__(self, clock: Clock, one: str, many: str) -> None:
        self._pace = Pace(clock, self._speak)
        self._one = one
        self._many = many
        self._left: list[tuple[str, Exception | None]] = []

    def add(self, name: str, error: Exception | None = None) -> None:
        """One of this lock is left, for this reason; None: it had no answer in time."""
        self._left.append((name, error))
        self._pace.news()

    def end(self) -> None:
        """Say what was not said yet."""
        self._pace.end()

    def _speak(self) -> bool:
        left, self._left = self._left, []
        if not left:
            return False
        name, error = left[0]
        told: list[object]
        if len(left) == 1:
            line, told, why = self._one, [name], "" if error is None else str(error)
        else:
            line, told = self._many, [len(left), _names([name for name, _ in left])]
            why = "; ".join(dict.fromkeys(_reason(error) for _, error in left if error is not None))
        if why:
            line, told = f"{line}: %s", [*told, why]
        logger.warning(line, *told)
        return True


def _those(told: Sequence[Told]) -> str:
    """Which one, or how many."""
    places = sum(kind == "place" for kind, _ in told)
    if len(told) == 1:
        name = told[0][1]
        return f"the place for {name!r}" if places else f"the lease of {name!r}"
    counts = [(len(told) - places, "lease"), (places, "place")]
    return " and ".join(f"{count} {noun}{'s' * (count > 1)}" for count, noun in counts if count)


def _names(names: Sequence[str]) -> str:
    """The first of them, and how many more."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(map(repr, names[:NAMED])) + more


def _reason(error: Exception) -> str:
    """The kind of error only: its text may quote the whole command."""
    if isinstance(error, LockBackendError):
        return error.kind if error.code is None else f"{error.kind} (code {error.code})"
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__

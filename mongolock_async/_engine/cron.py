"""Boundaries by a cron expression, as cronsim reads it. Needs the extra ``cron``."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType
from zoneinfo import ZoneInfo

NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
FIELDS = ("second", "minute", "hour", "day-of-month", "month", "day-of-week")
# Any expression that is ever due is so in the 50 years from here, which is as far as cronsim looks.
SOME_DAY = datetime(2024, 1, 1, tzinfo=UTC)
LONGEST = 1000


class Cron:
    """The moments of a cron expression in a time zone.

    Args:
        expression: five fields, or six with the seconds first; or a name such as ``@daily``.
        tz: a time zone, or its key.

    Raises:
        TypeError, ValueError: one of them is wrong.
        ImportError: the extra ``cron`` is not installed.
    """

    period = None

    def __init__(self, expression: object, tz: object) -> None:
        self._zone = _zone(tz)
        self._expression, self._text = _fields(expression), str(expression)
        _check(self._expression)
        self._pair = (0, 0)

    def __str__(self) -> str:
        return f"cron {self._text!r} in {self._zone}"

    def last(self, now: int) -> int:
        """See ``Boundaries``."""
        return self._around(now)[0]

    def next(self, after: int) -> int:
        """See ``Boundaries``."""
        return self._around(after)[1]

    def _around(self, now: int) -> tuple[int, int]:
        """The last moment and the next one; looked for only where it is not the same pair as before."""
        last, following = self._pair
        if not last <= now < following:
            # Backwards, cronsim does not find all that it finds forwards on the day of a change of clocks:
            # what it finds backwards is only where to begin.
            last = next(self._moments(now // 1000, reverse=True))
            for following in self._moments(last // 1000):
                if following > now:
                    break
                last = max(last, following)
            self._pair = last, following
        return self._pair

    def _moments(self, seconds: int, *, reverse: bool = False) -> Iterator[int]:
        start = datetime.fromtimestamp(seconds, self._zone)
        found = _cronsim().CronSim(self._expression, start, reverse)
        return (round(moment.timestamp()) * 1000 for moment in found)


def _fields(expression: object) -> str:
    if not isinstance(expression, str):
        raise TypeError(f"expression must be a str, not {type(expression).__name__}")
    if expression.strip().startswith("@"):
        name = expression.strip().lower()
        if name not in NAMED:
            raise ValueError(
                f"expression must be one of {', '.join(NAMED)}, or have fields, not {name[:40]!r}"
            )
        return NAMED[name]
    if len(expression) > LONGEST:
        raise ValueError(f"expression must have at most {LONGEST} characters, not {len(expression)}")
    return expression


def _check(expression: str) -> None:
    """Name what is wrong with an expression."""
    parts = expression.split()
    if len(parts) not in {5, 6}:
        raise ValueError(
            "expression must have 5 fields (minute hour day-of-month month day-of-week), or 6 with the second"
            f" first, not {len(parts)}: {expression!r}"
        )
    names = FIELDS[-len(parts) :]
    for number, part in enumerate(parts):
        # Alone, each field says best what is wrong with it.
        fields = ["*"] * len(parts)
        fields[number] = part
        if not _is_valid(fields):
            raise ValueError(f"expression has a wrong {names[number]}, {part!r}: {expression!r}")
    if not _is_valid(parts) or next(_cronsim().CronSim(expression, SOME_DAY), None) is None:
        raise ValueError(f"expression names no date that there is: {expression!r}")


def _is_valid(fields: list[str]) -> bool:
    cronsim = _cronsim()
    try:
        cronsim.CronSim(" ".join(fields), SOME_DAY)
    except cronsim.CronSimError:
        return False
    return True


def _cronsim() -> ModuleType:
    try:
        return importlib.import_module("cronsim")
    except ImportError as error:
        raise ImportError("cron needs the extra 'cron': pip install 'mongolock-async[cron]'") from error


def _zone(tz: object) -> ZoneInfo:
    if isinstance(tz, ZoneInfo):
        return tz
    if not isinstance(tz, str):
        raise TypeError(f"tz must be a key such as 'Europe/Berlin', or a ZoneInfo, not {type(tz).__name__}")
    try:
        return ZoneInfo(tz)
    except (ValueError, LookupError, OSError) as error:
        raise ValueError(f"tz: no time zone {tz[:100]!r} is known (the extra 'cron' brings them)") from error

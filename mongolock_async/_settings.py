"""Defaults, limits, and the checks that every argument of a caller passes before anything is sent."""

from __future__ import annotations

import math
import os
import socket
from datetime import timedelta

Owner = str | int
Seconds = float | timedelta

DEFAULT_TTL = 30.0
DEFAULT_RETENTION = 86_400.0
DEFAULT_COMMAND_TIMEOUT = 20.0
DEFAULT_CLOSING = 5.0
MAX_NAME_BYTES = 1024
MAX_VALUE_BYTES = 1024
MAX_CAPACITY = 2**31 - 1
# Of a ttl and of a period. A lease that is over before its claim is answered helps nobody.
MIN_SECONDS = 0.1
# 2**40 ms: 34 years. Keeps every date and every sum of dates far inside BSON's range.
MAX_SECONDS = 2**40 / 1000


def default_owner() -> str:
    """``hostname:pid``: for people to read, and proof of nothing."""
    return f"{socket.gethostname()}:{os.getpid()}"


def default_margin(ttl: float) -> float:
    """How much earlier than the server a holder calls its lease expired: 5 % of the ttl, 0.1 s to 1 s.

    It covers clocks that run at different speeds, and the time from reading ``held`` to acting on it.
    """
    return min(max(0.05 * ttl, 0.1), 1.0)


def check_name(name: object) -> str:
    """A lock's name: a non-empty str of at most 1,024 bytes in UTF-8, without NUL."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, not {type(name).__name__}")
    size = _utf8_size("name", name)
    if not 0 < size <= MAX_NAME_BYTES:
        raise ValueError(f"name must have 1 to {MAX_NAME_BYTES} bytes, not {size}: {name[:40]!r}")
    if "\0" in name:
        raise ValueError(f"name must not contain NUL: {name!r}")
    return name


def check_value(value: object) -> str:
    """What a leader tells all: a str of at most 1,024 bytes in UTF-8, without NUL."""
    if not isinstance(value, str):
        raise TypeError(f"value must be a str, not {type(value).__name__}")
    size = _utf8_size("value", value)
    if size > MAX_VALUE_BYTES:
        raise ValueError(f"value must have at most {MAX_VALUE_BYTES} bytes, not {size}: {value[:40]!r}")
    if "\0" in value:
        raise ValueError(f"value must not contain NUL: {value!r}")
    return value


def check_owner(owner: object) -> Owner:
    """An owner: a str, or an int (no bool) of at most 64 bits."""
    if isinstance(owner, bool) or not isinstance(owner, (str, int)):
        raise TypeError(f"owner must be a str or an int, not {type(owner).__name__}")
    if isinstance(owner, str):
        _utf8_size("owner", owner)
    elif not -(2**63) <= owner < 2**63:
        raise ValueError(f"owner must fit into 64 bits, not {owner!r}")
    return owner


def check_token(token: object) -> int:
    """A fencing token: an int (no bool) of 0 to 2**63 - 1."""
    if isinstance(token, bool) or not isinstance(token, int):
        raise TypeError(f"fencing_token must be an int, not {type(token).__name__}")
    if not 0 <= token < 2**63:
        raise ValueError(f"fencing_token must be 0 to 2**63 - 1, not {token!r}")
    return token


def check_seconds(argument: str, value: object) -> float:
    """A duration: a finite, positive number of seconds, or a timedelta."""
    seconds = _seconds(argument, value)
    if not 0 < seconds <= MAX_SECONDS:
        raise ValueError(f"{argument} must be more than 0 s and at most {MAX_SECONDS:.0f} s, not {value!r}")
    return float(seconds)


def check_life(argument: str, value: object) -> float:
    """A ttl or a period: a duration of at least 0.1 s."""
    seconds = check_seconds(argument, value)
    if seconds < MIN_SECONDS:
        raise ValueError(f"{argument} must be at least {MIN_SECONDS} s, not {value!r}")
    return seconds


def check_offset(value: object, period: float) -> float:
    """How much later than the multiples of the period: 0, or a duration that is shorter than the period."""
    zero = not isinstance(value, bool) and value in {0, timedelta()}
    seconds = 0.0 if zero else check_seconds("offset", value)
    if seconds and milliseconds(seconds) >= milliseconds(period):
        raise ValueError(f"offset must be less than the period, {period:g} s, not {value!r}")
    return seconds


def check_timeout(value: object) -> float | None:
    """How long to wait; 0, or less, as what is left of a budget may be: not at all; None: for ever."""
    if value is None:
        return None
    return check_seconds("timeout", value) if _seconds("timeout", value) > 0 else 0.0


def check_count(argument: str, value: object) -> int:
    """A capacity, or a weight: a positive int (no bool) of at most 31 bits."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{argument} must be an int, not {type(value).__name__}")
    if not 0 < value <= MAX_CAPACITY:
        raise ValueError(f"{argument} must be 1 to {MAX_CAPACITY}, not {value!r}")
    return value


def check_size(weight: object, capacity: object) -> tuple[int, int | None]:
    """A weight, and a capacity that has room for it; None: the stored one."""
    some = check_count("weight", weight)
    if capacity is None:
        return some, None
    if some > (most := check_count("capacity", capacity)):
        raise ValueError(f"weight must be at most the capacity, {most}, not {some}")
    return some, most


def milliseconds(seconds: float) -> int:
    """Whole milliseconds, the server's resolution; never 0."""
    return max(1, round(seconds * 1000))


def _seconds(argument: str, value: object) -> float:
    """A finite number of seconds, or a timedelta."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{argument} must be seconds or a timedelta, not {type(value).__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{argument} must be finite, not {value!r}")
    return value


def _utf8_size(argument: str, text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise ValueError(f"{argument} must be encodable as UTF-8, not {text!r}") from None

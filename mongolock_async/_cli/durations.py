"""Durations, for people."""

from __future__ import annotations

_SECOND, _MINUTE, _HOUR, _DAY = 1000, 60_000, 3_600_000, 86_400_000


def duration(seconds: float) -> str:
    """In the two largest units, rounded down: ``4.2s``, ``42s``, ``2m 13s``, ``1h 5m``, ``3d 4h``."""
    ms = max(0, round(seconds * 1000))
    if ms < 10 * _SECOND:
        return f"{ms // 100 / 10:.1f}s"
    if ms < _MINUTE:
        return f"{ms // _SECOND}s"
    if ms < _HOUR:
        return f"{ms // _MINUTE}m {ms % _MINUTE // _SECOND}s"
    if ms < _DAY:
        return f"{ms // _HOUR}h {ms % _HOUR // _MINUTE}m"
    return f"{ms // _DAY}d {ms % _DAY // _HOUR}h"

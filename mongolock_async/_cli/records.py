"""Locks for programs: what ``--json`` prints (docs/command_line.md)."""

from __future__ import annotations

import json
from dataclasses import asdict

from mongolock_async import LockInfo


def record(info: LockInfo) -> dict[str, object]:
    """A lock as an object of JSON; durations are numbers, in seconds."""
    return {
        "name": info.name,
        "kind": info.kind,
        "capacity": info.capacity,
        "held": info.held,
        "fencing_token": info.fencing_token,
        "holders": [asdict(holder) for holder in info.holders],
        "queue": [asdict(waiter) for waiter in info.queue],
    }


def line(info: LockInfo) -> str:
    """The same on one line, of ASCII characters only."""
    return json.dumps(record(info))

"""One thing that happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .world import Request, World

Cause = Literal[
    "process", "write", "arrival", "answer", "loss", "call", "replication", "failover", "removal", "time"
]


@dataclass(frozen=True, slots=True)
class Step:
    """What happened, and the world after it. ``request``: the one that was carried out by it."""

    cause: Cause
    text: str
    after: World
    request: Request | None = None

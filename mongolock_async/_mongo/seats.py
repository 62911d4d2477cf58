"""How many may listen at a time."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mongolock_async._errors import LockError

# By process and by what is shared: a client, or Motor's threads.
_taken: Counter[tuple[int, object]] = Counter()


@contextmanager
def seat(client: Any) -> Iterator[None]:  # noqa: ANN401 - of either driver
    """One for the block.

    Who listens keeps a connection of its client to itself, and by Motor also one of the threads that all
    clients of the process share. Half of both is left to commands.

    Raises:
        LockError: all are taken.
    """
    taken: list[tuple[int, object]] = []
    pool = client.options.pool_options.max_pool_size
    if pool:  # else, there is no limit
        taken.append((os.getpid(), id(client)))
        if pool == 1:
            raise LockError("the client has one connection only (maxPoolSize=1)")
        if _taken[taken[-1]] >= pool // 2:
            raise LockError(f"half of the client's connections listen already (maxPoolSize={pool})")
    if threads := _threads(client):
        taken.append((os.getpid(), "motor"))
        if _taken[taken[-1]] >= threads // 2:
            raise LockError(f"half of Motor's threads listen already (MOTOR_MAX_WORKERS={threads})")
    _taken.update(taken)
    try:
        yield
    finally:
        _taken.subtract(taken)


def _threads(client: object) -> int | None:
    """How many Motor has; None: the client is none of Motor's."""
    if not any(base.__module__.partition(".")[0] == "motor" for base in type(client).__mro__):
        return None
    threads: int = sys.modules["motor.frameworks.asyncio"].max_workers
    return threads

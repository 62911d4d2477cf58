"""The blocks of one lock that tasks are inside of."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

from mongolock_async._engine.block import Block

Leases = TypeVar("Leases")


class Entered(Generic[Leases]):
    """Each block with its leases, which are wanted until its end, whether or not the body refers to them."""

    def __init__(self) -> None:
        self._blocks: list[tuple[Block, Leases]] = []

    def add(self, block: Block, leases: Leases) -> None:
        """The current task has entered one."""
        self._blocks.append((block, leases))

    def pop(self) -> tuple[Block, Leases]:
        """The block that this task entered last; for a finalizer, one whose own task is done, or any."""
        task = asyncio.current_task()
        own = [one for one in self._blocks if one[0].task is task]
        left = [one for one in self._blocks if one[0].task.done()]
        last = (own or left or self._blocks)[-1]
        self._blocks.remove(last)
        return last

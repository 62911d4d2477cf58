"""``mongolock resize``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mongolock_async import LockInfo, LockRepository

from .harmless import harmless
from .parser import command
from .summaries import taken

if TYPE_CHECKING:
    from .parser import Subparsers


def add(subparsers: Subparsers) -> None:
    """Its words."""
    parser = command(subparsers, "resize", run, "give a semaphore another capacity")
    parser.set_defaults(retention=None)  # whether there is a TTL index, its users decide
    parser.add_argument("name", metavar="NAME", help="of the semaphore")
    parser.add_argument("capacity", metavar="N", type=int, help="how much of it there is from now on")


async def run(locks: LockRepository, options: argparse.Namespace) -> int:
    """Do it; what is held stays held."""
    before = await locks.get(options.name)
    await locks.resize(options.name, options.capacity)
    print(_resized(options.name, options.capacity, before))  # noqa: T201 - that is what it has done
    return 0


def _resized(name: str, capacity: int, before: LockInfo | None) -> str:
    told = f"{harmless(name)}: capacity {capacity}"
    if before is None or before.kind != "semaphore":
        return told
    told += f", was {before.capacity}"
    held = taken(before)
    return (
        told if held <= capacity else f"{told}; {held} are taken: nothing is granted until that has drained"
    )

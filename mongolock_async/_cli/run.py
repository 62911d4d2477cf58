"""``mongolock run``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mongolock_async import LockRepository

from .parser import command

if TYPE_CHECKING:
    from .parser import Subparsers


def add(subparsers: Subparsers) -> None:
    """Its words."""
    parser = command(subparsers, "run", run, "run a command", words=True)
    parser.add_argument("name", metavar="NAME", help="of the lock")


async def run(locks: LockRepository, options: argparse.Namespace) -> int:
    """Do it."""
    await locks.get(options.name)
    return 0

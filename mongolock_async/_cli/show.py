"""``mongolock show``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from mongolock_async import LockRepository

from . import exits
from .ls import PATIENCE
from .parser import command
from .records import line

if TYPE_CHECKING:
    from .parser import Subparsers


def add(subparsers: Subparsers) -> None:
    """Its words."""
    parser = command(subparsers, "show", run, "one lock: who holds it, and who waits")
    parser.set_defaults(patience=PATIENCE)
    parser.add_argument("name", metavar="NAME", help="of the lock")
    parser.add_argument("--json", action="store_true", help="a JSON object, for programs")


async def run(locks: LockRepository, options: argparse.Namespace) -> int:
    """Show it; exit code 1 if there is no such lock."""
    info = await locks.get(options.name)
    if info is None:
        exits.say(f"there is no lock {options.name!r}")
        return exits.NOTHING
    if options.json:
        print(line(info))  # noqa: T201 - that is what it is for
    else:
        from .details import print_details  # noqa: PLC0415 - rich is optional, and takes its time

        print_details(info)
    sys.stdout.flush()
    return 0

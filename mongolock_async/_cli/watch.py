"""``mongolock watch``."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import TYPE_CHECKING

from mongolock_async import LockRepository

from . import exits
from .ls import PATIENCE, add_choice, place_of
from .parser import command

if TYPE_CHECKING:
    from .parser import Subparsers

# What ``TERM`` says of a terminal that Rich draws nothing on.
DUMB = {"dumb", "unknown"}


def add(subparsers: Subparsers) -> None:
    """Its words."""
    parser = command(subparsers, "watch", run, "the locks, live; q leaves")
    parser.set_defaults(patience=PATIENCE)
    add_choice(parser)


async def run(locks: LockRepository, options: argparse.Namespace) -> int:
    """Show them until the user leaves: 0; or until a signal ends it."""
    if os.name != "posix" or not sys.stdout.isatty() or os.environ.get("TERM", "dumb").lower() in DUMB:
        raise exits.UsageError("watch needs a terminal that it can draw on; use ls")
    from .output import console  # noqa: PLC0415 - rich is optional, and takes its time
    from .screen import Screen  # noqa: PLC0415 - likewise
    from .watching import Watching  # noqa: PLC0415 - likewise

    watching = Watching(locks, place_of(options), options.prefix, held=options.held, sort=options.sort)
    await watching.look()  # before the terminal is taken: its errors are those of any command
    with Screen(console(), watching.frame) as screen:
        screen.show()
        ends = [asyncio.create_task(watching.run(screen.show)), asyncio.create_task(screen.left())]
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
        for end in done:
            end.result()
    return 0 if screen.signal is None else exits.by_signal(screen.signal)

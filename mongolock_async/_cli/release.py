"""``mongolock release``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mongolock_async import Holder, LockRepository

from . import exits
from .durations import duration
from .harmless import harmless
from .parser import command

if TYPE_CHECKING:
    from .parser import Subparsers


def add(subparsers: Subparsers) -> None:
    """Its words."""
    parser = command(subparsers, "release", run, "take a lock away from whoever holds it")
    parser.add_argument("name", metavar="NAME", help="of the lock")
    parser.add_argument(
        "--force",
        action="store_true",
        required=True,
        help="required: its holder is not asked, and may go on until it notices",
    )
    parser.add_argument(
        "--token",
        type=int,
        metavar="T",
        help="only the holding with this fencing token (see show), and nobody who came after it",
    )


async def run(locks: LockRepository, options: argparse.Namespace) -> int:
    """Take it away; exit code 1 if nobody held it."""
    info = await locks.get(options.name)
    if not await locks.force_release(options.name, fencing_token=options.token):
        exits.say(_nobody(options))
        return exits.NOTHING
    seen = info.holders if info is not None else ()
    for holder in seen:
        if options.token in {None, holder.fencing_token}:
            print(_freed(options.name, holder))  # noqa: T201 - that is what it has done
    return 0


def _freed(name: str, holder: Holder) -> str:
    until = duration(holder.remaining)
    return (
        f"{harmless(name)}: taken from {harmless(holder.owner)} (token {holder.fencing_token}, "
        f"held for {duration(holder.age)}), which may go on for up to {until} until it notices"
    )


def _nobody(options: argparse.Namespace) -> str:
    token = "" if options.token is None else f" with token {options.token}"
    return f"nobody holds {options.name!r}{token}"

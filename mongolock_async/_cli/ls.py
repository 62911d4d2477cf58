"""``mongolock ls``, and which locks a list is of."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from mongolock_async import LockInfo, LockRepository

from . import exits
from .connection import DEFAULT
from .orders import ORDERS, ordered
from .parser import Parser, command
from .records import line

if TYPE_CHECKING:
    from .parser import Subparsers

# Seconds for an answer to somebody who only looks, and may look again.
PATIENCE = 5.0


def add(subparsers: Subparsers) -> None:
    """Its words."""
    parser = command(subparsers, "ls", run, "the locks, and who holds them")
    parser.set_defaults(patience=PATIENCE)
    add_choice(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")


def add_choice(parser: Parser) -> None:
    """Words that say which locks, and in which order."""
    parser.add_argument("prefix", metavar="PREFIX", nargs="?", default="", help="what their names begin with")
    parser.add_argument("--held", action="store_true", help="only locks that somebody holds")
    parser.add_argument("--sort", choices=ORDERS, default="name", help="the order; default: name")


def place_of(options: argparse.Namespace) -> str:
    """For people: which locks are looked at."""
    where: str = options.collection or DEFAULT
    return f"{where}, {options.prefix}*" if options.prefix else where


async def run(locks: LockRepository, options: argparse.Namespace) -> int:
    """List them."""
    number = 0
    found: list[LockInfo] = []
    async for info in locks.list(options.prefix, held=options.held):
        number += 1
        if options.json and options.sort == "name":  # that is the order in which they come
            print(line(info))  # noqa: T201 - that is what it is for
        else:
            found.append(info)
    if options.json:
        for info in ordered(found, options.sort):
            print(line(info))  # noqa: T201 - likewise
    elif found:
        from .lists import print_list  # noqa: PLC0415 - rich is optional, and takes its time

        print_list(ordered(found, options.sort))
    sys.stdout.flush()
    if not number:
        exits.say(f"no {'held ' if options.held else ''}locks in {place_of(options)}")
    return 0

"""The words of a command line, and what comes with each command."""

from __future__ import annotations

import argparse
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, NoReturn, Self

from mongolock_async import LockRepository
from mongolock_async._settings import DEFAULT_RETENTION

from . import exits

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction["Parser"]  # noqa: SLF001 - argparse has no other name for it

Run = Callable[[LockRepository, argparse.Namespace], Awaitable[int]]

PROGRAM = "mongolock"
# Seconds until a command to MongoDB is given up; longer than an election takes.
PATIENCE = 20.0


class Parser(argparse.ArgumentParser):
    """Wrong words are one line, and exit code 64."""

    @classmethod
    def of_program(cls) -> Self:
        """For the words before the command."""
        parser = cls(
            prog=PROGRAM,
            description="Locks in MongoDB, for the shell. See docs/command_line.md.",
            epilog="Exit codes: those of the command it runs; 75 not free, 76 lost, 69 MongoDB, 64 usage.",
            parents=[_where(None)],
            allow_abbrev=False,
        )
        parser.set_defaults(words=None, patience=PATIENCE, retention=DEFAULT_RETENTION)
        return parser

    def error(self, message: str) -> NoReturn:
        """Say it, and how it is written; exit."""
        exits.say(f"{message} (see {self.prog} --help)")
        raise SystemExit(exits.USAGE)


def command(subparsers: Subparsers, noun: str, run: Run, summary: str, *, usage: str | None = None) -> Parser:
    """A command ``mongolock <noun>``, to which arguments can be added.

    Args:
        subparsers: those of the program.
        noun: its name.
        run: what does it, with the locks and ``options``; it returns the exit code.
        summary: what it does, in a line.
        usage: how it is written, where argparse does not know.
    """
    parser = subparsers.add_parser(
        noun,
        help=summary,
        description=summary,
        usage=usage,
        parents=[_where(argparse.SUPPRESS)],
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    return parser


def add_lease(parser: Parser) -> None:
    """How long a lease lives."""
    parser.add_argument(
        "--ttl",
        type=float,
        metavar="S",
        help="seconds that the lease lives unless it is renewed; default: 30",
    )


def add_grace(parser: Parser) -> None:
    """How long a command has to end."""
    parser.add_argument(
        "--grace",
        type=seconds,
        metavar="S",
        help="seconds before the end of a lease that is not renewed at which the command gets TERM; it gets "
        "KILL just before the end; at most half the ttl; default: 5, or a third of the ttl",
    )


def seconds(text: str) -> float:
    """None, or some; raises what argparse makes a line of."""
    some = float(text)
    if not 0 <= some < math.inf:
        raise argparse.ArgumentTypeError(f"must be 0 or more, not {text}")
    return some


def parsed(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    """The options; exits with 64 if they are wrong."""
    head = list(arguments)
    if "--" not in head:
        if _noun(head) in TAKE_WORDS and not {"-h", "--help"} & set(head):
            parser.error("write -- and then the command to be run")
        return parser.parse_args(head)
    # Not left to argparse, which has treated "--" differently in each of its versions.
    at = head.index("--")
    if _noun(head[:at]) not in TAKE_WORDS:
        return parser.parse_args(head)
    options = parser.parse_args(head[:at])
    options.words = head[at + 1 :]
    if not options.words:
        parser.error("there is no command behind --")
    return options


# The commands for which ``--`` begins another program's command line, which is in ``options.words``.
TAKE_WORDS = {"run", "elect", "cron"}


def _noun(arguments: Sequence[str]) -> str | None:
    """Which command it is."""
    _, others = _where(None).parse_known_args(arguments)
    return next((word for word in others if not word.startswith("-")), None)


def _where(default: str | None) -> Parser:
    """Where the locks are: may stand before the command, and behind it."""
    parser = Parser(prog=PROGRAM, add_help=False, allow_abbrev=False)
    parser.add_argument(
        "--uri",
        default=default,
        help="a MongoDB server; default: $MONGODB_URI (others can see the words of a command line, "
        "so a password is better there)",
    )
    parser.add_argument(
        "--collection",
        default=default,
        metavar="DB.COLL",
        help="where the locks are; default: mongolock.locks",
    )
    return parser

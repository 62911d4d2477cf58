"""``mongolock``: the locks of a collection, from a shell. It stands on the public names of the package."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import signal
import sys
from collections.abc import Sequence
from types import ModuleType

from . import exits, ls, release, resize, show, watch
from .connection import connected
from .parser import Parser, parsed

COMMANDS: list[ModuleType] = [ls, show, watch, release, resize]
if os.name == "posix":  # they need process groups
    from . import cron, elect, run

    COMMANDS = [run, elect, cron, *COMMANDS]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; None: those of this process. The exit code."""
    _open_what_is_closed()
    options = parsed(program(), sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that its encoding has no letters for
    try:
        with exits.log_shown():
            return asyncio.run(_done(options))
    except (KeyboardInterrupt, exits.Interrupted):
        return exits.interrupted()
    except BrokenPipeError:
        # Whoever read our output is gone, as ``head`` is. Python would write the rest of it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.by_signal(signal.SIGPIPE)
    except Exception as error:  # noqa: BLE001 - any error is one line, and a code
        return exits.told(error)


def program() -> Parser:
    """All of its words."""
    parser = Parser.of_program()
    subparsers = parser.add_subparsers(title="commands", dest="noun", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(subparsers)
    return parser


def _open_what_is_closed() -> None:
    """A stream that was closed for us (``2>&-``) goes nowhere; Python would print to the other one."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123 - open until the end


async def _done(options: argparse.Namespace) -> int:
    async with connected(options) as locks:
        code: int = await options.run(locks, options)
        return code

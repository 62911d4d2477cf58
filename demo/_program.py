"""What ``python -m demo`` does, from its options to its exit code."""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import signal
import sys

import demo

from . import _server, _terminal
from ._counter import Task, count
from ._driver import DRIVERS
from ._errors import NoServerError

GRACE = 0.3
SHORTEST = 0.1


def main() -> int:
    """Run until Ctrl-C, or for so many ticks."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _terminal.prepare()
    options = parser().parse_args()
    logger = logging.getLogger("mongolock_async")
    logger.addHandler(_terminal.Says())
    logger.propagate = False
    try:
        return asyncio.run(_run(options))
    except KeyboardInterrupt:
        return 130
    except NoServerError as error:
        print(error, file=sys.stderr)
        return 1


async def _run(options: argparse.Namespace) -> int:
    async with _server.find(options.uri) as uri:
        task = Task(options.every, options.name, options.driver)
        work = asyncio.create_task(count(uri, task, options.ticks))
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            _terminal.end_line()
            work.cancel()
            await asyncio.wait([work], timeout=GRACE)  # a server that is away holds nobody up
            raise
        return work.result()


def parser() -> argparse.ArgumentParser:
    """Its options."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=demo.__doc__)
    parser.add_argument("--uri", help="a MongoDB server (default: $MONGODB_URI, localhost:27017, or our own)")
    parser.add_argument("--driver", choices=list(DRIVERS), default="motor", help="default: motor")
    parser.add_argument("--every", type=_seconds, default=5.0, metavar="SECONDS", help="default: 5")
    parser.add_argument("--ticks", type=_whole, metavar="N", help="stop after so many (default: never)")
    parser.add_argument("--name", type=_name, default="increment-counter", help="of lock and counter")
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not (math.isfinite(seconds) and seconds >= SHORTEST):
        raise argparse.ArgumentTypeError(f"must be {SHORTEST} or more, not {text}")
    return seconds


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return number


def _name(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return text

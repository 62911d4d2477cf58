"""``mongolock cron``: a command at each boundary of a cron expression, in one process."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mongolock_async import Lease, LockRepository

from . import exits
from .child import check
from .job import Job
from .parser import add_grace, add_lease, command
from .signals import Signals

if TYPE_CHECKING:
    from .parser import Subparsers

USAGE = "mongolock cron [--catch-up S] [--ttl S] [--grace S] 'EXPRESSION' --tz ZONE NAME -- COMMAND..."


def add(subparsers: Subparsers) -> None:
    """Its words."""
    summary = "run a command at each moment of a cron expression, in one of all processes that do so"
    parser = command(subparsers, "cron", run, summary, usage=USAGE)
    parser.add_argument("expression", metavar="EXPRESSION", help="such as '0 3 * * *', or @daily")
    parser.add_argument("--tz", required=True, metavar="ZONE", help="such as Europe/Berlin")
    parser.add_argument(
        "--catch-up", type=float, metavar="S", help="run a boundary that was missed, if it is not older"
    )
    add_lease(parser)
    add_grace(parser)
    parser.add_argument("name", metavar="NAME", help="of the schedule")


async def run(locks: LockRepository, options: argparse.Namespace) -> int:
    """Until a signal ends it."""
    signals = Signals()
    return await signals.heeded(_run(locks, options, signals))


async def _run(locks: LockRepository, options: argparse.Namespace, signals: Signals) -> int:
    async def work(lease: Lease) -> None:
        try:
            ended = await job.run(lease)
        except exits.CommandError as error:
            exits.say(f"{options.name!r}: {error}")
            return
        if ended.code != 0 and not ended.lost:
            exits.say(f"{options.name!r}: the command has failed: exit code {ended.code}")
        signals.end_if_told()

    check(options.words)
    schedule = locks.cron(
        options.expression, options.name, tz=options.tz, ttl=options.ttl, catch_up=options.catch_up
    )
    with Job(options.words, options.grace, signals) as job:
        await schedule.run(work)
    return 0

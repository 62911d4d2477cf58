"""``mongolock elect``: a command of the leader."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from mongolock_async import Lease, LockBackendError, LockRepository

from .child import check
from .job import Job
from .parser import add_grace, add_lease, command
from .signals import Signals

if TYPE_CHECKING:
    from .parser import Subparsers

USAGE = "mongolock elect [--value TEXT] [--ttl S] [--grace S] NAME -- COMMAND..."
# Seconds between two looks at a lease that was in danger.
PERIOD = 0.1


def add(subparsers: Subparsers) -> None:
    """Its words."""
    summary = "run a command while we lead, and again after a loss"
    parser = command(subparsers, "elect", run, summary, usage=USAGE)
    parser.add_argument("--value", default="", metavar="TEXT", help="what the leader tells all")
    add_lease(parser)
    add_grace(parser)
    parser.add_argument("name", metavar="NAME", help="of the election")


async def run(locks: LockRepository, options: argparse.Namespace) -> int:
    """Stand for election until the command has ended by itself."""
    signals = Signals()
    return await signals.heeded(_run(locks, options, signals))


async def _run(locks: LockRepository, options: argparse.Namespace, signals: Signals) -> int:
    code = 0

    async def serve(lease: Lease) -> None:
        nonlocal code
        while True:
            try:
                ended = await job.run(lease)
            except LockBackendError:  # it was not renewed, and has not begun
                await asyncio.sleep(PERIOD)
                continue
            if not ended.lost:
                code = ended.code
                return
            signals.end_if_told()
            # The election cancels us when the lease is over. If it is renewed after all, we lead on.
            while lease.remaining <= job.grace(lease):
                await asyncio.sleep(PERIOD)

    check(options.words)
    with Job(options.words, options.grace, signals) as job:
        await locks.election(options.name, options.value, ttl=options.ttl).run(serve)
    return code

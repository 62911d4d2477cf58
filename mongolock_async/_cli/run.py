"""``mongolock run``: a command under a lock."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from mongolock_async import Lease, Lock, LockBackendError, LockRepository, LockTimeoutError

from . import exits
from .child import check
from .job import Job
from .parser import add_grace, add_lease, command
from .signals import Signals

if TYPE_CHECKING:
    from .parser import Subparsers

USAGE = (
    "mongolock run [-n | -w SECONDS] [-E CODE] [--read | --write | --count N [--weight W]] "
    "[--ttl S] [--at-least S] [--grace S] NAME -- COMMAND..."
)
# Seconds that we wait for the server's word on a release, while the lease lasts; and where it is over.
WORD = 5.0
LATE_WORD = 0.5
# An exit code is a byte.
LARGEST = 255


def add(subparsers: Subparsers) -> None:
    """Its words."""
    parser = command(subparsers, "run", run, "run a command under a lock", usage=USAGE)
    waiting = parser.add_mutually_exclusive_group()
    waiting.add_argument("-n", "--nonblock", action="store_true", help="do not wait for the lock")
    waiting.add_argument(
        "-w", "--wait", type=float, metavar="SECONDS", help="wait no longer; default: for ever"
    )
    parser.add_argument(
        "-E",
        "--conflict-exit-code",
        type=exit_code,
        default=exits.BUSY,
        metavar="CODE",
        dest="busy",
        help=f"the exit code if the lock is not free; default: {exits.BUSY}",
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--read", action="store_true", help="others may read at the same time")
    kind.add_argument("--write", action="store_true", help="of a lock that others read under")
    kind.add_argument("--count", type=int, metavar="N", help="so many may hold it at the same time")
    parser.add_argument(
        "--weight", type=int, default=1, metavar="W", help="how many of N this is; default: 1"
    )
    add_lease(parser)
    parser.add_argument(
        "--at-least",
        type=float,
        metavar="S",
        help="seconds for which the name stays taken, also if the command has ended",
    )
    add_grace(parser)
    parser.add_argument("name", metavar="NAME", help="of the lock")


def exit_code(text: str) -> int:
    """One that a program may have; raises what argparse makes a line of."""
    code = int(text)
    if not 0 <= code <= LARGEST:
        raise argparse.ArgumentTypeError(f"must be 0 to {LARGEST}, not {text}")
    return code


async def run(locks: LockRepository, options: argparse.Namespace) -> int:
    """Wait for it, run the command, release it."""
    signals = Signals()
    return await signals.heeded(_run(locks, options, signals))


async def _run(locks: LockRepository, options: argparse.Namespace, signals: Signals) -> int:
    check(options.words)
    lock = lock_of(locks, options)
    with Job(options.words, options.grace, signals) as job:
        try:
            lease = await lock.acquire(0 if options.nonblock else options.wait, keep_alive=True)
        except LockTimeoutError as error:
            exits.say(str(error))
            code: int = options.busy
            return code
        return await _under(lease, job)


async def _under(lease: Lease, job: Job) -> int:
    try:
        ended = await job.run(lease)
    finally:
        job.signals.are_too_late()
        ours = await released(lease)
    if not (ended.lost or ours):
        exits.say(f"the lease of {lease.name!r} was lost before the command had ended")
    return ended.code if ours and not ended.lost else exits.LOST


async def released(lease: Lease) -> bool:
    """Release it; False: it was over, as the server says, or our clock, where the server says nothing."""
    loop, left = asyncio.get_running_loop(), lease.remaining
    over = loop.time() + left
    try:
        async with asyncio.timeout(max(LATE_WORD, min(WORD, left))):
            return await lease.release()
    except (LockBackendError, TimeoutError):
        if loop.time() < over:
            exits.say(
                f"the release of {lease.name!r} was not confirmed: it may stay taken for {lease.ttl:g} s"
            )
        return left > 0


def lock_of(locks: LockRepository, options: argparse.Namespace) -> Lock:
    """The lock that the words mean."""
    name, ttl, at_least = options.name, options.ttl, options.at_least
    if options.count is not None:
        return locks.semaphore(name, options.count, weight=options.weight, ttl=ttl, at_least=at_least)
    if options.weight != 1:
        raise exits.UsageError("--weight goes with --count N")
    if not (options.read or options.write):
        return locks.lock(name, ttl=ttl, at_least=at_least)
    both = locks.rwlock(name, ttl=ttl, at_least=at_least)
    return both.read() if options.read else both.write()

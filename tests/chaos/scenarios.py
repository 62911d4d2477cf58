"""Single faults whose outcome is known beforehand: ``python -m chaos.scenarios NAME ...`` prints it as JSON.

The same workers violate the rules under the weak settings, so that we know that the checker sees.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient

from mongolock_async import LockRepository

from .cluster import Cluster, clock, clock_unavailable
from .crew import Crew
from .history import violations
from .network import Network, inside, unavailable
from .record import Account
from .work import BARE_TTL, PATIENCE

NODES, CLIENTS = [1, 2, 3], [11, 12]
TTL = 4.0
MARGIN = 1.0
# Of a step from one primary to the next, within the life of a lease.
TRIALS, TRIES = 2, 6
# Seconds from the end of a section until a majority knows of the release, by far.
RELEASED = 0.05


async def cut_off(network: Network, folder: Path, weak: str | None) -> dict[str, Any]:
    """The primary and half of the workers are cut off from the rest, in a moment in which the lock is free.

    The old primary grants it, for as long as it does not know. Until a rule is broken, or eight times; once
    where none should be.
    """
    # They rest for so long that there are such moments, and that one comes while the old primary grants.
    arguments = ["--do", "tries", "--ttl", "10", "--hold", "5", "--rest", "1"]
    arguments += ["--weak", weak] if weak else []
    cut: list[tuple[float, float]] = []
    acknowledged = 0
    async with Cluster([network.hosts[n] for n in NODES]) as cluster:
        crew = Crew([network.hosts[n] for n in CLIENTS], 4, cluster.uri, folder, arguments)
        try:
            await crew.ready()
            while len(cut) < (8 if weak else 1) and not violations(_account(crew).history, PATIENCE):
                primary = await cluster.working()
                near, far = crew.hosts
                others = [cluster.host(node) for node in cluster.nodes if node is not primary]
                while not all(map(_outside, crew.files)):
                    await asyncio.sleep(0.001)
                network.partition([cluster.host(primary), near], [*others, far])
                began = time.monotonic()
                await asyncio.sleep(6)
                cut.append((began + 0.1, time.monotonic()))
                network.heal()
                await cluster.working()
                await asyncio.sleep(2)
            await crew.finish()
        finally:
            crew.close()
        for number, path in enumerate(crew.files):
            if number % len(crew.hosts) == 0:
                begins = [section.begin for section in _account(crew, path).history.sections]
                acknowledged += sum(any(a < begin < b for a, b in cut) for begin in begins)
    return _verdict(crew) | {"cuts": len(cut), "acknowledged by the cut-off primary": acknowledged}


async def stopped(network: Network, folder: Path, weak: str | None) -> dict[str, Any]:
    """A holder is stopped for longer than its ttl, between its grant and its write."""
    arguments = ["--do", "fenced", "--hold", "0.4", *(["--weak", weak] if weak else [])]
    async with Cluster([network.hosts[n] for n in NODES]) as cluster:
        crew = Crew([network.hosts[n] for n in CLIENTS], 2, cluster.uri, folder, arguments)
        try:
            await crew.ready()
            for _ in range(2):
                while _last(crew.files[0])["kind"] != "granted":
                    await asyncio.sleep(0.002)
                crew.signal(0, signal.SIGSTOP)
                await asyncio.sleep(BARE_TTL + 2)
                crew.signal(0, signal.SIGCONT)
                await asyncio.sleep(1)
            await crew.finish()
        finally:
            crew.close()
    return _verdict(crew)


async def skew(network: Network, _folder: Path, ahead: str) -> dict[str, Any]:
    """A lease is granted by one primary, and its end is judged by the next, whose clock is off.

    For how many seconds two believed in the lock at a time, in each of some trials.
    """
    overlaps: list[float] = []
    async with Cluster([network.hosts[n] for n in NODES], ("+0", ahead, "+0")) as cluster:
        first, second, _ = cluster.nodes
        async with AsyncMongoClient[dict[str, Any]](cluster.uri) as client:
            for trial in range(TRIES):
                if len(overlaps) == TRIALS:
                    break
                await cluster.step_up(first)
                one = LockRepository(client.skew.locks, ttl=TTL, clock_margin=MARGIN)
                other = LockRepository(client.skew.locks, ttl=TTL, clock_margin=MARGIN)
                async with one, other:
                    lease = await one.acquire(f"trial {trial}")
                    await cluster.step_up(second)
                    if not lease.held:  # the step took longer than the lease lives
                        continue
                    await other.acquire(f"trial {trial}", timeout=30)
                    overlaps.append(round(lease.remaining, 3))
    return {"overlaps": overlaps}


async def jumping_clients(network: Network, folder: Path, _setting: str | None) -> dict[str, Any]:
    """The wall clocks of the workers jump by hours, forth and back, all the time."""
    clocks = folder / "clock"
    clocks.write_text("+0")
    prefix = [part for part in clock("") if not part.startswith("FAKETIME=")]
    prefix += [f"FAKETIME_TIMESTAMP_FILE={clocks}", "FAKETIME_CACHE_DURATION=1"]
    async with Cluster([network.hosts[n] for n in NODES]) as cluster:
        crew = Crew([network.hosts[n] for n in CLIENTS], 4, cluster.uri, folder, prefix=prefix)
        try:
            await crew.ready()
            for _ in range(5):
                clocks.write_text(f"{random.uniform(-10, 10):+.3f}h")
                await asyncio.sleep(2)
            await crew.finish()
        finally:
            crew.close()
    return _verdict(crew)


SCENARIOS: dict[str, Callable[[Network, Path, Any], Awaitable[dict[str, Any]]]] = {
    "cut-off": cut_off,
    "stopped": stopped,
    "skew": skew,
    "jumping-clients": jumping_clients,
}


def main() -> None:
    """Run one; ``WITH`` is the weak setting, or how a clock is off."""
    parser = argparse.ArgumentParser(prog="python -m chaos.scenarios", description=__doc__)
    parser.add_argument("name", choices=list(SCENARIOS))
    parser.add_argument("setting", metavar="WITH", nargs="?")
    options = parser.parse_args()
    if reason := unavailable() or clock_unavailable():
        sys.exit(f"no faults here: {reason}")
    inside()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        outcome = asyncio.run(_run(SCENARIOS[options.name], Path(folder), options.setting))
    print(json.dumps(outcome))


async def _run(
    scenario: Callable[[Network, Path, Any], Awaitable[dict[str, Any]]], folder: Path, setting: str | None
) -> dict[str, Any]:
    with Network(NODES + CLIENTS) as network:
        return await scenario(network, folder, setting)


def _last(path: Path) -> dict[str, Any]:
    """What a worker has noted last."""
    lines = path.read_bytes().splitlines()
    last: dict[str, Any] = json.loads(lines[-1]) if lines else {"kind": "nothing", "t": 0.0}
    return last


def _outside(path: Path) -> bool:
    """Whether its last section is over, and a majority knows of the release."""
    last = _last(path)
    return last["kind"] != "begin" and time.monotonic() - float(last["t"]) > RELEASED


def _account(crew: Crew, *paths: Path) -> Account:
    account = Account(over=time.monotonic())
    for path in paths or crew.files:
        account.read(path)
    return account


def _verdict(crew: Crew) -> dict[str, Any]:
    account = _account(crew)
    return {
        "broken": sorted({violation.rule for violation in violations(account.history, PATIENCE)}),
        "counts": dict(account.counts),
    }


if __name__ == "__main__":
    main()

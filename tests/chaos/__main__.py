"""``PYTHONPATH=tests python -m chaos --minutes 3``: mixed faults, and what came of them."""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from progress import passing

from .cluster import Cluster, clock_unavailable
from .crew import Crew
from .faults import HIT_WORKERS, KINDS, Faults
from .history import Violation, violations
from .network import Network, inside, unavailable
from .pulse import Pulse, stalls
from .record import Account
from .work import PERIOD, TTL

WORKERS = 8
# The clocks of the nodes differ by less than the workers' clock_margin.
CLOCKS = ("+0.15", "+0", "-0.15")
WARM_UP = 5.0
QUIET = (0.5, 2.5)
# Work goes on so soon after a primary is there again; or, where those who hold or are granted locks were hit
# themselves, once their leases are over.
STALL = 2.0
HOLDERS_HIT = TTL + 0.5
# Without faults. The places of the dead live 10 s each, and a waiter that lost its own is behind them all;
# one that is stuck waits for ever, also after the last fault.
STUCK = 30.0


def main() -> int:
    """Run it; the number of violations, for the shell."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--seed", type=int, default=None, help="of the faults (default: a new one)")
    parser.add_argument(
        "--keep", type=Path, help="a folder for what the workers write (default: a temporary one)"
    )
    parser.add_argument("--only", choices=list(KINDS), nargs="+", default=list(KINDS), help="these alone")
    options = parser.parse_args()
    if reason := unavailable() or clock_unavailable():
        print(f"no faults here: {reason}", file=sys.stderr)
        return 2
    inside()
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        return asyncio.run(_mixed(options.minutes * 60, seed, folder, options.only))


async def _mixed(seconds: float, seed: int, folder: Path, kinds: list[str]) -> int:
    print(f"seed {seed}, {seconds / 60:g} minutes, {WORKERS} workers", flush=True)
    with Network([1, 2, 3, 11, 12]) as network:
        nodes, clients = [network.hosts[n] for n in (1, 2, 3)], [network.hosts[n] for n in (11, 12)]
        async with Cluster(nodes, CLOCKS) as cluster:
            crew = Crew(clients, WORKERS, cluster.uri, folder)
            try:
                faults = Faults(cluster, network, crew, random.Random(seed), kinds)
                pulse = Pulse(cluster)
                await asyncio.sleep(WARM_UP)
                async with passing("mixed faults", seconds):
                    times = await _until(time.monotonic() + seconds, faults)
                print("no more faults: the workers come to an end", flush=True)
                stopped = time.monotonic()
                codes = await crew.finish()
                beats = await pulse.stop()
            finally:
                crew.close()
    account = Account(over=time.monotonic())
    for path in crew.files:
        account.read(path)
    begins = [section.begin for section in account.history.sections if section.begin < stopped]
    return _report(account, faults, times, stalls(begins, beats), codes, crew.complaints)


async def _until(end: float, faults: Faults) -> list[tuple[float, float, str]]:
    times = []
    while time.monotonic() < end:
        began = time.monotonic()
        name = await faults.some()
        times.append((began, time.monotonic(), name))
        left = max(0, round(end - time.monotonic()))
        print(f"{began:.1f}: {name}, {time.monotonic() - began:.1f} s; {left} s to go", flush=True)
        await asyncio.sleep(faults.chance.uniform(*QUIET))
    await asyncio.sleep(WARM_UP)
    return times


def _report(
    account: Account,
    faults: Faults,
    times: list[tuple[float, float, str]],
    still: list[tuple[float, float]],
    codes: list[int],
    complaints: str,
) -> int:
    history = account.history
    history.faults = [(began, ended) for began, ended, _ in times]
    broken = violations(history, STUCK)
    for until, length in still:
        recent = [name for began, ended, name in times if began < until and ended > until - length - TTL]
        hit = any(kind in name for name in recent for kind in HIT_WORKERS)
        if length > (HOLDERS_HIT if hit else STALL):
            text = f"{length:.2f} s until {until:.1f}, though there was a primary; {recent}"
            broken.append(Violation("stall", "", text))
    broken += [Violation("worker", "", f"exit codes {codes}")] * any(codes)
    broken += [Violation("fork", "", "a forked child believed")] * bool(
        account.counts["forked child believes"]
    )
    runs = sorted(history.runs)
    print(complaints[-5000:], end="")
    print(f"faults: {sum(Counter(faults.done).values())}: {dict(Counter(faults.done).most_common())}")
    print(f"sections: {dict(Counter(section.lock for section in history.sections).most_common())}")
    print(f"facts and troubles: {dict(account.counts.most_common())}; killed workers: {account.unfinished}")
    if runs:
        print(f"boundaries run: {len(set(runs))} of {(runs[-1] - runs[0]) // int(PERIOD * 1000) + 1}")
    longest = sorted((length for _, length in still), reverse=True)[:5]
    print(f"longest stalls while there was a primary: {[round(one, 2) for one in longest]} s")
    for violation in broken[:20]:
        print(f"VIOLATION {violation.rule} {violation.lock}: {violation.what}"[:1000])
    print(
        f"{len(history.sections)} sections, {len(faults.done)} faults, {len(broken)} violations", flush=True
    )
    return min(len(broken), 1)


if __name__ == "__main__":
    sys.exit(main())

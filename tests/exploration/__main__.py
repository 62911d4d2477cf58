"""Explore the protocol, then each mutation of it, and print what was found."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from progress import bar

from .explorer import Explorer, Told
from .mutations import MUTATIONS
from .plans import PLANS
from .properties import PROPERTIES
from .protocol import Protocol
from .trace import rendered


def main() -> int:
    as_wanted = True
    for number, plan in enumerate(PLANS, 1):
        print(f"{number} of {len(PLANS)}: {plan.name}", flush=True)
        began = time.process_time()
        with _shown(f"{number} of {len(PLANS)}") as told:
            result = Explorer(Protocol(), plan.bounds, PROPERTIES, told).run()
        seconds = time.process_time() - began
        extent = "all there are" if result.complete else "all within that depth"
        figures = f"{result.states:,} states, {result.steps:,} steps, depth {result.depth}"
        print(f"  {figures}: {extent}; {seconds:.0f} s")
        for wanted in PROPERTIES:
            print(f"  {'BROKEN' if result.broken is wanted else 'held'}: {wanted.name}")
        for line in result.trace:
            print(f"    at {line.now}: {line.text}")
        as_wanted &= result.broken is None
    for number, mutation in enumerate(MUTATIONS, 1):
        with _shown(f"mutation {number} of {len(MUTATIONS)}") as told:
            result = Explorer(mutation.protocol, mutation.bounds, (mutation.breaks,), told).run()
        print(f"\n{rendered(mutation, result)}", flush=True)
        as_wanted &= result.broken is mutation.breaks
    return 0 if as_wanted else 1


@contextmanager
def _shown(what: str) -> Iterator[Told]:
    """What shows how far it is on its present depth. How deep it goes is not known beforehand."""
    with bar() as shown:
        line = shown.add_task(what)

        def told(depth: int, done: int, of: int) -> None:
            if done == 0:
                shown.reset(line, total=of, description=f"{what}, depth {depth}: {of:,} states")
            shown.update(line, completed=done)

        yield told


if __name__ == "__main__":
    sys.exit(main())

"""Explore the protocol, then each mutation of it, and print what was found."""

from __future__ import annotations

import sys
import time

from .explorer import Explorer
from .mutations import MUTATIONS
from .plans import PLANS
from .properties import PROPERTIES
from .protocol import Protocol
from .trace import rendered


def main() -> int:
    as_wanted = True
    for plan in PLANS:
        began = time.process_time()
        result = Explorer(Protocol(), plan.bounds, PROPERTIES).run()
        seconds = time.process_time() - began
        extent = "all there are" if result.complete else "all within that depth"
        figures = f"{result.states:,} states, {result.steps:,} steps, depth {result.depth}"
        print(f"{plan.name}\n  {figures}: {extent}; {seconds:.0f} s")
        for wanted in PROPERTIES:
            print(f"  {'BROKEN' if result.broken is wanted else 'held'}: {wanted.name}")
        for line in result.trace:
            print(f"    at {line.now}: {line.text}")
        as_wanted &= result.broken is None
    for mutation in MUTATIONS:
        result = Explorer(mutation.protocol, mutation.bounds, (mutation.breaks,)).run()
        print(f"\n{rendered(mutation, result)}", flush=True)
        as_wanted &= result.broken is mutation.breaks
    return 0 if as_wanted else 1


if __name__ == "__main__":
    sys.exit(main())

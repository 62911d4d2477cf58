"""A counter-example, to be read."""

from __future__ import annotations

from .explorer import Result
from .mutation import Mutation


def rendered(mutation: Mutation, result: Result) -> str:
    """Its steps, each with the time at which it happens, and what is broken by the last."""
    lines = [f"mutation: {mutation.name}"]
    lines += [f"{number:3}. at {line.now}: {line.text}" for number, line in enumerate(result.trace, 1)]
    if result.broken is not None:
        lines.append(f"  broken: {result.broken.name}")
    return "\n".join(lines)

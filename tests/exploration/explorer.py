"""Breadth first through all states, so that the first counter-example is a shortest one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .bounds import Bounds
from .form import digest
from .newcomer import Newcomers
from .properties import Property
from .protocol import Protocol
from .step import Cause
from .steps import Steps
from .world import World


@dataclass(frozen=True, slots=True)
class Line:
    """A step of a trace, and the time at which it happens."""

    now: int
    text: str


@dataclass(frozen=True, slots=True)
class Result:
    """What was found.

    ``steps``: between all the states. ``depth``: the most that it takes from a start to a state.
    ``complete``: whether there is no further state. ``causes``: of the steps.
    """

    states: int
    steps: int
    depth: int
    complete: bool
    causes: frozenset[Cause]
    broken: Property | None = None
    trace: tuple[Line, ...] = ()


# Told now and then: the depth, how many of its states have been looked at, and how many it has.
Told = Callable[[int, int, int], None]
TELL_EVERY = 100


class Explorer:
    """Looks at each state once, and at each step from it, until a property is broken."""

    def __init__(
        self,
        protocol: Protocol,
        bounds: Bounds,
        properties: Sequence[Property],
        told: Told = lambda _depth, _done, _of: None,
    ) -> None:
        self._steps = Steps(protocol, bounds)
        self._newcomers = Newcomers(protocol)
        self._bounds = bounds
        self._properties = properties
        self._told = told
        self._count: Counter[Cause] = Counter()
        self._seen: set[bytes] = set()
        # How each state was reached: from which one, and by what.
        self._came: list[tuple[int, int, str]] = []

    def run(self) -> Result:
        frontier = list(enumerate(self._bounds.starts()))
        self._seen.update(digest(world) for _, world in frontier)
        self._came += [(-1, world.now, "") for _, world in frontier]
        for beginning in self._bounds.opening:
            frontier = [self._follow(*frontier[0], beginning)]
        depth = 0
        while frontier and depth != self._bounds.depth:
            reached: list[tuple[int, World]] = []
            for number, (origin, world) in enumerate(frontier):
                if number % TELL_EVERY == 0:
                    self._told(depth, number, len(frontier))
                for step in self._steps.after(world):
                    self._count[step.cause] += 1
                    key = digest(step.after)
                    for wanted in self._properties:
                        if (key in self._seen and wanted.once) or wanted.holds(self._newcomers, world, step):
                            continue
                        trace = (*self._trace(origin), Line(world.now, step.text))
                        return replace(self._result(depth + 1, complete=False), broken=wanted, trace=trace)
                    if key not in self._seen:
                        self._seen.add(key)
                        reached.append((len(self._came), step.after))
                        self._came.append((origin, world.now, step.text))
            frontier = reached
            depth += bool(frontier)
        return self._result(depth, complete=not frontier)

    def _follow(self, origin: int, world: World, beginning: str) -> tuple[int, World]:
        step = next(step for step in self._steps.after(world) if step.text.startswith(beginning))
        self._seen.add(digest(step.after))
        self._came.append((origin, world.now, step.text))
        return len(self._came) - 1, step.after

    def _result(self, depth: int, *, complete: bool) -> Result:
        return Result(len(self._seen), self._count.total(), depth, complete, frozenset(self._count))

    def _trace(self, state: int) -> list[Line]:
        lines = []
        while state >= 0:
            state, now, text = self._came[state]
            lines.append(Line(now, text))
        return lines[-2::-1]

"""What can happen next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from . import network, process
from .bounds import Bounds
from .leaving import left
from .protocol import Protocol
from .step import Step
from .stored import live, same
from .world import TICK, Request, World, member_name


@dataclass(frozen=True, slots=True)
class Steps:
    """Every step of every process, message, server and clock, as far as the bounds allow."""

    protocol: Protocol
    bounds: Bounds

    def after(self, world: World) -> Iterator[Step]:
        for step in self._all(world):
            if self._within(step.after):
                yield self._settled(step) if step.after.failures == self.bounds.failures else step

    def _within(self, world: World) -> bool:
        # A tick's first token is its time, and each further one is the next number.
        token = world.primary.token if world.primary is not None else 0
        return world.unheard <= self.bounds.unheard and token % TICK < self.bounds.grants

    def _all(self, world: World) -> Iterator[Step]:
        for number in range(len(world.members)):
            yield from process.steps(self.protocol, self.bounds, world, number)
        for index in range(len(world.requests)):
            yield from network.steps(self.protocol, self.bounds, world, index)
        for index in range(len(world.calls)):
            yield from process.hearing(self.protocol, self.bounds, world, index)
        yield from self._resizes(world)
        yield from self._replication(world)
        if world.failures < self.bounds.failures:
            yield from self._failovers(world)
        yield from self._removal(world)
        yield self._tick(world)

    def _tick(self, world: World) -> Step:
        """Whoever held the lock, and awaits no answer, sees at once that its lease is over."""
        later = replace(world, now=world.now + 1)
        text = "a tick passes"
        for number, member in enumerate(world.members):
            over = member.phase == "holding" and member.until <= later.now
            if over and not world.awaits(number):
                later = left(later, number)
                text += f"; {member_name(number)} sees that its lease is over"
        return Step("time", text, later)

    def _resizes(self, world: World) -> Iterator[Step]:
        """By somebody who waits for no answer, of a lock that there is."""
        for capacity in self.bounds.sizes:
            resize = Request("resize", 0, "", 0, heard=False, weight=capacity)
            if world.primary is not None and capacity != world.room and resize not in world.requests:
                yield Step("process", f"the capacity is to be {capacity}: that is sent", world.send(resize))

    def _settled(self, step: Step) -> Step:
        """Without another failover, it makes no difference what a majority has."""
        after = replicated(step.after)
        return step if after is step.after else replace(step, after=after)

    def _replication(self, world: World) -> Iterator[Step]:
        after = replicated(world)
        told = (after.requests, after.calls) != (world.requests, world.calls)
        if told or not same(world.primary, world.committed, world.now * TICK):
            yield Step("replication", "a majority has all that the primary has", after)

    def _failovers(self, world: World) -> Iterator[Step]:
        for ahead in self.bounds.ahead:
            if same(world.primary, world.committed, world.now * TICK) and ahead == world.ahead:
                continue
            after = replace(
                world,
                primary=world.committed,
                ahead=ahead,
                failures=world.failures + 1,
            )
            # What was carried out and not replicated is gone, and nobody is told. Its calls are under way.
            for request in world.requests:
                if request.answer is not None and not request.safe:
                    after = network.unknown(after, request)
            after = replicated(after)
            clock = f", its clock ahead by {ahead}" if ahead else ""
            yield Step("failover", f"failover: the new primary has what a majority has{clock}", after)

    def _removal(self, world: World) -> Iterator[Step]:
        document = world.primary
        if document is None or live(document.holders + document.queue, world.clock):
            return
        if world.now + world.ahead > document.token // TICK + self.protocol.retention:
            yield Step("removal", "the TTL index removes the document", replace(world, primary=None))


def replicated(world: World) -> World:
    all_safe = not any(map(_in_doubt, world.requests))
    if world.committed is world.primary and all_safe and all(call.safe for call in world.calls):
        return world
    requests = tuple(
        replace(request, safe=True) if _in_doubt(request) else request for request in world.requests
    )
    calls = tuple(dict.fromkeys(replace(call, safe=True) for call in world.calls))
    return replace(world, committed=world.primary, requests=requests, calls=calls)


def _in_doubt(request: Request) -> bool:
    return not request.safe and (request.answer is not None or request.kind == "look")

"""One who comes to the lock when all others have died, or are deaf, and nothing fails any more."""

from __future__ import annotations

from dataclasses import replace

from .bounds import Bounds
from .form import digest
from .protocol import Protocol
from .step import Step
from .steps import Steps, replicated
from .world import Member, Past, World

# Steps; more than it takes for all leases and places to expire, one after the other.
PATIENCE = 200
# It hears no call.
ORDER = ("arrival", "answer", "process", "time")
# Above the numbers that the dead have used.
FIRST_LEASE = 1_000


class Newcomers:
    """Whether they are served."""

    def __init__(self, protocol: Protocol) -> None:
        bounds = Bounds(1, 0, unheard=PATIENCE, grants=PATIENCE, moves=frozenset({"wait", "ask"}))
        self._steps = Steps(protocol, bounds)
        self._served: set[bytes] = set()

    def served(self, world: World, *, deaf: bool = False) -> bool:
        """Whether one gets the lock, after all that is under way was carried out.

        ``deaf``: those who wait go on to refresh their places, and hear nothing.
        """
        # One that waits for more than there is learns so by a look, and leaves.
        waiting = [
            member.lease
            for member in world.members
            if member.phase == "waiting" and member.weight <= _room(world)
        ]
        waiting += [member.upgrade for member in world.members if member.rise == "waiting"]
        if deaf and not waiting:
            return True
        world = _after_all_died(world, waiting if deaf else [])
        path: list[bytes] = []
        for _ in range(PATIENCE):
            key = digest(world)
            if world.believers or world.past.done or key in self._served:
                self._served.update(path)
                return True
            path.append(key)
            world = min(self._steps.after(world), key=_turn).after
        return False


def _after_all_died(world: World, deaf: list[str]) -> World:
    orphans = tuple(
        replace(request, member=0, heard=False, since=0, answer=None)
        for request in world.requests
        if request.answer is None and request.kind != "look"
    )
    # To hold all of it is the most that one can ask for.
    comer = Member(leases=FIRST_LEASE, weight=_room(world))
    alone = (comer, *(Member("deaf", lease) for lease in deaf))
    left = replace(world, members=alone, requests=orphans, calls=(), failures=0, past=Past())
    return replicated(left)


def _room(world: World) -> int:
    """The capacity, whatever becomes of a resize that is under way."""
    return min([world.room, *(request.weight for request in world.requests if request.kind == "resize")])


def _turn(step: Step) -> int:
    return ORDER.index(step.cause) if step.cause in ORDER else len(ORDER)

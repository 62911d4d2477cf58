"""How far an exploration goes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mongolock_async._memory.document import Document
from mongolock_async._protocol.kind import Kind

from .stored import freeze
from .world import FIRST, MARGIN, TICK, TTL, Lock, Member, World

ALL = frozenset({"try", "wait", "ask", "refresh", "renew", "release", "cancel", "leave", "write"})


@dataclass(frozen=True, slots=True)
class Bounds:
    """``depth``: steps from a start; None: every state there is.

    ``unheard``: requests under way whose answer nobody awaits. ``grants``: how many in a tick. ``ahead``:
    what a primary's clock may be ahead by. ``offsets``: what the members' own clocks are ahead by.
    ``capacity`` and ``kind``: of the lock; ``weights``: what the members ask for. ``sizes``: capacities that
    it is given. ``at_least``: ticks for which its name is to stay taken. ``moves``: what members do.
    ``queued``: start also from a lock that A holds and B waits for. ``opening``: how the steps begin that are
    taken first, and not counted in the depth.
    """

    members: int = 3
    failures: int = 2
    depth: int | None = None
    unheard: int = 2
    grants: int = 2
    ahead: tuple[int, ...] = (0, 1)
    offsets: tuple[int, ...] = (0, 0, 0)
    moves: frozenset[str] = ALL
    capacity: int = 1
    kind: Kind = "mutex"
    sizes: tuple[int, ...] = ()
    at_least: int = 0
    weights: tuple[int, ...] = (1, 1, 1)

    queued: bool = False
    opening: tuple[str, ...] = ()

    def starts(self) -> list[World]:
        """A lock that nobody has used yet, and the other one."""
        members = tuple(
            Member(offset=self.offsets[number], weight=self.weights[number]) for number in range(self.members)
        )
        fresh = World(members, lock=Lock(self.capacity, self.kind, self.at_least))
        return [fresh, _queued(fresh)] if self.queued else [fresh]


def _queued(fresh: World) -> World:
    lock = Document()
    life: dict[str, Any] = {
        "ttl": TTL * TICK,
        "first": FIRST * TICK,
        "at_least": fresh.lock.at_least * TICK or None,
    }
    for lease in ("A.1", "B.1"):
        lock.queue_up(fresh.clock, lease, owner="", ear=None, by="", size=fresh.size(1), **life)
    document, now, token = freeze(lock), fresh.now, lock.token
    holding = Member("holding", "A.1", 1, token=token, until=now + TTL - MARGIN)
    waiting = Member("waiting", "B.1", 1, since=now)
    world = replace(fresh.put(0, holding).put(1, waiting), primary=document, committed=document)
    return world.believing(0)

"""Leases that go on in another process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .bounds import Bounds
from .leaving import left
from .protocol import Protocol
from .world import Request, World, member_name


def giving(protocol: Protocol, bounds: Bounds, world: World, number: int) -> Iterator[tuple[str, World]]:
    """Of one that believes in its lease. What it renews before is left out."""
    member = world.members[number]
    if "export" in bounds.moves and world.past.text[0] != member.lease:
        after = left(world, number) if protocol.giver_stops else world
        yield f"exports {member.lease}", after.remembering(text=(member.lease, member.token))


def taking(bounds: Bounds, world: World, number: int) -> Iterator[tuple[str, World]]:
    """Of one that has no lease. A text may be used more than once."""
    lease, token = world.past.text
    if "export" in bounds.moves and lease:
        member = world.members[number]
        leases = member.leases + 1
        new = f"{member_name(number)}.{leases}"
        asking = replace(member, phase="asking", lease=new, leases=leases, since=world.now)
        adopt = Request("adopt", number, new, world.now, token=token, old=lease)
        yield f"adopts {lease} as {new}: that is sent", world.put(number, asking).send(adopt)

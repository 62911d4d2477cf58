"""How a process lets go of a lock."""

from __future__ import annotations

from dataclasses import replace

from mongolock_async._protocol.kind import base_of

from .world import Member, Request, World


def left(world: World, number: int, *, release: bool = False, keeps: bool = False) -> World:
    """It wants the lock no more. What it has sent may arrive all the same."""
    member = world.members[number]
    rest = []
    for request in world.requests:
        if not request.heard or request.member != number:
            rest.append(request)
        elif request.answer is None and request.kind != "look":
            rest.append(replace(request, heard=False, since=0))
    if release:
        rest.append(Request("release", number, member.lease, 0, heard=False, keeps=keeps))
    calls = tuple(call for call in world.calls if call.member != number)
    idle = Member(leases=member.leases, writing=member.writing, offset=member.offset, weight=member.weight)
    return replace(world.put(number, idle), requests=tuple(rest), calls=calls)


def withdrawal(number: int, lease: str) -> Request:
    """The request that takes back a lease, or an upgrade, and whose answer nobody awaits."""
    return Request("release" if base_of(lease) is None else "downgrade", number, lease, 0, heard=False)

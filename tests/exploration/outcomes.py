"""What is done once: its end, and how one learns of that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .bounds import Bounds
from .leaving import left
from .protocol import Protocol
from .step import Step
from .world import Answer, Request, World, member_name


def moves(protocol: Protocol, bounds: Bounds, world: World, number: int) -> Iterator[tuple[str, World]]:
    """Of one that believes in its lease: its work has come to its end."""
    if "finish" in bounds.moves:
        lease = world.members[number].lease
        yield f"has done it, and sends the end of {lease}", _finishing(protocol, world, number)


def _finishing(protocol: Protocol, world: World, number: int) -> World:
    """The lease is over, whatever the answer is."""
    member = world.members[number]
    world = left(world, number, release=not protocol.one_end)
    finishing = replace(world.members[number], phase="finishing", lease=member.lease)
    finish = Request("finish", number, member.lease, world.now, token=member.token)
    return world.put(number, finishing).send(finish).remembering(worked=True)


def answered(told: World, request: Request, answer: Answer) -> Step:
    """An answer that says whether it is done; one that learns so wants the lock no more."""
    done = answer.outcome == "done"
    text = f"{member_name(request.member)} hears that it is {'' if done else 'not '}done"
    after = left(told, request.member)
    return Step("answer", text, after.remembering(done=told.past.done or done))

"""What an upgradable reader does: it becomes a writer, and a reader again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mongolock_async._protocol.kind import UPGRADABLE, upgrade_id

from .bounds import Bounds
from .step import Step
from .world import Answer, Member, Request, Rise, World, member_name


def moves(bounds: Bounds, world: World, number: int) -> Iterator[tuple[str, World]]:
    """All but the answers and calls that it gets, while it believes in its lease."""
    member = world.members[number]
    if member.weight != UPGRADABLE or "upgrade" not in bounds.moves:
        return
    if member.rise in {"unsure", "waiting"} and "give up" in bounds.moves:
        yield f"gives its upgrade up, and takes {member.upgrade} back", _given_up(world, number)
    if member.rise == "waiting":
        yield from _waiting(bounds, world, number)
    lease = member.upgrade
    match member.rise:
        case "":
            lease = upgrade_id(member.lease, int(member.upgrade.partition("+")[2] or 0) + 1)
            text = f"wants to write: upgrade {lease} is sent"
            yield text, _sent(world, number, "asking", lease)
        case "asking" if "give up" in bounds.moves:
            (sent,) = [request for request in world.requests if request.heard and request.lease == lease]
            if sent.answer is None:
                undone = replace(sent, heard=False, undo=True, since=0)
                text = "is cancelled; the upgrade goes on, and is to be taken back"
                yield text, _owed(world.without(sent), number).send(undone)
        case "unsure":
            yield f"repeats its upgrade: {lease} is sent", _sent(world, number, "asking", lease)
        case "up" if "downgrade" in bounds.moves:
            yield f"is a reader again: the downgrade of {lease} is sent", _taking(world, number)
        case "owed":
            yield f"takes {lease} back before it asks again", _taking(world, number)
        case _:
            pass


def _waiting(bounds: Bounds, world: World, number: int) -> Iterator[tuple[str, World]]:
    member = world.members[number]
    lease = member.upgrade
    if "ask" in bounds.moves and not world.awaits(number, lease) and member.since < world.now:
        yield "asks how its upgrade stands", world.send(Request("ask", number, lease, world.now))
    refresh = Request("refresh", number, lease, 0, heard=False)
    if "refresh" in bounds.moves and refresh not in world.requests:
        yield f"refreshes its place {lease}", world.send(refresh)


def answered(world: World, request: Request, answer: Answer) -> Step:
    """An answer of its upgrade arrives."""
    number = request.member
    member, name = world.members[number], member_name(number)
    if request.kind == "downgrade":
        text = f"{name} hears that {request.lease} was taken back"
        return Step("answer", text, _rises(world, number, ""))
    if answer.token:
        return Step("answer", f"{name} hears that it may write", _up(world, number))
    if answer.outcome == "waits":
        waiting = replace(member, since=request.since)
        text = f"{name} hears that its upgrade waits"
        return Step("answer", text, _rises(world.put(number, waiting), number, "waiting"))
    return Step("answer", f"{name} hears that {request.lease} has nothing", _rises(world, number, ""))


def _up(world: World, number: int) -> World:
    return _rises(_deaf(world, number), number, "up").believing(number)


def _given_up(world: World, number: int) -> World:
    member = world.members[number]
    return _owed(world, number).send(Request("downgrade", number, member.upgrade, 0, heard=False))


def _owed(world: World, number: int) -> World:
    """What it has sent may arrive all the same."""
    member = world.members[number]
    rest = []
    for request in world.requests:
        if not request.heard or request.lease != member.upgrade:
            rest.append(request)
        elif request.answer is None and request.kind != "look":
            rest.append(replace(request, heard=False, since=0))
    return _rises(_deaf(replace(world, requests=tuple(rest)), number), number, "owed")


def _taking(world: World, number: int) -> World:
    member = world.members[number]
    return _rises(world, number, "taking").send(Request("downgrade", number, member.upgrade, world.now))


def _sent(world: World, number: int, rise: Rise, lease: str) -> World:
    asking = replace(world.members[number], upgrade=lease, rise=rise, since=world.now)
    return world.put(number, asking).send(Request("upgrade", number, lease, world.now))


def _rises(world: World, number: int, rise: Rise) -> World:
    member: Member = world.members[number]
    since = member.since if rise == "waiting" else 0
    return world.put(number, replace(member, rise=rise, since=since))


def _deaf(world: World, number: int) -> World:
    """No call of its upgrade is waited for."""
    upgrade = world.members[number].upgrade
    return replace(world, calls=tuple(call for call in world.calls if call.lease != upgrade))

"""What a process does: it asks, believes, works, and gives back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mongolock_async._protocol.kind import base_of

from . import adoptions, outcomes, upgrades
from .bounds import Bounds
from .leaving import left
from .protocol import Protocol
from .step import Step
from .world import FIRST, MARGIN, TTL, Answer, Call, Request, World, member_name


def steps(protocol: Protocol, bounds: Bounds, world: World, number: int) -> Iterator[Step]:
    """All but the answers and calls that it gets."""
    member = world.members[number]
    for text, after in _moves(protocol, bounds, world, number):
        yield Step("process", f"{member_name(number)} {text}", after)
    if member.writing:
        refused = protocol.fenced and member.writing < world.past.stamp
        after = world.put(number, replace(member, writing=0))
        text = f"{member_name(number)} writes with token {member.writing}"
        if refused:
            yield Step("write", f"{text}, and is refused", after)
        else:
            newest = max(member.writing, world.past.newest)
            yield Step("write", text, after.remembering(stamp=member.writing, newest=newest))


def _moves(protocol: Protocol, bounds: Bounds, world: World, number: int) -> Iterator[tuple[str, World]]:
    member = world.members[number]
    match member.phase:
        case "idle":
            yield from _idle(bounds, world, number)
            yield from adoptions.taking(bounds, world, number)
        case "asking" if "cancel" in bounds.moves:
            yield "is cancelled; the claim goes on, and is to be given back", _cancelled(world, number)
        case "unsure":
            yield from _unsure(protocol, world, number)
        case "waiting":
            yield from _waiting(bounds, world, number)
        case "deaf" if member.since < world.now:
            refresh = Request("refresh", number, member.lease, 0, heard=False)
            deaf = replace(member, since=world.now)
            yield f"refreshes its place {member.lease}", world.put(number, deaf).send(refresh)
        case "holding" if world.now < member.until:
            yield from _holding(bounds, world, number)
            yield from upgrades.moves(bounds, world, number)
            yield from outcomes.moves(protocol, bounds, world, number)
            yield from adoptions.giving(protocol, bounds, world, number)
        case "holding":
            yield "sees that its lease is over", left(world, number)
        case _:
            pass


def _idle(bounds: Bounds, world: World, number: int) -> Iterator[tuple[str, World]]:
    member = world.members[number]
    leases = member.leases + 1
    lease = f"{member_name(number)}.{leases}"
    asking = replace(member, phase="asking", lease=lease, leases=leases, since=world.now)
    if "try" in bounds.moves:
        claim = Request("try", number, lease, world.now, weight=member.weight)
        yield f"asks once: claim {lease} is sent", world.put(number, asking).send(claim)
    if "wait" in bounds.moves:
        claim = Request("wait", number, lease, world.now, weight=member.weight)
        stays = replace(asking, stays=True)
        yield f"asks, and would wait: claim {lease} is sent", world.put(number, stays).send(claim)


def _waiting(bounds: Bounds, world: World, number: int) -> Iterator[tuple[str, World]]:
    member = world.members[number]
    if "ask" in bounds.moves and not world.awaits(number) and member.since < world.now:
        yield "asks how it stands", world.send(_question(world, number))
    refresh = Request("refresh", number, member.lease, 0, heard=False)
    if "refresh" in bounds.moves and refresh not in world.requests:
        yield f"refreshes its place {member.lease}", world.send(refresh)
    if "leave" in bounds.moves:
        yield f"waits no longer, and gives {member.lease} back", left(world, number, release=True)


def _holding(bounds: Bounds, world: World, number: int) -> Iterator[tuple[str, World]]:
    member = world.members[number]
    fresh = member.until - world.now >= TTL - MARGIN
    if "renew" in bounds.moves and not world.awaits(number, member.lease) and not fresh:
        renewal = Request("renew", number, member.lease, world.now, token=member.token)
        yield f"sends a renewal of {member.lease}", world.send(renewal)
    if "release" in bounds.moves:
        released = left(world, number, release=True, keeps=bool(world.lock.at_least))
        yield f"sends the release of {member.lease}", released
    if "write" in bounds.moves and not member.writing and world.weight(member) == world.lock.capacity:
        writing = replace(member, writing=member.token)
        yield "sees that it holds the lock, and is going to write", world.put(number, writing)


def _unsure(protocol: Protocol, world: World, number: int) -> Iterator[tuple[str, World]]:
    member = world.members[number]
    lease = member.lease if protocol.same_lease else f"{member.lease}'"
    since = member.since if protocol.from_first_sending else world.now
    asking = replace(member, phase="asking", lease=lease, since=since)
    claim = Request("wait" if member.stays else "try", number, lease, since, weight=member.weight)
    yield f"repeats its claim: claim {lease} is sent", world.put(number, asking).send(claim)
    yield f"gives up, and gives {member.lease} back", left(world, number, release=True)


def _cancelled(world: World, number: int) -> World:
    """Give back once the claim was carried out: at once, if it was."""
    (claim,) = [request for request in world.requests if request.heard and request.member == number]
    if claim.answer is not None:
        return left(world, number, release=True)
    undone = replace(claim, heard=False, undo=True, since=0)
    return left(world.without(claim), number).send(undone)


def answered(protocol: Protocol, world: World, request: Request) -> Step:
    """The answer arrives."""
    number = request.member
    name = member_name(number)
    member = world.members[number]
    answer = request.answer
    assert answer is not None
    told = world.without(request)
    if base_of(request.lease) is not None:
        return upgrades.answered(told, request, answer)
    if request.kind == "finish" or answer.outcome == "done":
        return outcomes.answered(told, request, answer)
    if answer.token:
        return _granted(protocol, told, request, answer)
    if answer.outcome == "heavy":
        text = f"{name} hears that it asks for more than there is, and gives {request.lease} back"
        return Step("answer", text, left(told, number, release=True))
    if answer.outcome == "waits":
        waiting = replace(member, phase="waiting", stays=False, since=request.since)
        return Step("answer", f"{name} hears that it waits", told.put(number, waiting))
    return Step("answer", f"{name} hears that {request.lease} has nothing", left(told, number))


def _granted(protocol: Protocol, told: World, request: Request, answer: Answer) -> Step:
    """It holds the lock, if there is time left."""
    number = request.member
    name, member = member_name(number), told.members[number]
    until = protocol.until(told.now, request.since, protocol.remaining(request, answer))
    if member.phase == "holding":
        until = max(until, member.until) if told.now < member.until else 0
    if until <= told.now:
        keeps = bool(told.lock.at_least) and member.phase == "holding"
        text = f"{name} hears too late that {request.lease} was granted, and sends its release"
        return Step("answer", text, left(told, number, release=True, keeps=keeps))
    text = f"{name} hears that it holds the lock until {until}"
    return Step("answer", text, _hold(told, number, answer.token, until))


def hearing(protocol: Protocol, bounds: Bounds, world: World, index: int) -> Iterator[Step]:
    """One who waits is called, and makes sure."""
    call = world.calls[index]
    member = world.members[call.member]
    if not member.waits_for(call.lease) or world.awaits(call.member, call.lease):
        return
    name = member_name(call.member)
    told = replace(world, calls=world.calls[:index] + world.calls[index + 1 :])
    if not protocol.makes_sure:
        until = world.now + FIRST - MARGIN
        token = world.primary.token if world.primary is not None else 0
        text = f"{name} is called: it holds the lock until {until}"
        yield Step("call", text, _hold(told, call.member, token, until))
        return
    if world.lock.at_least and protocol.asks_to_keep:
        yield Step("call", f"{name} is called, and asks", told.send(_question(world, call.member)))
        return
    look = Request("look", call.member, call.lease, world.now, safe=call.safe or not protocol.after_write)
    yield Step("call", f"{name} is called, and reads whether that is so", told.send(look))
    if world.failures < bounds.failures:
        again = replace(world, failures=world.failures + 1).send(look)
        yield Step("call", f"{name} is called, reads whether that is so, and will be called again", again)


def looks_again(request: Request) -> tuple[Call, ...]:
    """One who has lost the answer to a question, or to a look, looks soon: as if it were called."""
    if request.kind == "look" or (request.kind == "ask" and (request.keeps or request.answer is not None)):
        return (Call(request.member, request.lease, request.safe),)
    return ()


def _question(world: World, number: int) -> Request:
    return Request("ask", number, world.members[number].lease, world.now, keeps=bool(world.lock.at_least))


def _hold(world: World, number: int, token: int, until: int) -> World:
    member = world.members[number]
    since = member.since if member.phase == "holding" else 0
    holding = replace(member, phase="holding", stays=False, since=since, token=token, until=until)
    calls = tuple(call for call in world.calls if (call.member, call.lease) != (number, member.lease))
    return replace(world.put(number, holding), calls=calls).believing(number)

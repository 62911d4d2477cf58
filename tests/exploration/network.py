"""What becomes of a request: it is carried out, answered, or its answer is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .bounds import Bounds
from .leaving import left, withdrawal
from .process import answered, looks_again
from .protocol import Protocol
from .step import Step
from .world import Answer, Call, Request, World

WHAT = {
    "try": "claim",
    "wait": "claim",
    "ask": "question",
    "look": "read",
    "refresh": "refresh",
    "renew": "renewal",
    "release": "release",
    "upgrade": "upgrade",
    "downgrade": "downgrade",
    "finish": "end",
    "adopt": "adoption",
    "resize": "resize",
}


def steps(protocol: Protocol, bounds: Bounds, world: World, index: int) -> Iterator[Step]:
    request = world.requests[index]
    failures_left = world.failures < bounds.failures
    if request.kind == "look" and request.answer is None:
        if request.safe:
            yield _reading(protocol, world, request)
    elif request.answer is None:
        yield _arrival(protocol, world, request)
        if failures_left and request.kind in {"release", "finish"}:
            yield _arrival(protocol, world, request, again=True)
    elif request.safe or not protocol.majority:
        yield answered(protocol, world, request)
    if failures_left and request.heard:
        fate = "on its way, is given up" if request.answer is None else "carried out, loses its answer"
        after = unknown(replace(world, failures=world.failures + 1), request)
        yield Step("loss", f"{described(request)}, {fate}", after)


def described(request: Request) -> str:
    if request.kind == "resize":
        return f"the resize to {request.weight}"
    return f"the {WHAT[request.kind]} of {request.old or request.lease}"


def unknown(world: World, request: Request) -> World:
    """Its member learns that it does not know the outcome. What is on its way may arrive all the same."""
    rest = world.without(request).call(*looks_again(request))
    if request.kind == "look":
        return rest
    if request.answer is None:
        rest = replace(rest, requests=(*rest.requests, replace(request, heard=False, since=0)))
    member = world.members[request.member]
    if request.kind in {"finish", "adopt"}:
        return left(rest, request.member, release=True)
    if request.kind == "upgrade":
        return rest.put(request.member, replace(member, rise="unsure"))
    if request.kind == "downgrade":
        return rest.put(request.member, replace(member, rise="owed"))
    if member.phase == "asking":
        return rest.put(request.member, replace(member, phase="unsure"))
    return rest


def _arrival(protocol: Protocol, world: World, request: Request, *, again: bool = False) -> Step:
    document, told = protocol.change(world, request)
    # Whoever hears the answer needs no call. Of a question that nobody listens to any more, looks tell.
    granted = [lease for lease in told if not (request.heard and lease == request.lease)]
    answer = protocol.answer(world, document, request)
    after = world.without(request) if not again else replace(world, failures=world.failures + 1)
    rest = after.requests
    if again:
        pass  # its answer is that of the repetition
    elif request.heard:
        rest = (*rest, replace(request, answer=answer))
    elif request.undo:
        rest = (*rest, withdrawal(request.member, request.lease))
    promoted = [(holder.upgrade or holder.lease, holder) for holder in document.holders] if document else []
    after = replace(after, primary=document, requests=rest).call(*_calls(world, granted))
    text = f"{described(request)} is carried out{_outcome(request, answer)}"
    text += "".join(
        f"; {lease} is granted, token {holder.token}" for lease, holder in promoted if lease in granted
    )
    if again:
        text += ", and the driver is going to repeat it"
    return Step("arrival", text, after, request)


def _reading(protocol: Protocol, world: World, request: Request) -> Step:
    """Of what a majority has."""
    answer = protocol.answer(world, world.committed, request)
    after = world.without(request).send(replace(request, answer=answer, safe=True))
    return Step("arrival", f"{described(request)} is carried out{_outcome(request, answer)}", after)


def _calls(world: World, granted: list[str]) -> Iterator[Call]:
    for number, member in enumerate(world.members):
        yield from (Call(number, lease) for lease in (member.lease, member.upgrade) if lease in granted)


def _outcome(request: Request, answer: Answer) -> str:
    if request.kind in {"refresh", "release", "downgrade", "resize"}:
        return ""
    if answer.outcome == "done":
        return ": it is done"
    if request.kind == "finish":
        return ": it is not done"
    if answer.token:
        return f": granted, token {answer.token}"
    return ": it waits" if answer.outcome in {"waits", "heavy"} else ": no grant"

"""What must be true of every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mongolock_async._memory.entry import Entry

from .newcomer import Newcomers
from .step import Step
from .world import World, live


@dataclass(frozen=True, slots=True)
class Property:
    """``holds``: whether a step from this world keeps it. ``once``: asked once a state, not at each step."""

    name: str
    holds: Callable[[Newcomers, World, Step], bool]
    once: bool = False


def _one_believes(_: Newcomers, _before: World, step: Step) -> bool:
    return len(step.after.believers) <= 1


def _tokens_grow(_: Newcomers, before: World, step: Step) -> bool:
    known = {member.lease for member in before.members if member.phase == "holding"}
    return all(member.lease in known or member.token > before.believed for member in step.after.believers)


def _leaves_others_alone(_: Newcomers, before: World, step: Step) -> bool:
    request = step.request
    if request is None or before.primary is None:
        return True
    assert step.after.primary is not None
    held = live(before.primary.holders, before.clock)
    after = live(step.after.primary.holders, before.clock)
    if request.kind in {"ask", "refresh", "renew", "release"}:
        known = {entry.lease for entry in held + live(before.primary.queue, before.clock)}
        if any(entry.lease == request.lease and entry.lease not in known for entry in after):
            return False
    return all(entry in after for entry in held if entry.lease != request.lease)


def _believed_is_stored(_: Newcomers, _before: World, step: Step) -> bool:
    document = step.after.primary
    stored = {(entry.lease, entry.token) for entry in document.holders} if document is not None else set()
    return all((member.lease, member.token) in stored for member in step.after.believers)


def _newest_write_stands(_: Newcomers, _before: World, step: Step) -> bool:
    return step.after.stamp == step.after.newest


def _in_order(_: Newcomers, before: World, step: Step) -> bool:
    request = step.request
    if request is None or before.primary is None:
        return True
    assert step.after.primary is not None
    held = {entry.lease for entry in live(before.primary.holders, before.clock)}
    granted = {entry.lease for entry in live(step.after.primary.holders, before.clock)} - held
    waited = [entry.lease for entry in live(before.primary.queue, before.clock)]
    if request.kind == "release":
        waited = [lease for lease in waited if lease != request.lease]
    return granted <= set(waited[:1]) or not waited


def _free_is_granted(_: Newcomers, before: World, step: Step) -> bool:
    document = step.after.primary
    if step.request is None or document is None or step.request.kind in {"refresh", "renew"}:
        return True
    return bool(live(document.holders, before.clock)) or not live(document.queue, before.clock)


def _can_be_had(newcomers: Newcomers, _: World, step: Step) -> bool:
    return newcomers.served(step.after)


def _one_lease_a_claim(_: Newcomers, _before: World, step: Step) -> bool:
    document = step.after.primary
    if step.request is None or document is None:
        return True
    claims = [entry.lease.rstrip("'") for entry in document.holders + document.queue]
    return len(set(claims)) == len(claims)


def _not_shortened(_: Newcomers, before: World, step: Step) -> bool:
    return all(old.expires <= new.expires for old, new in _both(before, step))


def _deaf_do_no_harm(newcomers: Newcomers, _: World, step: Step) -> bool:
    return newcomers.served(step.after, deaf=True)


def _both(before: World, step: Step) -> list[tuple[Entry, Entry]]:
    """The live holders, before and after a request."""
    if step.request is None or before.primary is None or step.after.primary is None:
        return []
    after = {(entry.lease, entry.token): entry for entry in step.after.primary.holders}
    held = live(before.primary.holders, before.clock)
    return [(entry, after[key]) for entry in held if (key := (entry.lease, entry.token)) in after]


def _granted_are_told(_: Newcomers, _before: World, step: Step) -> bool:
    world = step.after
    if world.primary is None:
        return True
    held = {entry.lease for entry in live(world.primary.holders, world.clock)}
    called = {call.lease for call in world.calls}
    return all(
        member.lease in called or world.awaits(number)
        for number, member in enumerate(world.members)
        if member.phase == "waiting" and member.lease in held
    )


ONE_BELIEVES = Property("at most one member believes that it holds the lock", _one_believes)
TOKENS_GROW = Property("whoever believes has a greater token than all who believed before", _tokens_grow)
OTHERS_ALONE = Property("no request touches a lease but its own, or revives one", _leaves_others_alone)
IS_STORED = Property("a grant that is believed in is stored, whatever fails", _believed_is_stored)
NEWEST_STANDS = Property("no write with an older token follows one with a newer", _newest_write_stands)
IN_ORDER = Property("those who wait are served in the order of the queue", _in_order)
FREE_IS_GRANTED = Property("no one waits for a lock that is free", _free_is_granted)
CAN_BE_HAD = Property("whoever has died, one who comes and asks gets the lock", _can_be_had, once=True)
ONE_LEASE = Property("a claim has one lease, however often it is sent", _one_lease_a_claim)
NOT_SHORTENED = Property("no live lease is shortened", _not_shortened)
DEAF_DO_NO_HARM = Property(
    "whoever waits and hears nothing, one who comes and asks gets the lock", _deaf_do_no_harm, once=True
)
ARE_TOLD = Property("whoever waits and is granted the lock has something under way to it", _granted_are_told)

PROPERTIES = (
    ONE_BELIEVES,
    TOKENS_GROW,
    OTHERS_ALONE,
    IS_STORED,
    NEWEST_STANDS,
    IN_ORDER,
    FREE_IS_GRANTED,
    CAN_BE_HAD,
    ONE_LEASE,
    NOT_SHORTENED,
    DEAF_DO_NO_HARM,
    ARE_TOLD,
)

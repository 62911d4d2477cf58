"""What must be true of every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mongolock_async._memory.entry import Entry
from mongolock_async._protocol.kind import base_of

from .newcomer import Newcomers
from .step import Step
from .stored import live
from .world import World


@dataclass(frozen=True, slots=True)
class Property:
    """``holds``: whether a step from this world keeps it. ``once``: asked once a state, not at each step."""

    name: str
    holds: Callable[[Newcomers, World, Step], bool]
    once: bool = False


def _one_believes(_: Newcomers, _before: World, step: Step) -> bool:
    world = step.after
    return sum(map(world.weight, world.believers)) <= world.lock.capacity


def _tokens_grow(_: Newcomers, before: World, step: Step) -> bool:
    """One that is upgraded once more has the token that it had, and one that goes on with a lease has its."""
    known = {member.lease for member in before.alone}
    return all(
        member.lease in known
        or member.token > before.past.believed
        or (
            member.token == before.past.believed
            and (member.rise == "up" or member.token == before.past.text[1])
        )
        for member in step.after.alone
    )


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
    mine = request.old or base_of(request.lease) or request.lease
    others = list(map(_but_for_upgrades, after))
    return all(_but_for_upgrades(entry) in others for entry in held if entry.lease != mine)


def _believed_is_stored(_: Newcomers, _before: World, step: Step) -> bool:
    world, document = step.after, step.after.primary
    stored = {(entry.lease, entry.token): entry.weight for entry in document.holders} if document else {}
    return all(
        stored.get((member.lease, member.token), 0) >= world.weight(member) for member in world.believers
    )


def _newest_write_stands(_: Newcomers, _before: World, step: Step) -> bool:
    return step.after.past.stamp == step.after.past.newest


def _in_order(_: Newcomers, before: World, step: Step) -> bool:
    """Those who are granted stood at the front, next to each other; a newcomer stands behind all others."""
    request = step.request
    if request is None or before.primary is None:
        return True
    assert step.after.primary is not None
    granted = _granted(before, step)
    bases = {None, *(entry.lease for entry in live(step.after.primary.holders, before.clock))}
    waited = [entry.lease for entry in live(before.primary.queue, before.clock) if entry.base in bases]
    if request.kind in {"release", "downgrade"}:
        waited = [lease for lease in waited if lease != request.lease]
    if request.kind == "upgrade" and request.lease not in waited and base_of(request.lease) in bases:
        waited = [request.lease, *waited]
    among = granted & set(waited)
    return among == set(waited[: len(among)]) and (among == granted or len(among) == len(waited))


def _free_is_granted(_: Newcomers, before: World, step: Step) -> bool:
    document = step.after.primary
    if step.request is None or document is None or step.request.kind in {"refresh", "renew", "adopt"}:
        return True
    queue = live(document.queue, before.clock)
    held = sum(entry.weight for entry in live(document.holders, before.clock))
    return not queue or held + queue[0].weight > document.capacity


def _can_be_had(newcomers: Newcomers, _: World, step: Step) -> bool:
    return newcomers.served(step.after)


def _one_lease_a_claim(_: Newcomers, _before: World, step: Step) -> bool:
    document = step.after.primary
    if step.request is None or document is None:
        return True
    claims = [entry.lease.rstrip("'") for entry in document.holders + document.queue if entry.lease]
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


def _granted_are_told(_: Newcomers, before: World, step: Step) -> bool:
    world = step.after
    if world.primary is None:
        return True
    concerned = _ids(world.primary.holders, world.clock)
    if world.primary.kind == "done" and before.primary is not None:
        concerned |= {entry.lease for entry in live(before.primary.queue, before.clock)}
    called = {call.lease for call in world.calls}
    return all(
        lease in called or world.awaits(number, lease)
        for number, member in enumerate(world.members)
        for lease in (member.lease, member.upgrade)
        if lease in concerned and member.waits_for(lease)
    )


def _upgrades_first(_: Newcomers, _before: World, step: Step) -> bool:
    document = step.after.primary
    return document is None or all(place.base is None for place in document.queue[1:])


def _upgrades_have_leases(_: Newcomers, before: World, step: Step) -> bool:
    document = step.after.primary
    if step.request is None or document is None or step.request.kind in {"refresh", "renew"}:
        return True
    held = {entry.lease for entry in live(document.holders, before.clock)}
    bases = [base_of(entry.lease) for entry in document.holders + document.queue]
    return all(base is None or base in held for base in bases)


def _kept(_: Newcomers, before: World, step: Step) -> bool:
    return before.clock >= before.past.kept or not _granted(before, step)


def _once(_: Newcomers, _before: World, step: Step) -> bool:
    return not step.after.past.done or not step.after.believers


def _worked(_: Newcomers, _before: World, step: Step) -> bool:
    return step.after.past.worked or not step.after.past.done


def _one_grant_each(_: Newcomers, _before: World, step: Step) -> bool:
    believers = step.after.believers
    return len({member.token for member in believers}) == len(believers)


def _fits(_: Newcomers, before: World, step: Step) -> bool:
    document = step.after.primary
    if document is None:
        return True
    held = sum(entry.weight for entry in live(document.holders, before.clock))
    return held <= document.capacity or not _granted(before, step)


def _granted(before: World, step: Step) -> set[str]:
    """The leases, and upgrades, that a request was granted, or another one by it."""
    if step.request is None or step.after.primary is None:
        return set()
    held = set() if before.primary is None else _ids(before.primary.holders, before.clock)
    adopted = {step.request.lease} if step.request.kind == "adopt" else set()
    return _ids(step.after.primary.holders, before.clock) - held - adopted


def _ids(holders: Sequence[Entry], clock: int) -> set[str]:
    """Of leases, and of upgrades."""
    return {one for entry in live(tuple(holders), clock) for one in (entry.lease, entry.upgrade) if one}


def _but_for_upgrades(entry: Entry) -> Entry:
    """Which any command may grant."""
    return replace(entry, upgrade=None, weight=0)


ONE_BELIEVES = Property(
    "at most one member believes that it holds the lock, or as many as fit into it", _one_believes
)
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
ARE_TOLD = Property(
    "whoever waits and is granted the lock, or need not wait, has something under way to it",
    _granted_are_told,
)
UPGRADES_FIRST = Property("an upgrade waits for those who hold the lock alone", _upgrades_first)
UPGRADES_HAVE_LEASES = Property("no upgrade outlives its lease", _upgrades_have_leases)
KEPT = Property("a name that is to stay taken is granted to nobody before that is over", _kept)
ONCE = Property("what somebody was told is done, nobody does", _once)
WORKED = Property("nobody is told that it is done before somebody has done it", _worked)
ONE_GRANT_EACH = Property("no two believe by one grant", _one_grant_each)
FITS = Property("what is granted fits into the capacity that there is then", _fits)

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
    UPGRADES_FIRST,
    UPGRADES_HAVE_LEASES,
    KEPT,
    ONCE,
    WORKED,
    ONE_GRANT_EACH,
    FITS,
)

"""The decisions of the protocol. As they stand here they are right; a mutation takes another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mongolock_async._memory import adoption, answers, once, sharing
from mongolock_async._memory.document import Document

from .stored import Stored, freeze, live
from .world import FIRST, MARGIN, RETENTION, TICK, TTL, Answer, Request, World

# The command that is carried out.
BY = "by"
# Of one who waits.
LIFE: dict[str, Any] = {"ttl": TTL * TICK, "first": FIRST * TICK}


@dataclass(frozen=True, slots=True)
class Protocol:
    """What decides. The document's part is the package's own, which the real server is tested against."""

    document: type[Document] = Document
    upgrade: Callable[..., None] = sharing.upgrade
    downgrade: Callable[..., None] = sharing.downgrade
    resize: Callable[..., None] = sharing.resize
    finish: Callable[..., None] = once.finish
    adopt: Callable[..., None] = adoption.adopt
    # Claims and renewals are answered when a majority has them.
    majority: bool = True
    # Whoever is called makes sure by a read,
    makes_sure: bool = True
    # which is answered when a majority has the write that has granted,
    after_write: bool = True
    # and believes for the time that the server says is left.
    first_life: bool = True
    # Expiry is judged by the primary's clock.
    server_clock: bool = True
    # A deadline counts from before the request, less the margin.
    from_sending: bool = True
    # A claim whose answer was lost is repeated under the same lease id,
    same_lease: bool = True
    # and counts from its first sending and by what the server says is left.
    from_first_sending: bool = True
    # An idle document stays until its last token is older than a tick and this many more.
    retention: int = RETENTION
    # Whoever is called asks, if its name is to stay taken.
    asks_to_keep: bool = True
    # The end of what is done once is the end of the lease, in one command.
    one_end: bool = True
    # Whoever has exported its lease holds it no more.
    giver_stops: bool = True
    # The resource refuses older tokens.
    fenced: bool = True

    def clock(self, world: World, request: Request) -> int:
        """The time by which the request is judged, in milliseconds."""
        if self.server_clock:
            return world.clock
        return (world.now + world.members[request.member].offset) * TICK

    def change(self, world: World, request: Request) -> tuple[Stored | None, list[str]]:
        """The primary's document after it, and the leases that its answer says it has granted."""
        clock = self.clock(world, request)
        if world.primary is None and request.kind not in {"try", "wait"}:
            return None, []
        document = self.document() if world.primary is None else world.primary.thaw(self.document)
        match request.kind:
            case "try" | "wait":
                self._claim(document, clock, world, request)
            case "upgrade":
                self.upgrade(document, clock, request.lease, owner="", **LIFE, by=BY)
            case "downgrade":
                self.downgrade(document, clock, request.lease, by=BY)
            case "ask":
                document.ask(clock, request.lease, by=BY, keeps=request.keeps)
            case "refresh":
                document.refresh(clock, request.lease)
            case "renew":
                document.renew(clock, request.lease, request.token)
            case "release":
                document.release(clock, request.lease, by=BY, keeps=request.keeps)
            case "finish":
                self.finish(document, clock, request.lease, request.token, by=BY)
            case "adopt":
                self.adopt(document, clock, request.old, request.token, request.lease)
            case "resize":
                self.resize(document, clock, request.weight, by=BY)
            case "look":
                pass
        return freeze(document), self._told(document, request)

    def _claim(self, document: Document, clock: int, world: World, request: Request) -> None:
        asked: dict[str, Any] = {"owner": "", "by": BY, "at_least": world.lock.at_least * TICK or None}
        asked["size"] = world.size(request.weight)
        if request.kind == "try":
            document.claim(clock, request.lease, ttl=TTL * TICK, **asked)
        else:
            document.queue_up(clock, request.lease, **LIFE, ear=None, **asked)

    def _told(self, document: Document, request: Request) -> list[str]:
        match request.kind:
            case "refresh" | "renew":
                return []
            case "finish":
                _, called = once.finished(document, request.lease, BY)
            case "resize":
                called = answers.resized(document, BY)["granted"]
            case _:
                called = answers.granted(document, BY)
        return [one["lease"] for one in called]

    def answer(self, world: World, document: Stored | None, request: Request) -> Answer:
        """What the server says, having made this document of it."""
        if document is None:
            return Answer()
        if request.kind == "finish":
            return Answer(outcome="done" if document.done_by == request.lease else "nothing")
        clock = self.clock(world, request)
        for entry in document.holders:
            if entry.expires > clock and entry.is_of(request.lease) and request.token in {0, entry.token}:
                return Answer(entry.token or 0, (entry.expires - clock) // TICK)
        for entry in live(document.queue, clock):
            if entry.lease == request.lease:
                return Answer(outcome="waits" if entry.weight <= document.capacity else "heavy")
        return Answer(outcome="done" if document.kind == "done" else "nothing")

    def remaining(self, request: Request, answer: Answer) -> int:
        """What an answer lets its member count on."""
        if not self.from_first_sending or (request.kind == "look" and not self.first_life):
            return TTL
        return answer.remaining

    def until(self, now: int, since: int, remaining: int) -> int:
        """When a grant stops to be believed in."""
        return since + remaining - MARGIN if self.from_sending else now + TTL

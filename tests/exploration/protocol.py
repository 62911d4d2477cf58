"""The decisions of the protocol. As they stand here they are right; a mutation takes another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mongolock_async._memory import sharing
from mongolock_async._memory.document import Document

from .world import FIRST, MARGIN, RETENTION, TICK, TTL, Answer, Request, Stored, World, freeze, live

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
    # The resource refuses older tokens.
    fenced: bool = True

    def clock(self, world: World, request: Request) -> int:
        """The time by which the request is judged, in milliseconds."""
        if self.server_clock:
            return world.clock
        return (world.now + world.members[request.member].offset) * TICK

    def change(self, world: World, request: Request) -> tuple[Stored | None, list[str]]:
        """The primary's document after it, and the leases that its answer says it has granted."""
        clock, size = self.clock(world, request), world.size(request.weight)
        if world.primary is None:
            if request.kind not in {"try", "wait"}:
                return None, []
            document = self.document()
        else:
            document = world.primary.thaw(self.document, size)
        match request.kind:
            case "try":
                document.claim(clock, request.lease, owner="", ttl=TTL * TICK, by=BY, size=size)
            case "wait":
                document.queue_up(clock, request.lease, owner="", **LIFE, ear=None, by=BY, size=size)
            case "upgrade":
                self.upgrade(document, clock, request.lease, owner="", **LIFE, by=BY)
            case "downgrade":
                self.downgrade(document, clock, request.lease, by=BY)
            case "ask":
                document.ask(clock, request.lease, by=BY)
            case "refresh":
                document.refresh(clock, request.lease)
            case "renew":
                document.renew(clock, request.lease, request.token)
            case "release":
                document.release(clock, request.lease, by=BY)
            case "look":
                pass
        granted = [holder.upgrade or holder.lease for holder in document.holders if holder.by == BY]
        return freeze(document), granted if request.kind not in {"refresh", "renew"} else []

    def answer(self, world: World, document: Stored | None, request: Request) -> Answer:
        """What the server says, having made this document of it."""
        if document is None:
            return Answer()
        clock = self.clock(world, request)
        for entry in live(document.holders, clock):
            if entry.is_of(request.lease) and request.token in {0, entry.token}:
                return Answer(entry.token or 0, (entry.expires - clock) // TICK)
        return Answer(waits=any(entry.lease == request.lease for entry in live(document.queue, clock)))

    def remaining(self, request: Request, answer: Answer) -> int:
        """What an answer lets its member count on."""
        if not self.from_first_sending or (request.kind == "look" and not self.first_life):
            return TTL
        return answer.remaining

    def until(self, now: int, since: int, remaining: int) -> int:
        """When a grant stops to be believed in."""
        return since + remaining - MARGIN if self.from_sending else now + TTL

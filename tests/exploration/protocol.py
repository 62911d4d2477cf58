"""The decisions of the protocol. As they stand here they are right; a mutation takes another one."""

from __future__ import annotations

from dataclasses import dataclass

from mongolock_async._memory.document import Document

from .world import MARGIN, RETENTION, TICK, TTL, Answer, Request, Stored, World, freeze


@dataclass(frozen=True, slots=True)
class Protocol:
    """What decides. The document's part is the package's own, which the real server is tested against."""

    document: type[Document] = Document
    # Claims and renewals are answered when a majority has them.
    majority: bool = True
    # Promotions are told when a majority has them.
    committed_calls: bool = True
    # Expiry is judged by the primary's clock.
    server_clock: bool = True
    # A deadline counts from before the request, less the margin.
    from_sending: bool = True
    # A claim whose answer was lost is repeated under the same lease id,
    same_lease: bool = True
    # and counts from its first sending and by what the server says is left.
    from_first_sending: bool = True
    # A call is believed only if its token is newer than the holders in the last answer.
    newer_calls: bool = True
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
        """The primary's document after it, and the leases that others were granted by it."""
        clock = self.clock(world, request)
        if world.primary is None:
            if request.kind not in {"try", "wait"}:
                return None, []
            document = self.document()
        else:
            document = world.primary.thaw(self.document)
        match request.kind:
            case "try" | "wait":
                wait = request.kind == "wait"
                document.claim(clock, request.lease, owner="", ttl=TTL * TICK, wait=wait)
            case "ask":
                document.renew(clock, request.lease, request.lease)
            case "renew":
                document.renew(clock, request.lease)
            case "release":
                document.release(clock, request.lease)
        return freeze(document), document.granted

    def answer(self, world: World, document: Stored | None, request: Request) -> Answer:
        """What the server says, having made this document of it."""
        if document is None:
            return Answer()
        for entry in document.holders:
            if entry.lease == request.lease:
                left = (entry.expires - self.clock(world, request)) // TICK
                return Answer(entry.token or 0, left)
        waits = any(entry.lease == request.lease for entry in document.queue)
        return Answer(waits=waits, newest=max((entry.token or 0 for entry in document.holders), default=0))

    def until(self, now: int, since: int, remaining: int) -> int:
        """When a grant stops to be believed in."""
        return since + remaining - MARGIN if self.from_sending else now + TTL

"""One repository in one process: it takes leases, keeps them, and releases them."""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextvars import Context

from mongolock_async._errors import LockError
from mongolock_async._protocol.kind import described
from mongolock_async._protocol.reply import Reply, View
from mongolock_async._protocol.request import Request

from . import clock as clocks
from .abandoned import Abandoned
from .adoption import Adoption
from .backend import Backend, Renewer
from .background import Background, report
from .caller import Caller, TimeUp
from .clock import Clock
from .holding import EXPIRED, EXPORTED, FORCED, NO_LOSS, RELEASED, Holding
from .leases import Leases
from .lifetime import Lifetime
from .listeners import Listeners
from .once import Once
from .proclamations import Proclamations
from .reports import Left
from .told import story_of
from .upgrades import Upgrades
from .verification import Verification
from .waiting import Waiting

logger = logging.getLogger("mongolock_async")

ONE = "release of %r was not confirmed; the lease expires by itself"
MANY = "%d releases of %s were not confirmed; the leases expire by themselves"
# Whoever leaves a block waits so many seconds, at most, for the server's word on the release.
WORD = 1.0
# Closing stops waiting after this part of its timeout, to be over in time also where the loop is busy.
IN_TIME = 0.9
# What it sends is given up so many seconds earlier: without a server, PyMongo sees a deadline up to half a
# second late. When a loop ends, asyncio cancels what is left, and that may lock PyMongo's client for ever.
LATE = 0.7
# But each command has at least so many seconds.
NOT_BEFORE = 0.5


class Member:
    """The leases and the waiters of one repository; its id is the prefix of all their lease ids.

    Args:
        backend: where the locks are.
        renewals: what renews leases; ``backend``, or the same collection by another client.
        clock: by which deadlines are judged.
        clock_margin: seconds by which a holder gives up before the server does; None: the default.
        listeners: who is told what happens; they have the same clock.
    """

    def __init__(
        self,
        backend: Backend,
        renewals: Renewer,
        clock: Clock,
        clock_margin: float | None,
        listeners: Listeners,
    ) -> None:
        self.id = secrets.token_hex(8)
        self.clock = clock
        self.listeners = listeners
        self.background = Background()
        self.lifetime = Lifetime(backend, renewals, self.background, clock)
        self.leases = Leases(self.id, backend, renewals, self.background, clock, clock_margin)
        self.abandoned = Abandoned(self.leases.keep_alive, self.lifetime)
        self.waiting = Waiting(self.id, backend, self.leases, self.background, clock, self.lifetime)
        self.upgrades = Upgrades(
            backend, self.leases, self.waiting, self.background, clock, self.lifetime, listeners
        )
        self.adoption = Adoption(backend, self.leases, self.background, clock, self.lifetime, listeners)
        self.verification = Verification(backend, self.leases, self.lifetime)
        self.proclamations = Proclamations(backend, self.background, self.lifetime)
        self.once = Once(backend, self.leases, self.waiting, self.background, self.lifetime)
        self._backend = backend
        self._renewals = renewals
        self._unconfirmed = Left(clock, ONE, MANY)
        self._closing: asyncio.Task[None] | None = None

    async def claim(self, request: Request) -> tuple[Holding | None, Reply]:
        """Ask once, as a call of its own."""
        self.lifetime.check()
        story = story_of(self.listeners, request)
        holding, reply = await story.of(self.ask(request))
        if holding is None:
            story.refused()
        else:
            story.granted(holding, reply)
        return holding, reply

    async def ask(self, request: Request) -> tuple[Holding | None, Reply]:
        """Ask once. A caller that is cancelled meanwhile gets nothing, and leaves nothing behind."""
        await self.lifetime.begin()
        lease_id = self.leases.new_id()
        task = self.background.spawn(self.leases.claim(request, lease_id))
        try:
            sent, reply = await asyncio.shield(task)
        except asyncio.CancelledError:
            self.background.spawn(self.leases.undo(request, lease_id, task))
            raise
        holding = None if reply.grant is None else self.leases.hold(request, lease_id, sent, reply.grant)
        return holding, reply

    async def acquire(self, request: Request, timeout: float | None, began: float | None = None) -> Holding:
        """Wait until the lock is ours; with a timeout of 0, ask once.

        ``began``: the time from which on the timeout counts; None: now.
        """
        self.lifetime.check()
        story = story_of(self.listeners, request)
        caller = Caller(request, timeout, self.clock, began, story=story)
        if timeout == 0:
            holding = await story.of(self.waiting.others.in_time(caller, self._once(caller)))
        else:
            holding = await story.of(self.waiting.acquire(caller))
        story.granted(holding)
        return holding

    async def release(self, holding: Holding) -> bool:
        """Whether it was still ours: one answer for all who ask. It is not held from here on, in any case."""
        release = holding.releasing
        if holding.ended == EXPORTED:
            return False
        if release is None or not _answered(release):
            self.lifetime.check_place()
            if release is None or release.done():  # not tried yet, or in vain
                holding.end(RELEASED)
                release = self.background.spawn(self._release(holding))
                holding.releasing = release
                holding.story.ends_with(release)
        return await asyncio.shield(release)

    async def release_within(self, holding: Holding, seconds: float) -> bool | None:
        """As ``release``; None: no word of the server in time. The release goes on in the background then."""
        try:
            async with clocks.timeout(self.clock, seconds):
                return await self.release(holding)
        except (TimeoutError, LockError):
            if seconds > 0:
                self._unconfirmed.add(holding.name)
            return None

    async def end(self, holding: Holding) -> str | None:
        """Release it at the end of a block, if that was not done; why it was lost, or None."""
        if holding.ended in NO_LOSS:
            return None
        lost, held = holding.ended, holding.held
        released = await self.release_within(holding, min(holding.left, WORD))
        if lost is None and (released is False or (released is None and not held)):
            lost = FORCED if released is False and held else EXPIRED
        return lost

    async def renew(self, holding: Holding, ttl: float | None = None) -> bool:
        """Whether it is still ours, now for its whole ttl, or for another one."""
        self.lifetime.check()
        return holding.ended is None and await self.background.finish(self.leases.renew(holding, ttl))

    async def view(self, name: str) -> View | None:
        """A lock as it looks now; None: it has no document."""
        self.lifetime.check()
        return await self.background.finish(self._backend.view(name))

    async def locked(self, request: Request) -> bool:
        """Whether a claim would be refused now."""
        lock = await self.view(request.name)
        return lock is not None and request.is_refused_by(lock)

    async def resize(self, name: str, capacity: int) -> None:
        """Give a semaphore another capacity."""
        await self.lifetime.begin()
        reply = await self.background.finish(self._backend.resize(name, capacity))
        if reply.kind not in {None, "semaphore"}:
            raise LockError(f"{name!r} is in use as {described(reply.kind, reply.capacity)}")

    async def aclose(self, timeout: float | None) -> None:
        """Stop renewing, release what is held, and wait for what is under way.

        After the timeout, what is not done yet goes on in the background.
        """
        self.lifetime.check_place()
        self.lifetime.close()
        with self.leases.blocks.undisturbed():
            if self._closing is None:
                if timeout is not None:
                    self._backend.hurry(max(IN_TIME * timeout - LATE, NOT_BEFORE))
                self.leases.close()
                # A caller that is cancelled does not stop it half-way.
                self._closing = asyncio.create_task(self._close(), context=Context())
                self._closing.add_done_callback(report)
            await asyncio.wait([self._closing], timeout=None if timeout is None else IN_TIME * timeout)
        if not self._closing.done():
            logger.warning(
                "closing goes on after %g s; commands without an answer: %d; what is not released expires",
                timeout,
                len(self.background),
            )

    async def _once(self, caller: Caller) -> Holding:
        """Ask once, as a wait whose time is up then."""
        async with caller.until_answered():
            holding, reply = await self.ask(caller.request)
        if holding is not None:
            return holding
        self.waiting.others.see(caller.request.name, reply, caller.request.size)
        raise TimeUp

    async def _close(self) -> None:
        await self.waiting.aclose()
        await self.background.drain()
        self.leases.close()  # what claims have got that were under way
        await self.leases.blocks.ended(self.clock)
        await self.leases.keep_alive.aclose()
        await self.background.drain()
        self.leases.withdrawals.end()
        self._unconfirmed.end()
        await self._backend.aclose()
        if self._renewals is not self._backend:
            await self._renewals.aclose()

    async def _release(self, holding: Holding) -> bool:
        """Those who wait elsewhere come first; where there are none, our own next hears by the answer."""
        if giver := self.waiting.take_over(holding):
            was_held = await giver.released
            return holding.let_go if was_held is None else was_held
        places = self.waiting.places(holding.name)
        alone = places and places[0].keep_alive and not self.waiting.others.crowded(holding.name)
        waiter = places[0] if alone else None
        back = [place.id for place in places] if holding.exclusive else []
        sent = self.clock.now()
        waiter_id = None if waiter is None else waiter.id
        how = {"mutex": holding.request.mutex, "keeps": holding.keeps}
        was_held, reply = await self._backend.release(
            holding.name, holding.id, back, waiter_id, token=holding.fencing_token, **how
        )
        if waiter is not None and reply is not None and reply.grant is not None:
            waiter.granted(sent, reply.grant)
        self.waiting.released(holding.name)
        return holding.let_go if was_held is None else was_held


def _answered(task: asyncio.Task[bool]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None

"""The renewal loop in a thread. Threads have no virtual time: loops are real, and nobody counts seconds."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from functools import partial

import pytest
from diary import Diary
from renewals import Kept
from support import until

from mongolock_async._engine import renewal_thread
from mongolock_async._engine.clock import SystemClock
from mongolock_async._engine.holding import EXPIRED, FORCED, Holding
from mongolock_async._engine.listeners import Listeners
from mongolock_async._engine.renewable import Renewable
from mongolock_async._engine.renewal_thread import RenewalThread
from mongolock_async._engine.told import story_of
from mongolock_async._protocol.request import Request

# Long enough for a machine that is busy; a renewal comes after a third of it.
TTL = 1.5
caller: ContextVar[str] = ContextVar("caller", default="nobody")


class Server:
    """What the thread renews by.

    Attributes:
        renewed: the ids of each renewal.
        threads: where they were made.
        gone: the lease ids that do not stand any more.
        hold: while it is set, renewals take for ever.
        inside: how many are under way.
        revived: what was said to be revived, and in which thread.
    """

    def __init__(self) -> None:
        ways = {kind: partial(self.renew, kind) for kind in ("lease", "first", "place")}
        self.clock = SystemClock()
        self.thread = RenewalThread(ways, self.clock, self.revive)
        self.renewed: list[set[str]] = []
        self.threads: set[threading.Thread] = set()
        self.callers: set[str] = set()
        self.gone: set[str] = set()
        self.hold = threading.Event()
        self.inside = 0
        self.revived: list[tuple[Renewable, threading.Thread]] = []

    async def renew(self, kind: str, leases: Sequence[Holding | Kept], within: float) -> set[str]:
        """See ``keepalive.Renew``."""
        del kind, within
        ids = {lease.id for lease in leases}
        self.threads.add(threading.current_thread())
        self.callers.add(caller.get())
        self.inside += 1
        while self.hold.is_set():
            await asyncio.sleep(0.001)
        self.inside -= 1
        self.renewed.append(ids)
        return ids - self.gone

    def revive(self, lease: Renewable) -> None:
        """See ``KeepAlive``."""
        self.revived.append((lease, threading.current_thread()))

    def keep(self, lease_id: str = "m.1", ttl: float = TTL, *, soon: bool = False) -> Holding:
        """Hold a lease from now on, and have it renewed; ``soon``: as one that was handed over."""
        holding = Holding(lease_id, Request(lease_id, "me", ttl), 1, lambda _: 0.1, self.clock)
        holding.on_end(self.thread.discard)
        holding.confirm(self.clock.now(), ttl)
        if soon:
            holding.begin(ttl)
        self.thread.add(holding)
        return holding


class Place(Kept):
    """Remembers where it was told what it was told."""

    threads: set[threading.Thread]

    def renewed(self, sent: float) -> None:
        self.threads = {threading.current_thread()}
        super().renewed(sent)

    def gone(self) -> None:
        self.threads.add(threading.current_thread())
        super().gone()


class Located(Diary):
    """Remembers where it was told what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[threading.Thread] = set()
        self.loops: set[asyncio.AbstractEventLoop] = set()

    def _note(self, method: str, event: object) -> None:
        self.threads.add(threading.current_thread())
        self.loops.add(asyncio.get_running_loop())
        super()._note(method, event)


def stand_still_until(condition: Callable[[], bool]) -> None:
    """Block the loop of this thread."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


async def so(condition: Callable[[], bool]) -> None:
    """Wait for it, and let the loop run."""

    async def holds() -> bool:
        return condition()

    await until(holds, within=30)


def in_real_time(test: Callable[[Server], Awaitable[None]]) -> None:
    """Run it in a loop of its own, with a server; the thread is ended after it."""

    async def main() -> None:
        server = Server()
        try:
            await test(server)
        finally:
            server.hold.clear()
            await server.thread.aclose()

    asyncio.run(main())


def ours() -> list[threading.Thread]:
    """The renewal threads that run."""
    return [thread for thread in threading.enumerate() if "mongolock_async" in thread.name]


def test_leases_are_renewed_while_the_loop_stands_still() -> None:
    async def test(server: Server) -> None:
        holding = server.keep()
        stand_still_until(lambda: len(server.renewed) >= 5)  # longer than the ttl
        assert holding.held
        await asyncio.sleep(0)
        assert (holding.held, holding.ended, holding.lost.is_set()) == (True, None, False)
        assert server.thread.renewals >= 4  # the last one may have no answer yet
        assert server.thread.latency.median_and_p99() is not None

    in_real_time(test)


def test_places_are_refreshed_while_the_loop_stands_still_and_told_so_in_the_loop() -> None:
    async def test(server: Server) -> None:
        place = Place("m.1", kind="place", ttl=0.3)
        server.thread.add(place)
        stand_still_until(lambda: len(server.renewed) >= 3)
        assert place.confirmed == []
        await so(lambda: len(place.confirmed) >= 3)
        server.gone = {"m.1"}
        stand_still_until(lambda: server.gone <= server.renewed[-1])
        await so(lambda: place.over)
        assert place.threads == {threading.main_thread()}

    in_real_time(test)


def test_listeners_hear_in_the_loop_of_renewals_and_losses_of_the_thread() -> None:
    async def test(server: Server) -> None:
        diary = Located()
        listeners = Listeners([diary], server.clock)
        server.gone = {"m.2"}
        holdings = [server.keep(lease_id, ttl=600, soon=True) for lease_id in ("m.1", "m.2")]
        for holding in holdings:
            holding.on_end(lambda holding: holding.story.ended(lost=True))
            story_of(listeners, holding.request).granted(holding)
        stand_still_until(lambda: holdings[1].ended is not None and server.thread.renewals == 1)
        assert diary.told == ["acquired"] * 2
        await so(lambda: len(diary.told) == 4)
        assert set(diary.told[2:]) == {"renewed", "lost"}
        assert diary.of("lost")[0].reason == FORCED
        assert (diary.threads, diary.loops) == ({threading.main_thread()}, {asyncio.get_running_loop()})

    in_real_time(test)


def test_one_thread_renews_for_all_and_none_is_there_before_the_first_and_after_the_end() -> None:
    async def test(server: Server) -> None:
        assert ours() == []
        for number in range(10):
            server.keep(f"m.{number}", ttl=0.6)
        await so(lambda: server.thread.renewals >= 20)
        assert ours() == list(server.threads)
        assert len(server.threads) == 1
        await server.thread.aclose()
        assert ours() == []
        await server.thread.aclose()  # once more does no harm

    in_real_time(test)


def test_a_loss_is_known_while_the_loop_stands_still() -> None:
    async def test(server: Server) -> None:
        holding = server.keep(ttl=60, soon=True)
        server.gone = {"m.1"}
        stand_still_until(lambda: not holding.held)
        assert (holding.ended, holding.lost.is_set()) == (FORCED, False)
        await holding.lost.wait()

    in_real_time(test)


def test_a_renewal_of_what_was_discarded_meanwhile_is_told_in_the_loop() -> None:
    async def test(server: Server) -> None:
        server.hold.set()
        holding = server.keep(ttl=60, soon=True)
        await so(lambda: server.inside == 1)
        server.thread.discard(holding)
        await asyncio.sleep(0.05)
        server.hold.clear()
        await so(lambda: bool(server.revived))
        assert server.revived == [(holding, threading.main_thread())]

    in_real_time(test)


def test_a_lease_that_expired_before_the_loop_could_say_so_is_revived() -> None:
    """The loop has ended it, and the thread has not heard of that when its renewal is answered."""

    async def test(server: Server) -> None:
        holding = server.keep(ttl=60, soon=True)
        holding._on_end.clear()  # it is never discarded
        holding.end(EXPIRED)
        await so(lambda: bool(server.revived))
        assert (holding.held, server.revived[0][0]) == (False, holding)

    in_real_time(test)


def test_settling_waits_for_the_renewal_under_way() -> None:
    async def test(server: Server) -> None:
        server.hold.set()
        holding = server.keep(ttl=60)
        await server.thread.settle(holding)  # none is
        server.thread.discard(holding)
        await server.thread.settle(holding)  # nobody keeps it
        kept = server.keep("m.2", ttl=60, soon=True)
        await so(lambda: server.inside == 1)
        settled = asyncio.create_task(server.thread.settle(kept))
        await asyncio.sleep(0.05)
        assert not settled.done()
        server.hold.clear()
        await settled
        assert {"m.2"} in server.renewed

    in_real_time(test)


def test_another_ttl_has_its_next_renewal_from_the_thread_too() -> None:
    async def test(server: Server) -> None:
        holding = server.keep(ttl=6000)
        change = holding.change(1.5)
        holding.changed(change, server.clock.now(), 1.5)
        server.thread.paced(holding)
        await so(lambda: len(server.renewed) >= 2)
        assert holding.held
        server.thread.discard(holding)
        server.thread.paced(holding)  # nobody keeps it

    in_real_time(test)


def test_a_callers_context_does_not_govern_the_renewals() -> None:
    async def test(server: Server) -> None:
        caller.set("somebody")
        server.keep(soon=True)
        await so(lambda: bool(server.renewed))
        assert server.callers == {"nobody"}

    in_real_time(test)


def test_closing_does_not_wait_for_a_renewal_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal_thread, "END", 0.05)

    async def test(server: Server) -> None:
        server.hold.set()
        server.keep(ttl=60, soon=True)
        await so(lambda: server.inside == 1)
        await server.thread.aclose()
        assert ours() == []

    in_real_time(test)


def test_the_thread_ends_with_the_loop_of_a_repository_that_was_never_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(renewal_thread, "LOOK", 0.01)

    async def main() -> Holding:
        server = Server()
        holding = server.keep(soon=True)
        await so(lambda: bool(server.renewed))
        return holding

    holding = asyncio.run(main())
    stand_still_until(lambda: ours() == [])
    stand_still_until(lambda: not holding.held)


def test_a_forked_child_wakes_nothing_of_its_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(server: Server) -> None:
        holding = server.keep()
        calls: list[object] = []
        pid = os.getpid() + 1
        with monkeypatch.context() as child:
            child.setattr(os, "getpid", lambda: pid)
            child.setattr(server.thread._loop, "call_soon_threadsafe", lambda *work: calls.append(work))
            server.thread.discard(holding)
            assert not holding.held
        assert calls == []

    in_real_time(test)

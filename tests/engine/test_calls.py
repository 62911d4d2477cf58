"""The listener that is open while somebody waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar

import pytest
from virtual import settle
from waiters import now

from mongolock_async import LockBackendError
from mongolock_async._engine.backend import Call
from mongolock_async._engine.calls import LINGER, Calls
from mongolock_async._memory.clock import MemoryClock

A, B = Call("s.1", 7), Call("s.2", None)
REFUSED = LockBackendError("watch", None, "OperationFailure", 13)

caller: ContextVar[str] = ContextVar("caller", default="nobody")


class Source:
    """Opens listeners that hear what is put into it, and remembers when."""

    def __init__(self) -> None:
        self.news: asyncio.Queue[Call | Exception] = asyncio.Queue()
        self.refusals: list[Exception] = []
        self.tried: list[float] = []
        self.opened: list[float] = []
        self.closed: list[float] = []
        self.fails_to_close = False
        self.opened_for = ""

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Source]:
        self.tried.append(now())
        self.opened_for = caller.get()
        if self.refusals:
            raise self.refusals.pop(0)
        self.opened.append(now())
        try:
            yield self
        finally:
            self.closed.append(now())
            if self.fails_to_close:
                raise REFUSED

    async def next(self) -> Sequence[Call]:
        try:
            async with asyncio.timeout(1):
                news = await self.news.get()
        except TimeoutError:
            return []
        if isinstance(news, Exception):
            raise news
        return [news]


class Waiter:
    """What the calls are for."""

    def __init__(self, source: Source) -> None:
        self.heard: list[Call] = []
        self.modes: list[str | None] = []
        self.calls = Calls(source.listen, self.heard.append, self._changed, MemoryClock())

    def _changed(self) -> None:
        self.modes.append(self.calls.mode)


@pytest.fixture
async def source() -> Source:
    return Source()


@pytest.fixture
async def waiter(source: Source) -> AsyncIterator[Waiter]:
    waiter = Waiter(source)
    yield waiter
    await waiter.calls.aclose()


async def test_nothing_is_open_before_somebody_waits(waiter: Waiter, source: Source) -> None:
    await asyncio.sleep(10)
    assert (waiter.calls.mode, waiter.calls.opened, source.tried) == (None, None, [])


async def test_one_listener_serves_all(waiter: Waiter, source: Source) -> None:
    await asyncio.sleep(100)
    with waiter.calls.wanted(), waiter.calls.wanted():
        await asyncio.sleep(50)
        source.news.put_nowait(A)
        source.news.put_nowait(B)
        await settle()
        assert waiter.heard == [A, B]
        assert (waiter.calls.mode, waiter.calls.opened, source.opened) == ("events", 100, [100])
        assert waiter.modes == ["events"]
    await asyncio.sleep(1)
    assert source.closed == []


async def test_it_outlives_the_last_by_5_s(waiter: Waiter, source: Source) -> None:
    with waiter.calls.wanted():
        await asyncio.sleep(20)
    await asyncio.sleep(LINGER - 0.01)
    assert (source.closed, waiter.calls.mode) == ([], "events")
    await asyncio.sleep(1)  # its current turn takes a second at most
    assert source.closed == [pytest.approx(25, abs=1)]
    assert (waiter.calls.mode, waiter.calls.opened) == (None, None)


async def test_who_comes_in_time_keeps_it_open(waiter: Waiter, source: Source) -> None:
    for _ in range(10):
        with waiter.calls.wanted():
            await asyncio.sleep(1)
        await asyncio.sleep(LINGER - 0.1)
    assert (len(source.opened), source.closed) == (1, [])


async def test_while_one_still_waits_another_that_leaves_changes_nothing(
    waiter: Waiter, source: Source
) -> None:
    with waiter.calls.wanted():
        with waiter.calls.wanted():
            await settle()
        await asyncio.sleep(60)
        assert (len(source.opened), source.closed) == (1, [])


async def test_it_is_opened_again_for_the_next(waiter: Waiter, source: Source) -> None:
    for _ in range(3):
        with waiter.calls.wanted():
            await settle()
            assert waiter.calls.mode == "events"
        await asyncio.sleep(10)
    assert source.opened == pytest.approx([0, 10, 20], abs=0.01)


async def test_a_refusal_means_polling_and_one_line_in_the_log(
    waiter: Waiter, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    source.refusals = [REFUSED] * 3
    with waiter.calls.wanted():
        await settle()
        assert (waiter.calls.mode, waiter.calls.opened) == ("polling", None)
        await asyncio.sleep(10)
        assert waiter.calls.mode == "events"
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("mongolock_async", logging.WARNING)
    assert record.message == f"waiting by polling: no change stream: {REFUSED}"


async def test_one_that_is_refused_is_tried_again_after_1_s_doubled_each_time_up_to_60(
    waiter: Waiter, source: Source
) -> None:
    source.refusals = [REFUSED] * 9
    with waiter.calls.wanted():
        await asyncio.sleep(400)
    assert source.tried == pytest.approx([0, 1, 3, 7, 15, 31, 63, 123, 183, 243])
    assert source.opened == pytest.approx([243])


@pytest.mark.parametrize("error", [LockBackendError("watch", None, "AutoReconnect"), RuntimeError("odd")])
async def test_one_that_breaks_is_replaced_after_a_second_and_says_so(
    waiter: Waiter, source: Source, error: Exception
) -> None:
    with waiter.calls.wanted():
        await asyncio.sleep(30)
        source.news.put_nowait(error)
        await asyncio.sleep(10)
        assert (source.opened, source.closed) == ([0, 31], [30])
        assert waiter.calls.opened == 31
        assert waiter.modes == ["events", "polling", "events"]
        source.news.put_nowait(A)
        await settle()
        assert waiter.heard == [A]


async def test_after_a_success_the_pauses_and_the_lines_in_the_log_begin_anew(
    waiter: Waiter, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    source.refusals = [REFUSED] * 4
    with waiter.calls.wanted():
        await asyncio.sleep(20)
        assert source.tried == pytest.approx([0, 1, 3, 7, 15])
        source.refusals = [REFUSED] * 2
        source.news.put_nowait(REFUSED)
        await asyncio.sleep(20)
    assert source.tried[5:] == pytest.approx([21, 23, 27])
    assert len(caplog.records) == 2


async def test_the_log_says_nothing_of_what_an_unexpected_error_says(
    waiter: Waiter, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    source.refusals = [RuntimeError("mongodb://user:secret@host")]
    with waiter.calls.wanted():
        await settle()
    assert caplog.messages == ["waiting by polling: no change stream: RuntimeError"]


async def test_what_nobody_wants_any_more_is_not_tried_again(waiter: Waiter, source: Source) -> None:
    source.refusals = [REFUSED] * 9
    with waiter.calls.wanted():
        await asyncio.sleep(8)
    assert waiter.calls.mode == "polling"
    await asyncio.sleep(100)
    assert source.tried == pytest.approx([0, 1, 3, 7])
    assert waiter.calls.mode is None


async def test_it_is_opened_in_nobodys_context(waiter: Waiter, source: Source) -> None:
    """A deadline of the first who waits must not govern it."""
    caller.set("the first")
    with waiter.calls.wanted():
        await settle()
    assert source.opened_for == "nobody"


async def test_closing_closes_the_listener(waiter: Waiter, source: Source) -> None:
    with waiter.calls.wanted():
        await settle()
        await waiter.calls.aclose()
        assert source.closed == pytest.approx([0], abs=0.001)
        assert (waiter.calls.mode, waiter.calls.opened) == (None, None)


async def test_closing_does_not_wait_for_the_next_try(
    waiter: Waiter, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    source.refusals = [REFUSED] * 9
    with waiter.calls.wanted():
        await asyncio.sleep(20)
        await waiter.calls.aclose()
        assert now() == 20
        assert waiter.calls.mode is None
    assert len(caplog.records) == 1


async def test_a_listener_that_fails_to_close_is_nobodys_trouble(
    waiter: Waiter, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    source.fails_to_close = True
    with waiter.calls.wanted():
        await settle()
        await waiter.calls.aclose()
        await asyncio.sleep(10)
    assert (len(source.tried), caplog.records, waiter.calls.mode) == (1, [], None)

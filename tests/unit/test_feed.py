"""The stream that is open while somebody waits; here it is made of plain Python."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from mongolock_async import _feed
from mongolock_async._errors import LockBackendError
from mongolock_async._feed import Feed


class Streams:
    """Opens streams that say what is put into them."""

    def __init__(self) -> None:
        self.news: asyncio.Queue[str | Exception] = asyncio.Queue()
        self.refusals: list[Exception] = []
        self.opened = 0
        self.closed = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Streams]:
        if self.refusals:
            raise self.refusals.pop()
        self.opened += 1
        try:
            yield self
        finally:
            self.closed += 1

    async def next(self) -> Sequence[str]:
        try:
            async with asyncio.timeout(0.005):
                news = await self.news.get()
        except TimeoutError:
            return []
        if isinstance(news, Exception):
            raise news
        return [news]


class Listener:
    def __init__(self, streams: Streams) -> None:
        self.heard: list[str] = []
        self.changes = 0
        self.now = 100.0
        self.feed: Feed[str] = Feed(streams.open, self.heard.append, self._change, lambda: self.now)

    def _change(self) -> None:
        self.changes += 1


@pytest.fixture
def streams() -> Streams:
    return Streams()


@pytest.fixture
async def listener(streams: Streams) -> AsyncIterator[Listener]:
    listener = Listener(streams)
    yield listener
    await listener.feed.aclose()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_feed, "AGAIN", 0.01)


async def settle() -> None:
    await asyncio.sleep(0.03)


async def test_nothing_is_open_before_somebody_waits(listener: Listener, streams: Streams) -> None:
    assert (listener.feed.mode, listener.feed.opened, streams.opened) == (None, None, 0)


async def test_one_stream_serves_all(listener: Listener, streams: Streams) -> None:
    with listener.feed.wanted(), listener.feed.wanted():
        await settle()
        streams.news.put_nowait("a")
        streams.news.put_nowait("b")
        await settle()
        assert listener.heard == ["a", "b"]
        assert (listener.feed.mode, listener.feed.opened, streams.opened) == ("events", 100.0, 1)
        assert listener.changes == 1


async def test_it_outlives_the_last_by_some_seconds(listener: Listener, streams: Streams) -> None:
    with listener.feed.wanted():
        await settle()
    listener.now += _feed.LINGER - 0.1
    await settle()
    with listener.feed.wanted():
        assert (streams.opened, streams.closed) == (1, 0)
    listener.now += _feed.LINGER - 0.1
    await settle()
    assert streams.closed == 0
    listener.now += 0.1
    await settle()
    assert (streams.closed, listener.feed.mode, listener.feed.opened) == (1, None, None)


async def test_it_is_opened_again_for_the_next(listener: Listener, streams: Streams) -> None:
    with listener.feed.wanted():
        await settle()
    listener.now += _feed.LINGER
    await settle()
    with listener.feed.wanted():
        await settle()
        assert (streams.opened, listener.feed.mode) == (2, "events")


async def test_a_refusal_means_polling_and_one_line_in_the_log(
    listener: Listener, streams: Streams, caplog: pytest.LogCaptureFixture
) -> None:
    streams.refusals = [LockBackendError("watch", None, "OperationFailure", 13) for _ in range(3)]
    with listener.feed.wanted():
        await asyncio.sleep(0)
        assert listener.feed.mode == "polling"
        await asyncio.sleep(0.2)
        assert listener.feed.mode == "events"
    lines = [record for record in caplog.records if record.name == "mongolock_async"]
    assert [record.levelno for record in lines] == [logging.WARNING]
    assert "code 13" in lines[0].message


@pytest.mark.parametrize("error", [LockBackendError("watch", None, "AutoReconnect"), RuntimeError("odd")])
async def test_a_stream_that_breaks_is_opened_again_and_says_so(
    listener: Listener, streams: Streams, error: Exception
) -> None:
    with listener.feed.wanted():
        await settle()
        streams.news.put_nowait(error)
        await asyncio.sleep(0.1)
        assert (streams.opened, streams.closed, listener.changes) == (2, 1, 3)
        streams.news.put_nowait("a")
        await settle()
        assert listener.heard == ["a"]


async def test_closing_closes_the_stream(listener: Listener, streams: Streams) -> None:
    with listener.feed.wanted():
        await settle()
        await listener.feed.aclose()
    assert (streams.closed, listener.feed.opened) == (1, None)

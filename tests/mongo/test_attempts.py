"""What is sent again, and what is not; without a server."""

from __future__ import annotations

import asyncio
from typing import Any

import pymongo
import pytest
from pymongo import AsyncMongoClient, _csot
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
)

from mongolock_async._mongo.attempts import AT_A_TIME, ATTEMPTS, CEASED, DUPLICATE, Attempts
from mongolock_async._mongo.link import Link


class StillTime:
    """The time that the driver's deadlines are judged by; a test sets it forward."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Server:
    """Answers after so many errors; remembers how much time each attempt was given."""

    def __init__(self, *errors: PyMongoError) -> None:
        self.errors = list(errors)
        self.given: list[float | None] = []

    async def send(self) -> str:
        self.given.append(_csot.remaining())
        if self.errors:
            raise self.errors.pop()
        return "done"


@pytest.fixture(autouse=True)
def time(monkeypatch: pytest.MonkeyPatch) -> StillTime:
    time = StillTime()
    monkeypatch.setattr(_csot, "time", time)
    return time


async def test_what_is_answered_is_sent_once() -> None:
    server = Server()
    assert await Attempts(20).insist(server.send) == "done"
    assert server.given == [ATTEMPTS[0]]


@pytest.mark.parametrize(
    "error",
    [
        NetworkTimeout(),
        AutoReconnect(),
        ServerSelectionTimeoutError(),
        OperationFailure("", 50),
        *(OperationFailure("", code) for code in sorted(CEASED)),
        OperationFailure("", DUPLICATE),
        WriteConcernError("", 11602),
    ],
    ids=repr,
)
async def test_what_has_no_answer_is_sent_again(error: PyMongoError) -> None:
    server = Server(error, error, error)
    assert await Attempts(20).insist(server.send) == "done"
    assert len(server.given) == 4


@pytest.mark.parametrize("error", [OperationFailure("", 13), WriteConcernError("", 64)], ids=repr)
async def test_an_answer_that_is_an_error_is_an_answer(error: PyMongoError) -> None:
    server = Server(error)
    with pytest.raises(type(error)):
        await Attempts(20).insist(server.send)
    assert len(server.given) == 1


async def test_each_attempt_has_more_time_and_the_last_one_what_is_left() -> None:
    server = Server(*(NetworkTimeout() for _ in ATTEMPTS))
    with pymongo.timeout(20):
        await Attempts(20).insist(server.send)
    assert server.given == [*ATTEMPTS, 20]


async def test_an_attempt_never_outlasts_the_deadline_of_all(time: StillTime) -> None:
    server = Server(NetworkTimeout())
    with pymongo.timeout(2):
        time.now += 1.5
        await Attempts(20).insist(server.send)
    assert server.given == [0.5, 0.5]


async def test_the_last_error_is_raised() -> None:
    server = Server(*(NetworkTimeout() for _ in range(len(ATTEMPTS) + 1)))
    with pytest.raises(NetworkTimeout):
        await Attempts(20).insist(server.send)
    assert len(server.given) == len(ATTEMPTS) + 1


async def test_to_wait_for_others_costs_no_attempt(time: StillTime) -> None:
    attempts, stop = Attempts(20), asyncio.Event()
    others = [asyncio.create_task(attempts.insist(stop.wait)) for _ in range(AT_A_TIME)]
    await asyncio.sleep(0)
    server = Server()
    with pymongo.timeout(20):
        waits = asyncio.create_task(attempts.insist(server.send))
    for _ in range(10):
        await asyncio.sleep(0)
    assert server.given == []
    time.now += 10
    stop.set()
    await asyncio.gather(waits, *others)
    assert server.given == [ATTEMPTS[0]]


async def test_to_wait_for_others_is_given_up_at_the_deadline_of_the_command() -> None:
    attempts, stop, server = Attempts(0.02), asyncio.Event(), Server()
    others = [asyncio.create_task(attempts.insist(stop.wait)) for _ in range(AT_A_TIME)]
    await asyncio.sleep(0)
    with pytest.raises(WaitQueueTimeoutError):
        await attempts.insist(server.send)
    assert server.given == []
    stop.set()
    await asyncio.gather(*others)
    assert await attempts.insist(server.send) == "done"


async def test_a_connection_that_knows_no_sessions_is_used_without_one() -> None:
    link = Link(AsyncMongoClient[dict[str, Any]](connect=False).app.locks, 20)
    sessions: list[object] = []

    async def send(session: object = None) -> str:
        sessions.append(session)
        if session is not None:
            raise ConfigurationError
        return "done"

    session: Any = object()
    assert await link.insist(send, session) == "done"
    assert sessions == [session, None]

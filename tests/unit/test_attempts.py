"""What is sent again, and what is not; without a server."""

from __future__ import annotations

import asyncio

import pymongo
import pytest
from pymongo import _csot
from pymongo.errors import (
    AutoReconnect,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WriteConcernError,
)

from mongolock_async._attempts import AT_A_TIME, ATTEMPTS, Attempts


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


async def test_what_is_answered_is_sent_once() -> None:
    server = Server()
    assert await Attempts().insist(server.send) == "done"
    assert len(server.given) == 1


@pytest.mark.parametrize(
    "error",
    [
        NetworkTimeout(),
        AutoReconnect(),
        ServerSelectionTimeoutError(),
        OperationFailure("", 50),
        WriteConcernError("", 11602),
    ],
)
async def test_what_has_no_answer_is_sent_again(error: PyMongoError) -> None:
    server = Server(error, error, error)
    assert await Attempts().insist(server.send) == "done"
    assert len(server.given) == 4


async def test_the_last_attempt_has_what_is_left_of_the_time() -> None:
    server = Server(*(NetworkTimeout() for _ in ATTEMPTS))
    with pymongo.timeout(20):
        await Attempts().insist(server.send)
    assert [round(given or 0, 1) for given in server.given] == [*ATTEMPTS, 20]


async def test_an_attempt_never_outlasts_the_deadline_of_all() -> None:
    server = Server(NetworkTimeout())
    with pymongo.timeout(0.5):
        await Attempts().insist(server.send)
    assert all((given or 0) <= 0.5 for given in server.given)


async def test_the_last_error_is_raised() -> None:
    server = Server(*(NetworkTimeout() for _ in range(len(ATTEMPTS) + 1)))
    with pytest.raises(NetworkTimeout):
        await Attempts().insist(server.send)


async def test_an_answer_that_is_an_error_is_an_answer() -> None:
    server = Server(OperationFailure("", 13))
    with pytest.raises(OperationFailure):
        await Attempts().insist(server.send)
    assert len(server.given) == 1


async def test_to_wait_for_others_costs_no_attempt() -> None:
    attempts, stop = Attempts(), asyncio.Event()

    async def slow() -> None:
        await stop.wait()

    others = [asyncio.create_task(attempts.insist(slow)) for _ in range(AT_A_TIME)]
    await asyncio.sleep(0)
    server = Server()
    with pymongo.timeout(20):
        waits = asyncio.create_task(attempts.insist(server.send))
    await asyncio.sleep(0.3)
    assert server.given == []
    stop.set()
    await asyncio.gather(waits, *others)
    assert [round(given or 0, 1) for given in server.given] == [ATTEMPTS[0]]

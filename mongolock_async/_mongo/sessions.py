"""Sessions of the driver, lent to one command after another."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol, cast

from mongolock_async._engine.backend import Transaction

# More than these are not kept. To begin one costs Motor two hops between threads.
KEPT = 32


class ClientSession(Protocol):
    """A driver's session: within it, a replica set refuses a write that arrives after a later one."""

    @property
    def operation_time(self) -> Any: ...  # noqa: ANN401 - a bson.Timestamp, or None
    @property
    def cluster_time(self) -> Mapping[str, Any] | None: ...
    def advance_operation_time(self, operation_time: Any) -> None: ...  # noqa: ANN401 - likewise
    def advance_cluster_time(self, cluster_time: Mapping[str, Any]) -> None: ...
    async def end_session(self) -> None: ...


class Sessions:
    """Those of one client. A session serves one command, with its repetitions, at a time.

    Args:
        client: of either driver.
        causal: what is read in one is read after what it was told of. Writes want none of that: after a
            failover, they might wait for a moment that nobody remembers.
    """

    def __init__(self, client: Any, *, causal: bool) -> None:  # noqa: ANN401 - of either driver
        self._client = client
        self._causal = causal
        self._idle: list[ClientSession] = []
        self._kept = KEPT

    async def begin(self) -> ClientSession:
        """One that nobody uses."""
        if self._idle:
            return self._idle.pop()
        session = self._client.start_session(causal_consistency=self._causal)
        begun: ClientSession = await session if inspect.isawaitable(session) else session
        return begun

    async def end(self, session: ClientSession) -> None:
        """It may serve another."""
        if len(self._idle) < self._kept:
            self._idle.append(session)
        else:
            await session.end_session()

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[ClientSession]:
        """One for the block."""
        session = await self.begin()
        try:
            yield session
        except BaseException:
            await session.end_session()
            raise
        await self.end(session)

    async def aclose(self) -> None:
        """End those that nobody uses, now and from now on."""
        self._kept = 0
        while self._idle:
            await self._idle.pop().end_session()


def check_transaction(session: object) -> Transaction:
    """A session with a transaction under way."""
    in_transaction = getattr(session, "in_transaction", None)
    if not isinstance(in_transaction, bool):
        raise TypeError(f"session must be a session of the driver, not {type(session).__name__}")
    if not in_transaction:
        raise ValueError("session has no transaction under way: verify is the last call inside of one")
    return cast("Transaction", session)

"""The capped collection through which members of different processes call each other."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import pymongo
from pymongo import CursorType, WriteConcern
from pymongo.errors import CollectionInvalid, OperationFailure
from pymongo.read_concern import ReadConcern

from mongolock_async._errors import LockError

from .seats import seat

SUFFIX = ".calls"
SIZE = 128 * 1024
# Seconds within which the server answers one who reads, also if there is nothing.
AWAIT = 5.0
# One that has not answered for so much longer is taken for broken: a node that was stopped or cut off.
SILENCE = 3.0
EXISTS = 48
# We have no right to, or the client keeps to the Stable API, which has no capped collections.
REFUSED = {13, 323}
NO_JOURNAL = 2


class Capped:
    """``<locks>.calls``, beside the collection of the locks.

    A capped collection wakes its readers by an insert into it, and by nothing else.

    Args:
        locks: the collection of the locks; of either driver.
    """

    def __init__(self, locks: Any) -> None:  # noqa: ANN401 - of either driver
        self._database = locks.database
        self._name = f"{locks.name}{SUFFIX}"
        pinned = locks.database[self._name].with_options(
            codec_options=locks.codec_options,
            read_preference=locks.read_preference,
            # A majority's view would make every call late.
            read_concern=ReadConcern("local"),
        )
        self._plain = pinned.with_options(write_concern=WriteConcern(1))
        # The journal makes what was granted before readable to a majority, where one node is that.
        self._journaled = pinned.with_options(write_concern=WriteConcern(1, j=True))
        self._there = False

    @property
    def full_name(self) -> str:
        """``database.collection``."""
        return f"{self._database.name}.{self._name}"

    def seat(self) -> AbstractContextManager[None]:
        """Whoever reads needs one.

        Raises:
            LockError: there is none; or the client has no such collections.
        """
        client = self._database.client
        server_api = client.options.pool_options.server_api
        if server_api is not None and server_api.strict:
            raise LockError("the client keeps to the Stable API (strict=True), which has no tailable cursors")
        return seat(client)

    async def ensure(self) -> None:
        """Make it, unless that is known to be done.

        An insert into a collection that is not there would make an ordinary one, in which nobody can listen.

        Raises:
            LockError: it is an ordinary collection, or is not there and must not be made.
        """
        if self._there:
            return
        try:
            await self._database.command("create", self._name, capped=True, size=SIZE)
        except (OperationFailure, CollectionInvalid) as error:
            code = getattr(error, "code", None)
            if code in REFUSED and not await self._found():
                raise LockError(
                    f"{self.full_name} is not there, and we have no right to create it"
                ) from error
            if code not in {EXISTS, *REFUSED}:
                raise
        self._there = True

    async def fill(self) -> None:
        """Make it, and have something in it.

        A cursor that is opened on an empty one is dead at once; if the very first insert is under way then,
        the cursor lives, but hears neither that call nor any later one (MongoDB 6.0.5).
        """
        await self.ensure()
        if await self._plain.find_one({}, {"_id": 1}) is None:
            self.lost()
            await self.ensure()
            await self.write({"to": []})

    def lost(self) -> None:
        """It may have been dropped."""
        self._there = False

    async def write(self, call: Mapping[str, Any]) -> None:
        """Insert a call."""
        try:
            await self._journaled.insert_one(dict(call))
        except OperationFailure as error:
            if error.code != NO_JOURNAL:
                raise
            self._journaled = self._plain
            await self._plain.insert_one(dict(call))

    def read(self, ear: str) -> Any:  # noqa: ANN401 - a cursor of either driver
        """From the oldest call on; iterating it ends whenever there is no news. ``fill`` comes first."""
        cursor = self._plain.find({"to": ear}, cursor_type=CursorType.TAILABLE_AWAIT)
        return cursor.max_await_time_ms(int(AWAIT * 1000))

    async def kill(self, cursor: Any) -> None:  # noqa: ANN401 - a cursor of either driver
        """End it at once, also while it waits for the server."""
        if cursor.cursor_id:
            with pymongo.timeout(1):
                await self._database.command("killCursors", self._name, cursors=[cursor.cursor_id])

    async def primary(self) -> tuple[str, int] | None:
        """The node that is the primary now, as far as the client knows; None: there is none, or no set."""
        primary = self._database.client.primary
        address: tuple[str, int] | None = await primary if inspect.isawaitable(primary) else primary
        return address

    async def _found(self) -> bool:
        names = await self._database.list_collection_names(
            filter={"name": self._name}, authorizedCollections=True
        )
        return self._name in names

"""The locks that a command is about.

By PyMongo's async client, which has no threads. With Motor's, a program would fork beside threads, and would
wait for them at its end: a command that was cancelled goes on there, and is cut off here.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure, PyMongoError

from mongolock_async import LockBackendError, LockRepository

from .exits import UsageError, say

DEFAULT = "mongolock.locks"
# How the driver's warning begins that quotes no value.
UNKNOWN = "Unknown option"
# Seconds for the release of what is held, and for the client's last words, at the end.
CLOSING = 2.0
GOODBYE = 0.2


@asynccontextmanager
async def connected(options: argparse.Namespace) -> AsyncIterator[LockRepository]:
    """Open them, and close them behind the command.

    Raises:
        UsageError: no server is named, or the URI or the collection is wrong.
        LockBackendError: the server cannot be reached, or refuses us.
    """
    collection = _collection(options)
    try:
        # So that it is one line, and at once, of whatever the command would have met.
        await _meet(collection.database, options.patience)
        locks = LockRepository(collection, command_timeout=options.patience, retention=options.retention)
        try:
            yield locks
        finally:
            await locks.aclose(timeout=CLOSING)
    finally:
        # It would look for a server once more, to say goodbye.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                await collection.database.client.close()


async def _meet(database: AsyncDatabase[dict[str, Any]], patience: float) -> None:
    try:
        async with asyncio.timeout(patience):
            await database.command("ping")
    except TimeoutError as error:
        raise LockBackendError("connect", None, "no answer in time") from error
    except PyMongoError as error:
        code = error.code if isinstance(error, OperationFailure) else None
        raise LockBackendError("connect", None, type(error).__name__, code) from error


def _collection(options: argparse.Namespace) -> AsyncCollection[dict[str, Any]]:
    uri = options.uri or os.environ.get("MONGODB_URI")
    if not uri:
        raise UsageError("which server? Set MONGODB_URI, or pass --uri mongodb://host:27017")
    database, dot, name = (options.collection or DEFAULT).partition(".")
    if not (database and dot and name):
        raise UsageError(f"--collection must be DATABASE.COLLECTION, not {options.collection!r}")
    try:
        with warnings.catch_warnings(record=True) as doubts:
            client = AsyncMongoClient[dict[str, Any]](uri, appname="mongolock")
        for doubt in doubts:
            say(
                words
                if (words := str(doubt.message)).startswith(UNKNOWN)
                else "an option of the URI is wrong"
            )
        return client[database][name]
    except (PyMongoError, ValueError, TypeError) as error:
        # The driver's words may quote the URI, with its password.
        words = "" if {"@", "?"} & set(uri) else f": {error}"
        raise UsageError(f"the URI or the collection is wrong: {type(error).__name__}{words}") from error

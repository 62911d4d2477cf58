"""Servers that ask who you are."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pymongo import MongoClient
from support import needs_processes

from mongolock_async.testing import Mongod, ReplicaSet

Server = TypeVar("Server", Mongod, ReplicaSet)

# What docs/operating.md asks for, on the collection of the locks, and on that of the calls.
LEAST = ("find", "insert", "update", "createIndex")
CALLING = ("find", "insert", "convertToCapped")
# Both, where the locks are in "locks".
ALL = {"locks": LEAST, "locks.calls": CALLING}


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Run it, as processes, during the block; for fixtures that are not async."""
    needs_processes()
    asyncio.run(server.__aenter__())
    try:
        yield server
    finally:
        asyncio.run(server.__aexit__(None, None, None))


class Guarded:
    """A replica set of one node that lets nobody in without a password."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.root: MongoClient[dict[str, Any]] = MongoClient(self.uri_of("root", "root"))

    def uri_of(self, user: str, password: str) -> str:
        """The URI with these credentials."""
        return self.uri.replace("mongodb://", f"mongodb://{user}:{password}@")

    def user(self, database: str, actions: Mapping[str, Sequence[str]], password: str = "secret") -> str:
        """Make a user who may do this, by collection, and nothing else; its name."""
        name = f"user-{uuid.uuid4().hex}"
        self.root.admin.command("createRole", name, privileges=_privileges(database, actions), roles=[])
        self.root.admin.command("createUser", name, pwd=password, roles=[name])
        return name

    def change(self, user: str, database: str, actions: Mapping[str, Sequence[str]]) -> None:
        """Let the user do this from now on, and nothing else."""
        self.root.admin.command("updateRole", user, privileges=_privileges(database, actions))


@contextmanager
def guarded_set(folder: Path) -> Iterator[Guarded]:
    """Such a set; ``folder`` is for its key."""
    key = folder / "key"
    key.write_text("k" * 64)
    key.chmod(0o400)
    with running(ReplicaSet(1, args=["--auth", "--keyFile", str(key)])) as servers:
        # The server allows this once, from its own machine.
        asyncio.run(servers.nodes[0].command({"createUser": "root", "pwd": "root", "roles": ["root"]}))
        guarded = Guarded(servers.uri)
        with guarded.root:
            yield guarded


def _privileges(database: str, actions: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    return [
        {"resource": {"db": database, "collection": collection}, "actions": list(allowed)}
        for collection, allowed in actions.items()
        if allowed
    ]

"""Which servers can keep locks: by what they say of themselves, and by how they refuse our commands."""

from __future__ import annotations

from collections.abc import Iterable

from pymongo.server_description import ServerDescription

from mongolock_async._errors import LockError

NEEDED = "locks need MongoDB 4.4 or later: updates by a pipeline, with $$NOW"
# What MongoDB 4.4 calls itself in its answer to ``hello``.
WIRE_VERSION = 9
# A server behind a load balancer is a mongos, too.
ROUTERS = {"Mongos", "LoadBalancer"}
# How servers that speak MongoDB's protocol, and older ones of its own, refuse our commands (which are always
# the same, so that a MongoDB of 4.4 or later never refuses them so): FailedToParse, TypeMismatch,
# CommandNotFound, CommandNotSupported, InvalidPipelineOperator, NotImplemented, of retryable writes,
# features and stages that are not supported, an undefined variable, and an unknown stage.
REFUSALS = {9, 14, 59, 115, 168, 238, 301, 303, 304, 17276, 40324}


def check_servers(servers: Iterable[ServerDescription]) -> None:
    """Refuse those that say that they are too old.

    Raises:
        LockError: one of them does.
    """
    for server in servers:
        if server.is_server_type_known and server.max_wire_version < WIRE_VERSION:
            raise LockError(f"{NEEDED}; this server is older (wire version {server.max_wire_version})")


def through_routers(servers: Iterable[ServerDescription]) -> bool:
    """Whether these are the mongos of a sharded cluster."""
    return any(server.server_type_name in ROUTERS for server in servers)


def hint(code: int | None) -> str:
    """What would help where a server has refused a command of ours with this code; "": nobody knows."""
    if code not in REFUSALS:
        return ""
    return f"{NEEDED}; this server does not do that, as Amazon DocumentDB and Azure Cosmos DB do not"

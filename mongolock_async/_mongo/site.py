"""The place where the locks are to be kept: looked at once, and prepared, by the first claim."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import pymongo
from bson.codec_options import CodecOptions
from pymongo.errors import ConnectionFailure, PyMongoError
from pymongo.server_description import ServerDescription

from mongolock_async._errors import LockError

from .index import make_index
from .link import Link
from .servers import check_servers, through_routers

logger = logging.getLogger("mongolock_async")

# The first claim waits for this, but not for a server that cannot answer now.
SECONDS = 5.0
# Names are compared byte by byte.
SIMPLE = {"locale": "simple"}


async def prepare(link: Link, retention: float | None) -> bool:
    """See that locks can be kept there, and make the index; False: not now, try again later.

    Args:
        link: the collection.
        retention: seconds after which the document of an unused lock is removed; None: never.

    Raises:
        LockError: no locks can be kept there.
    """
    with pymongo.timeout(min(link.timeout, SECONDS)):
        looked = await _check(link)
        made = retention is None or await make_index(link, retention)
    if looked and made:
        tell_of_routers(link.full_name, _servers(link))
    return looked and made


async def _check(link: Link) -> bool:
    """Look at it; False: there was no answer.

    An ``explain`` tells of the collection what nobody else does who has no further privileges.
    """
    find = {"find": link.majority.name, "filter": {"_id": ""}}
    command = {"explain": find, "verbosity": "queryPlanner"}
    try:
        plan = await link.majority.database.command(command, codec_options=CodecOptions())
    except PyMongoError as error:
        check_servers(_servers(link))
        # What refuses to explain may do all else; who may not find will be told so by the claim.
        return not (isinstance(error, ConnectionFailure) or error.timeout)
    check_servers(_servers(link))
    check_plan(link.full_name, plan)
    return True


def tell_of_routers(full_name: str, servers: Iterable[ServerDescription]) -> None:
    """A line in the log, where leases are judged by other clocks than those of the nodes."""
    if through_routers(servers):
        logger.info(
            "%s is reached through a mongos, whose clock judges the leases: the clocks of all mongos "
            "must agree within the clock margin",
            full_name,
        )


def check_plan(full_name: str, plan: Any) -> None:  # noqa: ANN401 - of whatever shape the server likes
    """Refuse a collection that could not tell one name from another, and what is no collection.

    Args:
        full_name: the collection.
        plan: what the server tells of a ``find`` by ``_id`` in it.

    Raises:
        LockError: it is one of these.
    """
    for collation in _found(plan, "collation"):
        if collation != SIMPLE:
            raise LockError(
                f"{full_name} has a default collation, by which different names may be one lock: "
                "locks need a collection without"
            )
    for namespace in _found(plan, "namespace"):
        # Behind a proxy, the database may have another name.
        if namespace.partition(".")[2] != full_name.partition(".")[2]:
            raise LockError(
                f"{full_name} is a view or a time series collection: locks need an ordinary collection"
            )


def _found(plan: Any, key: str) -> Iterator[Any]:  # noqa: ANN401 - likewise
    """All values under this key, but in the command's echo; however deep, since each shard has its plan."""
    if isinstance(plan, dict):
        for name, value in plan.items():
            if name == key:
                yield value
            elif name != "command":
                yield from _found(value, key)
    elif isinstance(plan, list):
        for value in plan:
            yield from _found(value, key)


def _servers(link: Link) -> Iterable[ServerDescription]:
    servers: Iterable[ServerDescription] = (
        link.majority.database.client.topology_description.server_descriptions().values()
    )
    return servers

"""The TTL index, which cleans up the documents of locks that nobody uses any more."""

from __future__ import annotations

import logging

import pymongo
from pymongo.errors import ConnectionFailure, PyMongoError

from .link import Link

logger = logging.getLogger("mongolock_async")

# The first claim waits for the index, but not for a server that cannot make it now.
INDEX_SECONDS = 5.0


async def make_index(link: Link, retention: float) -> bool:
    """Make it; False: not now, try again later. Clean-up alone depends on it, so that no failure is raised.

    Args:
        link: the collection.
        retention: seconds after which the document of an unused lock is removed.
    """
    try:
        with pymongo.timeout(min(link.timeout, INDEX_SECONDS)):
            await link.majority.create_index("expires_at", expireAfterSeconds=max(1, round(retention)))
    except PyMongoError as error:
        logger.warning(
            "no TTL index on %s.expires_at: %s (code %s); documents of locks no longer used stay there",
            link.full_name,
            type(error).__name__,
            getattr(error, "code", None),
        )
        return not isinstance(error, ConnectionFailure)
    return True

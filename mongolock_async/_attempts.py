"""Sending again what has no answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import pymongo
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

T = TypeVar("T")

# A command that has no answer by then is sent again, to whoever is the primary now: a node that was stopped
# or cut off keeps a connection open and never answers. What is left of the time is for the last one.
ATTEMPTS = (1.0, 1.5, 2.0, 3.0, 5.0)
# The node is no primary any more, or shuts down: the "not primary" errors of the drivers' specification, of
# which both drivers repeat most, but not those that come as an error of the write concern.
CEASED = {91, 189, 10107, 11600, 11602, 13435, 13436}


async def insist(send: Callable[[], Awaitable[T]]) -> T:
    """Send it until there is an answer; what is sent twice must be as good as sent once.

    The deadline that is in force is for all of it.
    """
    for limit in ATTEMPTS:
        try:
            with pymongo.timeout(limit):
                return await send()
        except PyMongoError as error:
            ceased = isinstance(error, OperationFailure) and error.code in CEASED
            if not (error.timeout or ceased or isinstance(error, AutoReconnect)):
                raise
    return await send()

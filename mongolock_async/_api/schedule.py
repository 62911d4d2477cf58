"""A task that is due at each boundary of the server's clock."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from mongolock_async._engine.member import Member
from mongolock_async._engine.ticks import ticks
from mongolock_async._protocol.request import Request

from .lease import Lease


async def leases_by_tick(
    member: Member, request: Request, period: float
) -> AsyncGenerator[Lease | None, None]:
    """At each boundary: the lease in one process, None in the others."""
    async with aclosing(ticks(member, request, period)) as held_by_tick:
        async for holding in held_by_tick:
            yield None if holding is None else Lease(member, holding)

"""The command by which a lease goes on under another id."""

from __future__ import annotations

from mongolock_async._protocol import adoption
from mongolock_async._protocol.adoption import Adopted

from .commands import Commands
from .link import Link


async def adopt(
    link: Link, commands: Commands, name: str, lease: str, token: int, new: str
) -> Adopted | None:
    """For a majority. A repetition finds the lease under its new id. Its withdrawal shares the session."""
    stages, answer = adoption.adopt(lease, token, new), adoption.adopted(new, token)
    async with commands.session("adopt", name, new) as session:
        found = await link.change({"_id": name, "holders.lease": lease}, stages, answer, session=session)
        if found is None:
            mine = {"_id": name, "holders.lease": new}
            found = await link.majority.find_one(mine, answer, session=session)
    return None if found is None or found["reply"] is None else Adopted(found["reply"])

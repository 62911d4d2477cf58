"""What a holder changes of its own lease, without granting anything to anybody."""

from __future__ import annotations

from mongolock_async._protocol import projection
from mongolock_async._protocol.expressions import Stage
from mongolock_async._protocol.reply import Reply

from .link import Link


async def change_held(
    link: Link, action: str, name: str, lease: str, token: int, stages: list[Stage]
) -> Reply | None:
    """Change it, and say where it stands; None: there is no document any more."""
    answer = projection.renewal(lease, token)
    with link.command(action, name):
        found = await link.change({"_id": name, "holders.lease": lease}, stages, answer)
        if found is None:
            found = await link.majority.find_one({"_id": name}, answer)
    return None if found is None else Reply(found["reply"])

"""The commands of what is done once."""

from __future__ import annotations

from mongolock_async._protocol import once, projection
from mongolock_async._protocol.expressions import Stage

from .commands import Commands


async def finish(commands: Commands, name: str, lease: str, token: int) -> bool:
    """For a majority; the stored document says as much as the answer, so that a repetition says the same."""
    by = commands.new_id()
    stages, answer = once.finish(lease, token, by=by), once.finished(lease, by=by)
    return await _done(commands, "finish", name, stages, answer)


async def reset(commands: Commands, name: str) -> bool:
    """The same."""
    by = commands.new_id()
    stages, answer = once.reset(by=by), projection.release(by, by=by, mutex=True)
    return await _done(commands, "reset", name, stages, answer)


async def _done(commands: Commands, action: str, name: str, stages: list[Stage], answer: Stage) -> bool:
    async with commands.session(action, name) as session:
        found = await commands.change(name, stages, answer, session)
    return found is not None and bool(found["released"])

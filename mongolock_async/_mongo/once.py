"""The commands of what is done once."""

from __future__ import annotations

from mongolock_async._protocol import once, projection

from .commands import Commands


async def finish(commands: Commands, name: str, lease: str, token: int) -> bool:
    """For a majority; the stored document says as much as the answer, so that a repetition says the same."""
    by = commands.new_id()
    stages, answer = once.finish(lease, token, by=by), once.finished(lease, by=by)
    async with commands.session("finish", name) as session:
        found = await commands.change(name, stages, answer, session)
    return found is not None and bool(found["released"])


async def reset(commands: Commands, name: str) -> bool:
    """The same."""
    by = commands.new_id()
    stages, answer = once.reset(by=by), projection.release(by, by=by, mutex=True)
    async with commands.session("reset", name) as session:
        found = await commands.change(name, stages, answer, session)
    return found is not None and bool(found["released"])

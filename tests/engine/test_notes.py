"""A loss that another error would hide stands in a note of that error."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from waiters import now

from mongolock_async import Lease, LeaseLostError, LockRepository


def notes(error: BaseException) -> list[str]:
    return getattr(error, "__notes__", [])


def note_of(lease: Lease, reason: str = "forced, or removed on the server") -> str:
    return f"lease {lease.fencing_token} of lock 'cron' was lost meanwhile: {reason}"


async def fail_at_its_end() -> None:
    try:
        await asyncio.sleep(60)
    finally:
        raise KeyError


async def test_the_errors_of_a_task_group_have_a_note_of_the_loss(locks: LockRepository) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        async with locks.lock("cron") as lease, asyncio.TaskGroup() as group:
            group.create_task(fail_at_its_end())
            await locks.force_release("cron")
    assert now() == 10
    assert notes(caught.value) == [note_of(lease)]
    assert caught.group_contains(KeyError)


async def test_an_error_of_the_body_has_a_note_of_the_loss(locks: LockRepository) -> None:
    with pytest.raises(KeyError) as caught:
        async with locks.lock("cron") as lease:
            await locks.force_release("cron")
            await fail_at_its_end()
    assert notes(caught.value) == [note_of(lease)]


async def test_an_error_has_a_note_of_a_loss_that_is_found_out_by_the_release(locks: LockRepository) -> None:
    with pytest.raises(KeyError) as caught:
        async with locks.lock("cron") as lease:
            await locks.force_release("cron")
            raise KeyError
    assert notes(caught.value) == [note_of(lease)]


async def test_an_outer_timeout_tells_of_the_loss_by_its_cause(locks: LockRepository) -> None:
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(11), locks.lock("cron") as lease:
            await locks.force_release("cron")
            try:
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(2)
    assert caught.value.__cause__ is not None
    assert notes(caught.value.__cause__) == [note_of(lease)]


async def test_an_error_without_a_loss_has_no_note(locks: LockRepository) -> None:
    with pytest.raises(KeyError) as caught:
        async with locks.lock("cron"):
            raise KeyError
    assert notes(caught.value) == []


async def test_a_release_inside_of_the_block_is_no_loss_and_no_note(locks: LockRepository) -> None:
    with pytest.raises(KeyError) as caught:
        async with locks.lock("cron") as lease:
            await lease.release()
            raise KeyError
    assert notes(caught.value) == []


async def test_each_block_that_is_lost_adds_a_note(locks: LockRepository) -> None:
    with pytest.raises(KeyError) as caught:
        async with locks.lock("a"), locks.lock("b"):
            await locks.force_release("a")
            await locks.force_release("b")
            await fail_at_its_end()
    assert [note.split(" was ")[0].split(" of ")[1] for note in notes(caught.value)] == [
        "lock 'b'",
        "lock 'a'",
    ]


async def test_the_loss_itself_needs_no_note(locks: LockRepository) -> None:
    with pytest.raises(LeaseLostError) as caught:
        async with locks.lock("cron", owner="me") as lease:
            await locks.force_release("cron")
            raise LeaseLostError("cron", "me", lease.fencing_token, "as the body has found out")
    assert notes(caught.value) == []


@dataclass(frozen=True)
class FrozenError(Exception):
    """Takes no notes."""

    number: int


async def test_an_error_that_takes_no_notes_is_raised_as_it_is(locks: LockRepository) -> None:
    raised: FrozenError | None = None
    try:  # pytest.raises would write to it
        async with locks.lock("cron"):
            await locks.force_release("cron")
            raise FrozenError(7)
    except FrozenError as error:
        raised = error
    assert raised == FrozenError(7)


async def test_a_decorated_function_s_error_has_a_note_of_the_loss(locks: LockRepository) -> None:
    @locks.lock("cron")
    async def work() -> None:
        await locks.force_release("cron")
        await fail_at_its_end()

    with pytest.raises(KeyError) as caught:
        await work()
    (note,) = notes(caught.value)
    assert "of lock 'cron' was lost meanwhile" in note


async def test_the_block_of_a_lease_notes_its_loss(locks: LockRepository) -> None:
    with pytest.raises(KeyError) as caught:
        async with await locks.acquire("cron", ttl=5) as lease:
            await asyncio.sleep(6)
            raise KeyError
    assert notes(caught.value) == [note_of(lease, "expired unrenewed")]

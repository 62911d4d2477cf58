"""Typed use of the public names. mypy checks it; nothing runs it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, assert_type
from zoneinfo import ZoneInfo

from motor.motor_asyncio import AsyncIOMotorClient
from opentelemetry.metrics import get_meter_provider
from opentelemetry.trace import get_tracer_provider
from pymongo import AsyncMongoClient, MongoClient

import mongolock_async
from mongolock_async import (
    Election,
    Fenced,
    Holder,
    Latency,
    Leader,
    Lease,
    LeaseLostError,
    Lock,
    LockAll,
    LockBackendError,
    LockError,
    LockInfo,
    LockRepository,
    LockTimeoutError,
    RWLock,
    Schedule,
    StaleTokenError,
    Stats,
    Waiter,
    otel,
)
from mongolock_async.monitoring import (
    AcquiredEvent,
    BusyEvent,
    CallEvent,
    CreatedEvent,
    FailedEvent,
    LeaseEvent,
    LockEvent,
    LockListener,
    LostEvent,
    ReleasedEvent,
    RenewedEvent,
    TimedOutEvent,
    UpgradedEvent,
    WaitingEvent,
)
from mongolock_async.testing import MemoryLocks, Mongod, ReplicaSet

assert_type(mongolock_async.__version__, str)


async def repositories() -> None:
    pymongo: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient()
    motor: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient()
    LockRepository(pymongo.app.locks)
    LockRepository(
        motor.app.locks,
        owner=7,
        ttl=timedelta(seconds=10),
        retention=60,
        command_timeout=5.0,
        clock_margin=0.5,
        renewal_collection=pymongo.app.locks,
    )
    blocking: MongoClient[dict[str, Any]] = MongoClient()
    LockRepository(motor.app.locks, renewal_collection=blocking.app.locks)
    async with LockRepository(pymongo.app.locks, owner="me", retention=None) as locks:
        assert_type(locks, LockRepository)


async def without_a_server() -> None:
    memory = MemoryLocks()
    async with LockRepository(memory, ttl=5), LockRepository(MemoryLocks(start=memory.now)):
        memory.advance(timedelta(seconds=6))
        memory.advance(0.5)


async def use(locks: LockRepository) -> None:
    await locks.create("cron")
    lease = await locks.obtain("cron", 4711, ttl=10, keep_alive=True)
    assert_type(lease, Lease | None)
    lease = await locks.acquire("cron", "me", ttl=timedelta(minutes=1), timeout=5)
    assert_type(lease.name, str)
    assert_type(lease.owner, str | int)
    assert_type(lease.fencing_token, int)
    assert_type(lease.ttl, float)
    assert_type(lease.held, bool)
    assert_type(lease.remaining, float)
    assert_type(lease.lost.is_set(), bool)
    assert_type(await lease.renew(), bool)
    assert_type(await lease.renew(ttl=timedelta(minutes=1)), bool)
    async with lease as same:
        assert_type(same, Lease)
    assert_type(await lease.release(), bool)

    lock = locks.lock("cron", ttl=10, timeout=timedelta(seconds=5))
    assert_type(lock, Lock)
    assert_type(lock.name, str)
    assert_type(await lock.locked(), bool)
    async with lock as held:
        assert_type(held, Lease)

    ticks = locks.every(5, "cron", ttl=1, offset=timedelta(seconds=1))
    assert_type(ticks, Schedule)
    async for tick in ticks:
        assert_type(tick, Lease | None)
    await ticks.aclose()

    info = await locks.get("cron")
    assert_type(info, LockInfo | None)
    async for each in locks.list(prefix="job:"):
        assert_type(each.holders, tuple[Holder, ...])
        assert_type(each.queue, tuple[Waiter, ...])
        assert_type(each.held, bool)
        assert_type([(holder.ttl, holder.value) for holder in each.holders], list[tuple[float, str]])
    assert_type(await locks.force_release("cron"), bool)
    assert_type(await locks.force_release("cron", fencing_token=7), bool)
    stats = locks.stats()
    assert_type(stats, Stats)
    assert_type(stats.obtain, Latency | None)
    await locks.aclose(timeout=timedelta(seconds=1))


async def schedules(locks: LockRepository) -> None:
    async def work(lease: Lease) -> int:
        assert_type(lease.boundary, datetime | None)
        return 1

    nights = locks.cron("0 3 * * *", "report", "me", tz="Europe/Berlin", ttl=60, catch_up=timedelta(hours=6))
    assert_type(nights, Schedule)
    assert_type(nights.name, str)
    assert_type(await nights.obtain(), Lease | None)
    await nights.run(work)
    await locks.cron("@daily", "report", tz=ZoneInfo("Europe/Berlin")).run(lambda lease: lease.release())


async def share(locks: LockRepository) -> None:
    gpu = locks.semaphore("gpu", 4, "me", weight=2, ttl=10, timeout=5, at_least=timedelta(minutes=1))
    assert_type(gpu, Lock)
    assert_type(locks.semaphore("gpu", None), Lock)
    assert_type(await gpu.obtain(keep_alive=True), Lease | None)
    assert_type(await gpu.acquire(), Lease)
    assert_type(await gpu.acquire(timeout=5, keep_alive=True), Lease)
    assert_type(await gpu.acquire(None), Lease)
    await locks.resize("gpu", 6)

    cfg = locks.rwlock("cfg", 7, ttl=10, timeout=timedelta(seconds=5), at_least=1)
    assert_type(cfg, RWLock)
    assert_type(cfg.name, str)
    assert_type(cfg.read(), Lock)
    assert_type(cfg.write("me", ttl=5, timeout=1, at_least=timedelta(seconds=5)), Lock)
    async with cfg.upgradable() as lease:
        await lease.upgrade(timeout=5)
        assert_type(await lease.downgrade(), bool)

    async with locks.lock("report", at_least=3600) as kept:
        assert_type(kept, Lease)
    info = await locks.get("cfg")
    assert info is not None
    assert_type(info.kind, str)


async def several(locks: LockRepository) -> None:
    both = locks.lock_all("a", "b", owner="me", ttl=10, timeout=timedelta(seconds=5), at_least=60)
    assert_type(both, LockAll)
    assert_type(both.names, tuple[str, ...])
    async with both as leases:
        assert_type(leases, tuple[Lease, ...])
    assert_type(await both.obtain(keep_alive=True), tuple[Lease, ...] | None)
    assert_type(await both.acquire(timeout=5), tuple[Lease, ...])
    assert_type(await both.acquire(None, keep_alive=True), tuple[Lease, ...])
    assert_type(await both.locked(), bool)

    @both
    async def work(number: int, *, text: str) -> bytes:
        return text.encode() * number

    assert_type(await work(1, text="a"), bytes)


async def elect(locks: LockRepository) -> None:
    election = locks.election("cron", "http://10.0.0.7", owner=7, ttl=timedelta(seconds=10))
    assert_type(election, Election)
    assert_type(await election.obtain(), Lease | None)

    async def serve(lease: Lease) -> int:
        assert_type(await lease.proclaim("http://10.0.0.8"), bool)
        return 1

    await election.run(serve)
    assert_type(await election.leader(), Leader | None)
    async for leader in election.observe():
        assert_type(leader, Leader | None)
        if leader is not None:
            assert_type((leader.owner, leader.value), tuple[str | int, str])
            assert_type((leader.fencing_token, leader.age), tuple[int, float])
    await election.observe().aclose()


async def once(locks: LockRepository) -> None:
    async def migrate() -> int:
        return 42

    async def with_lease(lease: Lease) -> None:
        assert_type(lease.fencing_token, int)

    assert_type(await locks.once("migration-42", migrate), bool)
    assert_type(await locks.once("migration-43", with_lease, owner="me", ttl=5, timeout=60), bool)
    assert_type(await locks.reset("migration-42"), bool)


async def elsewhere(locks: LockRepository, lease: Lease) -> None:
    text = await lease.export()
    assert_type(text, str)
    assert_type(await locks.adopt(text), Lease | None)
    assert_type(await locks.adopt(text, keep_alive=True), Lease | None)


async def decorated(locks: LockRepository) -> None:
    @locks.lock("cron")
    async def work(number: int, *, text: str) -> bytes:
        return text.encode() * number

    plain: Callable[..., Coroutine[Any, Any, bytes]] = work
    assert_type(await work(1, text="a"), bytes)
    await plain()

    @locks.lock(lambda number, *, text: f"{text}:{number}")
    async def other(number: int, *, text: str) -> bytes:
        return text.encode() * number

    assert_type(await other(1, text="a"), bytes)


async def protect(lease: Lease, client: AsyncMongoClient[dict[str, Any]]) -> None:
    fenced = lease.fenced(client.app.accounts, field="_fence")
    assert_type(fenced, Fenced)
    await fenced.update_one({"_id": 1}, {"$inc": {"n": 1}}, upsert=True)
    await fenced.update_many({}, [{"$set": {"n": 1}}])
    await fenced.replace_one({"_id": 1}, {"n": 1})
    await fenced.find_one_and_update({"_id": 1}, {"$set": {"n": 1}}, return_document=True)
    await fenced.find_one_and_replace({"_id": 1}, {"n": 1}, upsert=True)
    await fenced.find_one_and_delete({"_id": 1}, sort={"n": 1})
    await fenced.delete_one({"_id": 1})
    await fenced.delete_many({"n": 1})
    await fenced.insert_one({"_id": 1})
    async with client.start_session() as session, await session.start_transaction():
        await lease.verify(session)


def errors(error: LockError) -> None:
    if isinstance(error, LockTimeoutError):
        assert_type(error.age, float | None)
    elif isinstance(error, LeaseLostError):
        assert_type(error.reason, str)
    elif isinstance(error, StaleTokenError):
        assert_type(error.fencing_token, int)
    elif isinstance(error, LockBackendError):
        assert_type(error.code, int | None)


async def servers() -> None:
    async with Mongod() as one, ReplicaSet(3) as three:
        assert_type(one.uri, str)
        (await three.primary()).stop()


class Listener(LockListener):
    def created(self, event: CreatedEvent) -> None:
        lock: LockEvent = event
        assert_type((lock.name, lock.owner, lock.kind, lock.weight), tuple[str, str | int, str, int])

    def waiting(self, event: WaitingEvent) -> None:
        assert_type(event.place, int | None)

    def acquired(self, event: AcquiredEvent) -> None:
        call: CallEvent = event
        assert_type((call.waited, call.queued, call.place), tuple[float, bool, int | None])
        assert_type((event.fencing_token, event.token, event.hand_off), tuple[int, int, float | None])
        assert_type((event.boundary, event.lag), tuple[datetime | None, float | None])
        assert event.outcome == "granted"

    def upgraded(self, event: UpgradedEvent) -> None:
        assert_type(event.fencing_token, int)

    def busy(self, event: BusyEvent) -> None:
        assert event.outcome == "busy"

    def timed_out(self, event: TimedOutEvent) -> None:
        assert_type((event.timeout, event.holder), tuple[float, str | int | None])

    def failed(self, event: FailedEvent) -> None:
        assert_type(event.error, BaseException)
        assert event.outcome in {"cancelled", "error"}

    def renewed(self, event: RenewedEvent) -> None:
        lease: LeaseEvent = event
        assert_type((lease.fencing_token, event.duration, event.remaining), tuple[int, float, float])

    def released(self, event: ReleasedEvent) -> None:
        assert_type(event.held, float)
        assert event.outcome in {"released", "unconfirmed", "exported", "closed", "expired"}

    def lost(self, event: LostEvent) -> None:
        assert_type((event.held, event.reason), tuple[float, str])
        assert event.outcome == "lost"


def telemetry() -> None:
    locks = LockRepository(MemoryLocks(), event_listeners=[Listener(), LockListener()])
    otel.instrument(locks)
    otel.instrument(
        locks,
        meter_provider=get_meter_provider(),
        tracer_provider=get_tracer_provider(),
        lock_name=lambda name: name.partition(":")[0],
    )

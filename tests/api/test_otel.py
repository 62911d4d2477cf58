"""What OpenTelemetry measures and traces of locks, by the SDK's own exporters in memory."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import MakeRepository
from faulty import Fault, FaultyLocks, lost
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from virtual import settle
from waiters import about, waiting

from mongolock_async import Lease, LeaseLostError, LockBackendError, LockRepository, LockTimeoutError, otel
from mongolock_async.testing import MemoryLocks

NAME = "mongolock.lock.name"
TOKEN = "mongolock.fencing_token"


class Seen:
    """Everything that was exported."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self._spans = InMemorySpanExporter()
        self.meters = MeterProvider([self._reader], shutdown_on_exit=False)
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))

    @property
    def metrics(self) -> dict[str, Any]:
        """By their names."""
        data = self._reader.get_metrics_data()
        scopes = (
            [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        )
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def points(self, name: str) -> dict[tuple[str, ...], Any]:
        """The points of a metric, by the values of their attributes: the lock's name and the outcome."""
        metric = self.metrics.get(f"mongolock.{name}")
        points = metric.data.data_points if metric else []
        return {tuple(map(str, point.attributes.values())): point for point in points}

    def counts(self, name: str) -> dict[tuple[str, ...], int]:
        """Of a histogram, how many; of a counter, its value."""
        points = self.points(name).items()
        return {key: point.count if hasattr(point, "count") else point.value for key, point in points}

    def spans(self, name: str) -> list[ReadableSpan]:
        """Those of this name that have ended, as they did."""
        return [span for span in self._spans.get_finished_spans() if span.name == f"mongolock {name}"]


@pytest.fixture
def seen() -> Iterator[Seen]:
    seen = Seen()
    yield seen
    seen.meters.shutdown()
    seen.tracers.shutdown()


@pytest.fixture
async def locks(make: MakeRepository, seen: Seen) -> LockRepository:
    locks = make(owner="me")
    instrument(locks, seen)
    return locks


def instrument(locks: LockRepository, seen: Seen, **options: Any) -> None:
    otel.instrument(locks, meter_provider=seen.meters, tracer_provider=seen.tracers, **options)


async def test_series_of_a_lock_that_is_only_made_are_zero(locks: LockRepository, seen: Seen) -> None:
    locks.lock("cron")
    await locks.create("other")
    zero = {("cron",): 0, ("other",): 0}
    assert [seen.counts(name) for name in ("lease.count", "waiter.count", "lease.losses")] == [zero] * 3


async def test_a_block_is_measured(locks: LockRepository, seen: Seen) -> None:
    async with locks.lock("cron"):
        assert seen.counts("lease.count") == {("cron",): 1}
        await asyncio.sleep(3)
    assert seen.counts("lease.count") == {("cron",): 0}
    assert seen.counts("acquire.duration") == {("cron", "granted"): 1}
    assert seen.points("hold.duration")["cron", "released"].sum == 3


@pytest.mark.parametrize("outcome", ["busy", "timeout", "cancelled", "error"])
async def test_each_end_of_a_call_has_its_outcome(
    locks: LockRepository, others: LockRepository, memory: FaultyLocks, seen: Seen, outcome: str
) -> None:
    await others.acquire("cron")
    if outcome == "busy":
        await locks.obtain("cron")
    elif outcome == "timeout":
        with pytest.raises(LockTimeoutError):
            await locks.acquire("cron", timeout=2)
    elif outcome == "cancelled":
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(locks.acquire("cron"), 2)
    else:
        memory.faults = [lost("claim", delay=2)]
        with pytest.raises(LockBackendError):
            await locks.acquire("cron")
    kind = ("LockBackendError",) if outcome == "error" else ()
    (key, point), *others_ = seen.points("acquire.duration").items()
    assert (key, others_) == (("cron", outcome, *kind), [])
    assert point.sum == about(0 if outcome == "busy" else 2)
    assert point.attributes.get("error.type") == (kind[0] if kind else None)
    (span,) = seen.spans("acquire")
    assert span.status.status_code == (StatusCode.ERROR if outcome == "error" else StatusCode.UNSET)
    assert seen.counts("waiter.count") == {("cron",): 0}
    assert seen.counts("lease.count") == {("cron",): 0}


async def test_waiters_are_counted_while_they_wait(
    locks: LockRepository, others: LockRepository, seen: Seen
) -> None:
    held = await others.acquire("cron")
    tasks = [waiting(locks) for _ in range(3)]
    await settle()
    assert seen.counts("waiter.count") == {("cron",): 3}
    tasks[1].cancel()
    await held.release()
    await (await tasks[0]).release()
    await (await tasks[2]).release()
    assert seen.counts("waiter.count") == {("cron",): 0}
    assert seen.counts("acquire.duration") == {("cron", "granted"): 2, ("cron", "cancelled"): 1}
    assert seen.counts("handoff.duration") == {("cron",): 2}


async def test_renewals_are_measured_and_not_traced(
    locks: LockRepository, memory: FaultyLocks, seen: Seen
) -> None:
    memory.faults = [Fault("renew", delay=0.25, answer=True)]
    async with locks.lock("cron", ttl=9):
        await asyncio.sleep(10)
    point = seen.points("renewal.duration")["cron",]
    assert (point.count, point.sum) == (3, 0.25)
    assert {span.name for span in seen._spans.get_finished_spans()} == {"mongolock acquire", "mongolock hold"}


async def test_the_lag_of_a_boundary_is_measured(seen: Seen) -> None:
    memory = MemoryLocks()
    async with LockRepository(memory) as locks:
        instrument(locks, seen)
        ticks = locks.every(5, "cron")
        lease = await anext(ticks)
        await ticks.aclose()
    assert lease is not None
    point = seen.points("tick.lag")["cron",]
    assert point.count == 1
    assert 0 <= point.sum < 0.1
    (hold,) = seen.spans("hold")
    assert hold.attributes is not None
    assert lease.boundary is not None
    assert hold.attributes["mongolock.boundary"] == lease.boundary.isoformat()


async def test_a_loss_is_an_event_of_its_hold(
    locks: LockRepository, others: LockRepository, seen: Seen
) -> None:
    with pytest.raises(LeaseLostError):
        async with locks.lock("cron", ttl=9) as lease:
            await others.force_release("cron")
            await asyncio.sleep(9)
    (hold,) = seen.spans("hold")
    assert [event.name for event in hold.events] == ["lost"]
    assert hold.events[0].attributes == {"reason": "forced, or removed on the server"}
    assert hold.status.status_code == StatusCode.ERROR
    assert hold.attributes == {
        NAME: "cron",
        "mongolock.lock.kind": "mutex",
        "mongolock.owner": "me",
        TOKEN: lease.fencing_token,
        "outcome": "lost",
    }
    assert seen.counts("hold.duration") == {("cron", "lost"): 1}
    assert seen.counts("lease.losses") == {("cron",): 1}
    assert seen.counts("lease.count") == {("cron",): 0}


async def test_a_call_that_waited_has_its_place_and_its_token_in_its_span(
    locks: LockRepository, others: LockRepository, seen: Seen
) -> None:
    held = await others.acquire("cron")
    waiter = waiting(locks)
    await asyncio.sleep(2)
    await held.release()
    lease = await waiter
    (span,) = seen.spans("acquire")
    assert span.attributes == {
        NAME: "cron",
        "outcome": "granted",
        "mongolock.lock.kind": "mutex",
        "mongolock.owner": "me",
        "mongolock.queue.place": 0,
        TOKEN: lease.fencing_token,
    }
    assert span.start_time is not None
    assert span.end_time is not None
    assert (span.end_time - span.start_time) / 1e9 > 1.99
    await lease.release()


async def test_spans_are_children_of_what_was_current_at_the_call_and_current_nowhere(
    locks: LockRepository, others: LockRepository, seen: Seen
) -> None:
    tracer = seen.tracers.get_tracer("the user's")
    held = await others.acquire("cron")
    held_there = asyncio.create_task(held.release())
    with tracer.start_as_current_span("request") as request:
        async with locks.lock("cron"):
            assert trace.get_current_span() is request
            with tracer.start_as_current_span("work"):
                await settle()
        assert trace.get_current_span() is request
    await held_there
    (work,) = [span for span in seen._spans.get_finished_spans() if span.name == "work"]
    for span in (*seen.spans("acquire"), *seen.spans("hold"), work):
        assert span.parent is not None
        assert span.parent.span_id == request.get_span_context().span_id


async def test_tasks_at_a_time_have_their_own_parents(locks: LockRepository, seen: Seen) -> None:
    tracer = seen.tracers.get_tracer("the user's")
    ids: set[int] = set()

    async def one() -> None:
        with tracer.start_as_current_span("request") as request:
            ids.add(request.get_span_context().span_id)
            async with locks.lock("cron"):
                await asyncio.sleep(1)

    await asyncio.gather(*(one() for _ in range(4)))
    for kind in ("acquire", "hold"):
        assert {span.parent.span_id for span in seen.spans(kind) if span.parent} == ids


async def test_an_upgrade_is_a_call_in_the_same_hold(locks: LockRepository, seen: Seen) -> None:
    async with locks.rwlock("cfg").upgradable() as lease:
        await lease.upgrade()
    assert len(seen.spans("acquire")) == 2
    assert len(seen.spans("hold")) == 1
    assert seen.counts("lease.count") == {("cfg",): 0}


async def test_what_was_taken_before_is_not_counted(
    make: MakeRepository, others: LockRepository, seen: Seen
) -> None:
    locks = make()
    lease = await locks.acquire("cron")
    await others.acquire("other")
    waiter = asyncio.create_task(locks.acquire("other", timeout=2))
    await settle()
    instrument(locks, seen)
    await lease.release()
    with pytest.raises(LockTimeoutError):
        await waiter
    assert seen.metrics == {}
    assert seen.spans("hold") == []


async def test_a_lease_that_goes_on_in_another_process_is_held_in_one(
    locks: LockRepository, make: MakeRepository, seen: Seen
) -> None:
    successor = make()
    instrument(successor, seen)
    lease = await successor.adopt(await (await locks.acquire("cron")).export())
    assert lease is not None
    assert seen.counts("lease.count") == {("cron",): 1}
    await lease.release()
    assert seen.counts("hold.duration") == {("cron", "exported"): 1, ("cron", "released"): 1}


async def test_names_are_made_few(make: MakeRepository, seen: Seen) -> None:
    locks = make()
    instrument(locks, seen, lock_name=lambda name: name.partition(":")[0])
    for number in range(3):
        async with locks.lock(f"order:{number}"):
            pass
    assert seen.counts("acquire.duration") == {("order", "granted"): 3}
    assert seen.counts("lease.count") == {("order",): 0}
    spans = [*seen.spans("acquire"), *seen.spans("hold")]
    assert {span.attributes[NAME] for span in spans if span.attributes} == {"order"}


@pytest.mark.parametrize("broken", [len, lambda name: {}[name]])
async def test_a_name_that_cannot_be_made_is_logged_and_harms_no_lock(
    make: MakeRepository, seen: Seen, caplog: pytest.LogCaptureFixture, broken: Any
) -> None:
    locks = make()
    instrument(locks, seen, lock_name=broken)
    async with locks.lock("cron") as lease:
        assert lease.held
    assert "_Telemetry.created failed" in caplog.messages[0]
    assert seen.metrics == {}


async def test_a_lease_whose_beginning_had_no_name_has_no_end(
    make: MakeRepository, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    names: dict[str, str] = {}
    locks = make()
    instrument(locks, seen, lock_name=lambda name: names[name])
    async with locks.lock("cron"):
        names["cron"] = "cron"
        await asyncio.sleep(2)
    assert len(caplog.messages) == 1
    assert seen.metrics == {}


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (LockBackendError("claim", "cron", "NetworkTimeout"), "claim 'cron': MongoDB failed: NetworkTimeout"),
        (ValueError("a whole command"), "ValueError"),
    ],
)
async def test_the_text_of_an_error_is_in_its_span_if_it_is_ours(
    locks: LockRepository, memory: FaultyLocks, seen: Seen, error: Exception, text: str
) -> None:
    memory.faults = [Fault("claim", error=error)]
    with pytest.raises(type(error)):
        await locks.obtain("cron")
    (span,) = seen.spans("acquire")
    assert span.status.description == text
    assert span.attributes is not None
    assert span.attributes["error.type"] == type(error).__name__
    assert span.events == ()


async def test_a_second_call_changes_nothing_and_warns(
    locks: LockRepository, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    again = Seen()
    instrument(locks, again)
    assert "is instrumented already" in caplog.messages[0]
    async with locks.lock("cron"):
        pass
    assert again.metrics == {}
    assert seen.counts("acquire.duration") == {("cron", "granted"): 1}


async def test_units_and_buckets_are_those_of_seconds(locks: LockRepository, seen: Seen) -> None:
    async with locks.lock("cron", ttl=9):
        await asyncio.sleep(4)
    units = {name: metric.unit for name, metric in seen.metrics.items()}
    assert units == {
        "mongolock.acquire.duration": "s",
        "mongolock.hold.duration": "s",
        "mongolock.renewal.duration": "s",
        "mongolock.lease.count": "{lease}",
        "mongolock.lease.losses": "{lease}",
        "mongolock.waiter.count": "{waiter}",
    }
    for name, most in (("acquire", 300), ("hold", 14400), ("renewal", 10)):
        for point in seen.points(f"{name}.duration").values():
            assert (point.explicit_bounds[0], point.explicit_bounds[-1]) == (0.001, most)


async def test_without_a_provider_the_global_one_is_taken(make: MakeRepository) -> None:
    locks = make()
    otel.instrument(locks)
    async with locks.lock("cron") as lease:
        assert isinstance(lease, Lease)


@pytest.mark.parametrize(
    "wrong",
    [
        {"locks": MemoryLocks()},
        {"meter_provider": TracerProvider(shutdown_on_exit=False)},
        {"tracer_provider": 7},
        {"lock_name": "order"},
        {"lock_name": asyncio.sleep},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_wrong_arguments_are_type_errors(make: MakeRepository, wrong: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"locks": make(), **wrong}
    with pytest.raises(TypeError, match=f"{next(iter(wrong))} must be a"):
        otel.instrument(arguments.pop("locks"), **arguments)


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mongolock_async.otel")
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    with pytest.raises(ImportError, match=r'install the extra "otel", mongolock-async\[otel\]'):
        importlib.import_module("mongolock_async.otel")

"""Metrics and traces of locks, by OpenTelemetry; needs the extra ``otel``.

>>> from mongolock_async import otel
>>>
>>> locks = LockRepository(db.locks)
>>> otel.instrument(locks, lock_name=lambda name: name.partition(":")[0])
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable

from mongolock_async import LockError, LockRepository, __version__
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

try:
    from opentelemetry.metrics import Histogram, Meter, MeterProvider, UpDownCounter, get_meter
    from opentelemetry.trace import Span, Status, StatusCode, Tracer, TracerProvider, get_tracer
except ImportError as error:
    raise ImportError(
        'mongolock_async.otel needs OpenTelemetry: install the extra "otel", mongolock-async[otel]'
    ) from error

__all__ = ["instrument"]

logger = logging.getLogger("mongolock_async")

NAME = "mongolock.lock.name"
KIND = "mongolock.lock.kind"
OWNER = "mongolock.owner"
TOKEN = "mongolock.fencing_token"  # noqa: S105 - no password
PLACE = "mongolock.queue.place"
BOUNDARY = "mongolock.boundary"
OUTCOME = "outcome"
ERROR = "error.type"
# Upper bounds in seconds. Of a command or a hand-over; of what may take minutes; of what may take hours.
QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SLOW = (*QUICK, 30.0, 60.0, 300.0)
HELD = (*SLOW, 900.0, 3600.0, 14400.0)

LockName = Callable[[str], str]
Attributes = dict[str, str | int]


def instrument(
    locks: LockRepository,
    *,
    meter_provider: MeterProvider | None = None,
    tracer_provider: TracerProvider | None = None,
    lock_name: LockName | None = None,
) -> None:
    """Have OpenTelemetry measure and trace what these locks do, from the next call on.

    What is measured: docs/telemetry.md. A lock that was made before is measured as soon as it is used. Each
    repository is instrumented once: a second call changes nothing, and logs a warning.

    Args:
        locks: the repository.
        meter_provider: where the metrics go; None: the global one.
        tracer_provider: where the spans go; None: the global one.
        lock_name: makes of a lock's name the attribute ``mongolock.lock.name``, such as ``order`` of
            ``order:4711``: each value is a time series of its own, so there should be few. It must be quick,
            and return the same for the same name. None: the name as it is.

    Raises:
        TypeError: an argument has the wrong type, or ``lock_name`` is a coroutine function.
    """
    if not isinstance(locks, LockRepository):
        raise TypeError(f"locks must be a LockRepository, not {type(locks).__name__}")
    for argument, provider, kind in (
        ("meter_provider", meter_provider, MeterProvider),
        ("tracer_provider", tracer_provider, TracerProvider),
    ):
        if provider is not None and not isinstance(provider, kind):
            raise TypeError(f"{argument} must be a {kind.__name__}, not {type(provider).__name__}")
    if lock_name is not None and (not callable(lock_name) or inspect.iscoroutinefunction(lock_name)):
        raise TypeError(f"lock_name must be a function of a name, not {lock_name!r}")
    listeners = locks._member.listeners  # noqa: SLF001 - of this package
    if any(isinstance(listener, _Telemetry) for listener in listeners.audience):
        logger.warning("%r is instrumented already; nothing was changed", locks)
        return
    meter = get_meter("mongolock_async", __version__, meter_provider)
    tracer = get_tracer("mongolock_async", __version__, tracer_provider)
    listeners.add(_Telemetry(_Instruments(meter), tracer, lock_name or str))


class _Instruments:
    """What is measured."""

    def __init__(self, meter: Meter) -> None:
        def seconds(name: str, bounds: tuple[float, ...], what: str) -> Histogram:
            name = f"mongolock.{name}"
            return meter.create_histogram(name, "s", what, explicit_bucket_boundaries_advisory=bounds)

        def count(noun: str, what: str) -> UpDownCounter:
            return meter.create_up_down_counter(f"mongolock.{noun}.count", f"{{{noun}}}", what)

        self.acquire = seconds("acquire.duration", SLOW, "From asking for a lock to the end of the call.")
        self.hold = seconds("hold.duration", HELD, "For how long leases were held.")
        self.renewal = seconds("renewal.duration", QUICK, "From sending a renewal to its answer.")
        self.hand_off = seconds(
            "handoff.duration",
            QUICK,
            "From the grant of a lock that was waited for to its holder's knowing it.",
        )
        self.lag = seconds("tick.lag", QUICK, "From a boundary of a schedule to its claim.")
        self.leases = count("lease", "Leases that are held.")
        self.waiters = count("waiter", "Calls that wait for a lock.")
        # A histogram cannot begin at zero, and the first loss of a process must show in a rate.
        self.losses = meter.create_counter("mongolock.lease.losses", "{lease}", "Leases that were lost.")


class _Telemetry(LockListener):
    """Measures and traces what it is told."""

    def __init__(self, instruments: _Instruments, tracer: Tracer, lock_name: LockName) -> None:
        self._instruments = instruments
        self._tracer = tracer
        self._lock_name = lock_name
        # By name and token.
        self._holds: dict[tuple[str, int], Span] = {}

    def created(self, event: CreatedEvent) -> None:
        """Its series begin at zero."""
        self._begin(self._name(event))

    def waiting(self, event: WaitingEvent) -> None:
        """One more."""
        self._instruments.waiters.add(1, self._name(event))

    def acquired(self, event: AcquiredEvent) -> None:
        """A hold begins. Its span is a child of what is current here, in the caller's task."""
        name, token = self._name(event), event.fencing_token
        self._answered(event, name, event.outcome, {TOKEN: token})
        if event.hand_off is not None:
            self._instruments.hand_off.record(event.hand_off, name)
        if event.lag is not None:
            self._instruments.lag.record(event.lag, name)
        when = {} if event.boundary is None else {BOUNDARY: event.boundary.isoformat()}
        told = {**name, KIND: event.kind, OWNER: event.owner, TOKEN: token, **when}
        self._holds[event.name, token] = self._tracer.start_span("mongolock hold", attributes=told)
        self._instruments.leases.add(1, name)

    def upgraded(self, event: UpgradedEvent) -> None:
        """The hold goes on."""
        self._answered(event, self._name(event), event.outcome, {TOKEN: event.fencing_token})

    def busy(self, event: BusyEvent) -> None:
        """The end of a call."""
        self._answered(event, self._name(event), event.outcome)

    def timed_out(self, event: TimedOutEvent) -> None:
        """The end of a call."""
        self._answered(event, self._name(event), event.outcome)

    def failed(self, event: FailedEvent) -> None:
        """The end of a call."""
        error = event.error if event.outcome == "error" else None
        self._answered(event, self._name(event), event.outcome, error=error)

    def renewed(self, event: RenewedEvent) -> None:
        """No span: renewals are many."""
        self._instruments.renewal.record(event.duration, self._name(event))

    def released(self, event: ReleasedEvent) -> None:
        """The end of a hold."""
        self._over(event, event.held, event.outcome)

    def lost(self, event: LostEvent) -> None:
        """The end of a hold that its holder did not want."""
        self._over(event, event.held, event.outcome, event.reason)

    def _answered(
        self,
        event: CallEvent,
        name: Attributes,
        outcome: str,
        more: Attributes | None = None,
        error: BaseException | None = None,
    ) -> None:
        ended = {**name, OUTCOME: outcome, **({} if error is None else {ERROR: type(error).__name__})}
        self._instruments.acquire.record(event.waited, ended)
        self._begin(name)
        if event.queued:
            self._instruments.waiters.add(-1, name)
        place = {} if event.place is None else {PLACE: event.place}
        told = {**ended, KIND: event.kind, OWNER: event.owner, **place, **(more or {})}
        began = time.time_ns() - int(event.waited * 1e9)
        span = self._tracer.start_span("mongolock acquire", attributes=told, start_time=began)
        if error is not None:
            # Only the text of our own errors is known to quote no command.
            text = str(error) if isinstance(error, LockError) else type(error).__name__
            span.set_status(Status(StatusCode.ERROR, text))
        span.end()

    def _over(self, event: LeaseEvent, held: float, outcome: str, reason: str | None = None) -> None:
        name, span = self._name(event), self._holds.pop((event.name, event.fencing_token), None)
        if span is None:  # its beginning has failed, as by ``lock_name``
            return
        self._instruments.hold.record(held, {**name, OUTCOME: outcome})
        self._instruments.leases.add(-1, name)
        span.set_attribute(OUTCOME, outcome)
        if reason is not None:
            self._instruments.losses.add(1, name)
            span.add_event("lost", {"reason": reason})
            span.set_status(Status(StatusCode.ERROR, reason))
        span.end()

    def _begin(self, name: Attributes) -> None:
        for counter in (self._instruments.leases, self._instruments.waiters, self._instruments.losses):
            counter.add(0, name)

    def _name(self, event: LockEvent) -> Attributes:
        name = self._lock_name(event.name)
        if not isinstance(name, str):
            raise TypeError(f"lock_name must return a str, not {type(name).__name__}")
        return {NAME: name}

"""The pipeline and its answers, on a real server, against the document in memory, in random sequences."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from protocol.lock import START, Lock

# To make a sequence that fails a short one may take minutes.
pytestmark = pytest.mark.timeout(400)

LEASES = st.sampled_from([f"s.{number}" for number in range(8)])
TICK_LEASES = st.sampled_from(["s.10", "s.11"])
OWNERS = st.sampled_from(["$evil", "", "ü🔒", 7, -(2**63), 2**63 - 1])
TTLS = st.sampled_from([1, 700, 4_000, 9_000, 9_000, 30_000, 30_000])
# By number: one who holds the lock, or waits for it, or one who waits, or does neither.
WHO = st.integers(0, 20)
SEVERAL = st.lists(WHO, min_size=1, max_size=3)
NEW = st.sampled_from([f"n.{number}" for number in range(4)])
WRONG = st.sampled_from([0, 0, 0, 1])
EARS = st.sampled_from([None, "one", "two"])
BOOLEANS = st.booleans()
MUTEX = st.sampled_from([False, False, True])


def step(name: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(name), st.fixed_dictionaries(arguments))


AT_LEAST = st.sampled_from([None, None, None, 1, 5_000, 60_000])
VALUES = st.sampled_from([None, None, None, "$owner", "ü🔒"])
SIZE = {
    "weight": st.integers(1, 3),
    "capacity": st.sampled_from([None, None, None, 0, 1, 3, 3]),
    "kind": st.sampled_from(
        [None, None, None, None, "mutex", "semaphore", "rwlock", "rwlock", "once", "once"]
    ),
    "at_least": AT_LEAST,
    "value": VALUES,
}
CLAIM = step("claim", lease=LEASES, owner=OWNERS, ttl=TTLS, **SIZE)
QUEUE_UP = step("queue_up", lease=LEASES, owner=OWNERS, ttl=TTLS, ear=EARS, **SIZE)
TICK = step(
    "claim_tick",
    lease=TICK_LEASES,
    owner=OWNERS,
    ttl=TTLS,
    periods=st.sampled_from([-1, 0, 0, 0, 1]),
    late=st.sampled_from([0, 0, 700]),
    lasts=st.sampled_from([1, 2_500, 5_000, 5_000, 86_400_000]),
    kept=st.sampled_from([0, 0, 60_000]),
    period=st.sampled_from([None, None, 5_000, 1_700]),
)
# The server's time is fixed when a command begins, and commands may be carried out in another order.
TIMES = [-300, 1, 699, 700, 700, 2_500, 2_500, 5_000, 10_000, 31_000]
TIME = step("time_passes", ms=st.sampled_from(TIMES), who=WHO)
REFRESH = step("refresh", several=SEVERAL)
UPGRADE = step("upgrade", who=WHO, number=st.integers(0, 1), ttl=TTLS, ear=EARS, stays=BOOLEANS)
HAND_OVER = step(
    "hand_over",
    who=WHO,
    wrong=WRONG,
    lease=LEASES,
    owner=OWNERS,
    ttl=TTLS,
    ear=EARS,
    at_least=AT_LEAST,
    value=VALUES,
)
RELEASE = step(
    "release",
    who=WHO,
    places=st.just([]) | SEVERAL,
    wrong=st.none() | WRONG,
    serves=BOOLEANS,
    mutex=MUTEX,
    keeps=BOOLEANS,
)
PROCLAIM = step(
    "proclaim",
    who=WHO,
    wrong=WRONG,
    value=st.sampled_from(["", "$token", "http://10.0.0.7"]),
    number=st.integers(1, 3),
)
KINDS = [
    *[CLAIM] * 2,
    *[QUEUE_UP] * 5,
    *[TICK] * 2,
    *[TIME] * 2,
    *[HAND_OVER] * 2,
    *[RELEASE] * 2,
    *[UPGRADE] * 2,
    step("downgrade", who=WHO, number=st.integers(0, 1)),
    step("resize", capacity=st.integers(1, 4)),
    step("withdraw", who=WHO),
    step("ask", who=WHO, mutex=MUTEX, keeps=BOOLEANS),
    step("prolong", who=WHO, wrong=WRONG, ttl=st.none() | TTLS, number=st.integers(1, 3)),
    step("renew", several=SEVERAL, wrong=WRONG),
    PROCLAIM,
    step("adopt", who=WHO, wrong=WRONG, new=NEW),
    step("finish", who=WHO, wrong=WRONG),
    st.just(("reset", {})),
    REFRESH,
    st.just(("touch", {})) | step("force", who=st.none() | WHO, wrong=WRONG),
]
# Where there are few, most ticks are granted, and no place outlives the refreshed one.
FEW = [
    TICK,
    TICK,
    QUEUE_UP,
    TIME,
    REFRESH,
    step("release", who=WHO, places=st.just([]), wrong=st.none(), serves=st.just(False)),
]
READ = {
    "lease": LEASES,
    "owner": OWNERS,
    "ttl": TTLS,
    "kind": st.just("rwlock"),
    "capacity": st.none(),
    "weight": st.sampled_from([1, 1, 2, 2, 3]),
}
# A lock that is read, upgraded and written to, and nothing else.
READERS = [
    step("claim", **READ),
    *[step("queue_up", ear=EARS, **READ)] * 2,
    *[UPGRADE] * 3,
    step("downgrade", who=WHO, number=st.integers(0, 1)),
    RELEASE,
    step("ask", who=WHO),
    REFRESH,
    step("time_passes", ms=st.sampled_from([1, 700, 2_500]), who=WHO),
]
# Something is done once: few come, and wait, and know the outcome.
DOING: dict[str, Any] = {"kind": st.just("once"), "weight": st.just(1), "capacity": st.just(1)}
ONCE = [
    *[step("claim", lease=LEASES, owner=OWNERS, ttl=TTLS, **DOING)] * 2,
    *[step("queue_up", lease=LEASES, owner=OWNERS, ttl=TTLS, ear=EARS, **DOING)] * 3,
    *[step("finish", who=WHO, wrong=WRONG)] * 3,
    *[st.just(("reset", {}))] * 2,
    step("claim", lease=LEASES, owner=OWNERS, ttl=TTLS, **SIZE),
    step("resize", capacity=st.integers(1, 4)),
    step("adopt", who=WHO, wrong=WRONG, new=NEW),
    step("release", who=WHO, places=st.just([]), wrong=st.none(), serves=BOOLEANS, mutex=MUTEX),
    step("force", who=st.none() | WHO, wrong=WRONG),
    step("ask", who=WHO, mutex=MUTEX),
    step("time_passes", ms=st.sampled_from([1, 700, 5_000]), who=WHO),
    st.just(("touch", {})),
    TICK,
]
STEPS = st.sampled_from([KINDS, KINDS, FEW, READERS, READERS, ONCE, ONCE]).flatmap(
    lambda kinds: st.lists(st.sampled_from(kinds).flatmap(lambda kind: kind), min_size=30, max_size=50)
)

# What is met by chance only now and then.
ASKED: dict[str, Any] = {"owner": 7, "ttl": 9_000, "weight": 1, "capacity": 1}
LASTING = {"periods": 0, "late": 0, "lasts": 5_000, "kept": 0, "period": None}
TICKED: dict[str, Any] = {"lease": "s.10", "owner": 7, "ttl": 9_000, **LASTING}
CLOCK_GOES_BACK = [
    ("claim", {"lease": "s.1", **ASKED}),
    ("time_passes", {"ms": -300, "who": 0}),
    ("prolong", {"who": 0, "wrong": 0, "ttl": None, "number": 0}),
]
PLACE_OUTLIVES_ALL = [
    *[("queue_up", {"lease": lease, "ear": "one", **ASKED}) for lease in ("s.1", "s.2")],
    ("time_passes", {"ms": 2_500, "who": 1}),
    ("refresh", {"several": [1]}),
]
TTL_CHANGES = [
    ("claim", {"lease": "s.1", **ASKED}),
    ("prolong", {"who": 0, "wrong": 0, "ttl": 30_000, "number": 2}),
    ("time_passes", {"ms": 700, "who": 0}),
    ("prolong", {"who": 0, "wrong": 0, "ttl": 700, "number": 1}),
    ("prolong", {"who": 0, "wrong": 0, "ttl": 700, "number": 3}),
    ("time_passes", {"ms": 2_500, "who": 0}),
    ("renew", {"several": [0], "wrong": 0}),
]
ONE_OF_TWO_IS_FORCED = [
    *[("claim", {"lease": lease, **ASKED, "capacity": 2}) for lease in ("s.1", "s.2")],
    ("queue_up", {"lease": "s.3", "ear": "one", **ASKED, "capacity": 2}),
    ("force", {"who": 0, "wrong": 0}),
]
READ_ASKED: dict[str, Any] = {"owner": 7, "ttl": 1, "kind": "rwlock", "capacity": None}
# A place that a question prolongs, and that is granted by it for less.
PLACE_OUTLIVES_ITS_GRANT = [
    ("claim", {"lease": "s.1", "weight": 3, **READ_ASKED}),
    ("queue_up", {"lease": "s.2", "weight": 1, "ear": None, **READ_ASKED}),
    ("time_passes", {"ms": 1, "who": 0}),
    ("ask", {"who": 1}),
]
# Granted by another's command, released before its waiter asks, and after that.
KEPT_FROM_THE_QUESTION = [
    ("claim", {"lease": "s.1", **ASKED}),
    *[("queue_up", {"lease": lease, "ear": "one", **ASKED, "at_least": 8_000}) for lease in ("s.2", "s.3")],
    ("withdraw", {"who": 0}),
    ("ask", {"who": 0, "keeps": False}),
    ("ask", {"who": 0, "keeps": True}),
    ("release", {"who": 0, "places": [], "wrong": None, "serves": False, "keeps": True}),
    ("time_passes", {"ms": 9_000, "who": 0}),
    ("ask", {"who": 1, "keeps": True}),
]
# It says something, and goes on reading.
DOWNGRADED_WITH_A_VALUE = [
    ("claim", {"lease": "s.1", "weight": 2, **READ_ASKED, "ttl": 9_000}),
    ("upgrade", {"who": 0, "number": 0, "ttl": 9_000, "ear": None, "stays": True}),
    ("proclaim", {"who": 0, "wrong": 0, "value": "$token", "number": 3}),
    ("downgrade", {"who": 0, "number": 0}),
]
# By a clock that is behind the one that has granted it.
RELEASED_BEFORE_ITS_GRANT = [
    ("claim", {"lease": "s.1", **ASKED}),
    ("time_passes", {"ms": -300, "who": 0}),
    ("release", {"who": 0, "places": [], "wrong": None, "serves": False, "keeps": True}),
]
VALUES_CHANGE = [
    ("claim", {"lease": "s.1", **ASKED, "value": "$owner"}),
    *[
        ("proclaim", {"who": 0, "wrong": wrong, "value": value, "number": number})
        for wrong, value, number in [(0, "$token", 2), (0, "late", 1), (1, "another's", 3), (0, "", 3)]
    ],
    ("queue_up", {"lease": "s.2", "ear": "one", **ASKED, "value": "next"}),
    ("release", {"who": 0, "places": [], "wrong": None, "serves": False}),
]
TICK_ONCE_MORE = [("claim_tick", TICKED), ("time_passes", {"ms": 5_000, "who": 0}), ("claim_tick", TICKED)]
# Its window has just not begun yet, has begun, has ended at this very moment, and its like was served.
AT_THE_EDGES = [
    ("claim_tick", {**TICKED, "late": 1}),
    ("claim_tick", {**TICKED, "periods": -1, "lasts": 5_000}),
    ("claim_tick", {**TICKED, "ttl": 1}),
    ("time_passes", {"ms": 1, "who": 0}),
    ("claim_tick", {**TICKED, "lease": "s.11"}),
    ("claim_tick", {**TICKED, "lease": "s.11", "late": 1, "kept": 60_000}),
]
# The one that is named has not come, though one before it lasts; and it has, long ago.
FIRST_OF_MANY = [
    ("claim_tick", {**TICKED, "periods": 1, "lasts": 86_400_000, "period": 5_000}),
    (
        "claim_tick",
        {**TICKED, "periods": -7, "late": 300, "lasts": 86_400_000, "period": 5_000, "kept": 60_000},
    ),
]


def agree(collection: Any, examples: int) -> None:
    unchecked = list(HealthCheck)

    @settings(max_examples=examples, deadline=None, suppress_health_check=unchecked)
    @given(STEPS)
    @example(CLOCK_GOES_BACK)
    @example(PLACE_OUTLIVES_ALL)
    @example(TICK_ONCE_MORE)
    @example(PLACE_OUTLIVES_ITS_GRANT)
    @example(TTL_CHANGES)
    @example(ONE_OF_TWO_IS_FORCED)
    @example(AT_THE_EDGES)
    @example(FIRST_OF_MANY)
    @example(VALUES_CHANGE)
    @example(KEPT_FROM_THE_QUESTION)
    @example(RELEASED_BEFORE_ITS_GRANT)
    @example(DOWNGRADED_WITH_A_VALUE)
    def follow(steps: list[tuple[str, dict[str, Any]]]) -> None:
        lock = Lock(collection)
        for name, arguments in steps:
            getattr(lock, name)(**arguments)
            lock.check()

    follow()


@pytest.mark.usefixtures("untraced")
def test_the_server_and_the_document_in_memory_agree_after_every_step(plain: Any) -> None:
    agree(plain, 25)


def test_a_repeated_claim_by_a_clock_that_is_behind_keeps_its_boundary(plain: Any) -> None:
    lock = Lock(plain)
    first = {**TICKED, "late": 0, "lasts": 86_400_000, "period": 5_000}
    lock.claim_tick(**TICKED | {"periods": 1})  # is not due; the next two are one command, sent twice
    lock.claim_tick(**first | {"periods": -7})
    assert lock.document.boundary == START
    lock.time_passes(-300, 0)
    lock.claim_tick(**first | {"periods": -6})
    lock.check()
    assert lock.document.boundary == START


@pytest.mark.long
def test_the_server_and_the_document_in_memory_agree_in_200_sequences(plain: Any) -> None:
    agree(plain, 200)

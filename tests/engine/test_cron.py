"""When a cron expression is due: as cronsim has it, also where clocks change."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mongolock_async._engine.cron import NAMED, Cron

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
# The hours at which clocks are set forward and back, in UTC. On Lord Howe it is by half an hour.
CHANGES = {
    BERLIN: [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)],
    NEW_YORK: [datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)],
    LORD_HOWE: [datetime(2026, 10, 3, 15, 30, tzinfo=UTC), datetime(2026, 4, 4, 15, tzinfo=UTC)],
}
EXPRESSIONS = [
    *["30 2 * * *", "45 1 * * *", "0 3 * * *", "15,45 1-3 * * *", "0 2 * * 0", "30 1,2 1-7 * *"],
    *["* * * * *", "*/20 * * * *", "0 * * * *", "30 */2 * * *", "0 0 * * *", "59 23 L * *"],
    *["0 30 2 * * *", "*/15 * 1-2 * * *", "0 12 29 2 *", "0 0 31 * *", "0 0 * * 1#1"],
]


def ms(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def due(expression: str, zone: str, since: datetime, count: int) -> list[str]:
    """The next moments after that one, in UTC."""
    cron, found = Cron(expression, zone), [ms(since)]
    for _ in range(count):
        found.append(cron.next(found[-1]))
    return [f"{EPOCH + timedelta(milliseconds=one):%Y-%m-%d %H:%M}" for one in found[1:]]


@pytest.mark.parametrize(
    ("zone", "expression", "moments"),
    [
        # 02:30 is left out: 03:00, which comes instead.
        (BERLIN, "30 2 * * *", ["2026-03-28 01:30", "2026-03-29 01:00", "2026-03-30 00:30"]),
        (NEW_YORK, "30 2 * * *", ["2026-03-07 07:30", "2026-03-08 07:00", "2026-03-09 06:30"]),
        (LORD_HOWE, "15 2 * * *", ["2026-10-02 15:45", "2026-10-03 15:30", "2026-10-04 15:15"]),
    ],
)
def test_a_time_that_a_change_of_clocks_leaves_out_comes_just_behind_it(
    zone: str, expression: str, moments: list[str]
) -> None:
    assert due(expression, zone, CHANGES[zone][0] - timedelta(days=1, hours=6), 3) == moments


@pytest.mark.parametrize(
    ("zone", "expression", "moments"),
    [
        (BERLIN, "30 2 * * *", ["2026-10-24 00:30", "2026-10-25 00:30", "2026-10-26 01:30"]),
        (NEW_YORK, "30 1 * * *", ["2026-10-31 05:30", "2026-11-01 05:30", "2026-11-02 06:30"]),
        (LORD_HOWE, "45 1 * * *", ["2026-04-03 14:45", "2026-04-04 14:45", "2026-04-05 15:15"]),
    ],
)
def test_a_time_that_a_change_of_clocks_repeats_comes_once(
    zone: str, expression: str, moments: list[str]
) -> None:
    assert due(expression, zone, CHANGES[zone][1] - timedelta(days=1, hours=6), 3) == moments


@pytest.mark.parametrize("zone", CHANGES)
def test_what_is_due_every_half_hour_or_so_does_not_care_for_the_change(zone: str) -> None:
    for change in CHANGES[zone]:
        moments = [ms(change - timedelta(hours=3))]
        cron = Cron("*/30 * * * *", zone)
        for _ in range(12):
            moments.append(cron.next(moments[-1]))
        assert {later - sooner for sooner, later in itertools.pairwise(moments)} == {30 * 60_000}


def test_two_times_that_are_left_out_are_one_moment() -> None:
    before = CHANGES[BERLIN][0] - timedelta(hours=2)
    assert due("15,30,45 2 * * *", BERLIN, before, 2) == ["2026-03-29 01:00", "2026-03-30 00:15"]


def test_the_29th_of_february_comes_every_four_years_but_for_2100() -> None:
    leap = due("0 12 29 2 *", "UTC", datetime(2026, 1, 1, tzinfo=UTC), 2)
    assert leap == ["2028-02-29 12:00", "2032-02-29 12:00"]
    assert due("0 12 29 2 *", "UTC", datetime(2096, 3, 1, tzinfo=UTC), 1) == ["2104-02-29 12:00"]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(EXPRESSIONS),
    st.sampled_from(sorted(CHANGES)),
    st.sampled_from([0, 1]),
    st.integers(-30 * 3_600_000, 30 * 3_600_000) | st.sampled_from([-1, 0, 1, 1_800_000, 3_600_000]),
)
@example("30 2 * * *", BERLIN, 1, 15 * 60_000)  # what came at the first of two is the last one at the second
@example("30 1 * * *", NEW_YORK, 1, 15 * 60_000)
@example("45 1 * * *", LORD_HOWE, 1, 10 * 60_000)
def test_the_last_moment_is_the_one_before_the_next(
    expression: str, zone: str, change: int, away: int
) -> None:
    cron, now = Cron(expression, zone), ms(CHANGES[zone][change]) + away
    last, following = cron.last(now), cron.next(now)
    assert last <= now < following
    assert cron.next(last) == following
    assert cron.next(last - 1) == cron.last(last) == last


@pytest.mark.parametrize("name", NAMED)
def test_a_named_time_is_short_for_an_expression(name: str) -> None:
    now = ms(datetime(2026, 5, 17, 13, 12, tzinfo=UTC))
    for text in (name, f" {name.upper()} "):
        assert Cron(text, "UTC").next(now) == Cron(NAMED[name], "UTC").next(now)


def test_a_time_zone_is_a_key_or_a_zone() -> None:
    now = ms(datetime(2026, 5, 17, 13, 12, tzinfo=UTC))
    by_key, by_zone = Cron("@daily", BERLIN), Cron("@daily", ZoneInfo(BERLIN))
    assert by_key.next(now) == by_zone.next(now) == ms(datetime(2026, 5, 17, 22, tzinfo=UTC))


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("60 * * * *", "wrong minute, '60'"),
        ("* 24 * * *", "wrong hour, '24'"),
        ("* * 32 * *", "wrong day-of-month, '32'"),
        ("* * 0 * *", "wrong day-of-month, '0'"),
        ("* * * 13 *", "wrong month, '13'"),
        ("* * * FEBR *", "wrong month, 'FEBR'"),
        ("* * * * 8", "wrong day-of-week, '8'"),
        ("* * * * MON#6", "wrong day-of-week, 'MON#6'"),
        ("60 * * * * *", "wrong second, '60'"),
        ("0 60 * * * *", "wrong minute, '60'"),
        ("*/0 * * * *", "wrong minute, '*/0'"),
        ("5-1 * * * *", "wrong minute, '5-1'"),
        ("1,, * * * *", "wrong minute, '1,,'"),
        ("* ² * * *", "wrong hour, '²'"),
        ("0 0 30 2 *", "names no date that there is"),
        ("0 0 31 4,6 *", "names no date that there is"),
        ("", "5 fields .* not 0"),
        ("* * * *", "5 fields .* not 4"),
        ("* * * * * * *", "5 fields .* not 7"),
        ("@reboot", "one of @yearly, .*, not '@reboot'"),
        ("@every 5m", "one of @yearly"),
        ("*," * 600 + "* * * * *", "at most 1000 characters"),
    ],
)
def test_a_wrong_expression_is_told_by_its_field(expression: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"^expression .*{wrong}".replace("*", r"\*").replace(r".\*", ".*")):
        Cron(expression, "UTC")


@pytest.mark.parametrize("expression", [None, 5, b"* * * * *", ["*"] * 5])
def test_an_expression_is_a_str(expression: object) -> None:
    with pytest.raises(TypeError, match="expression must be a str"):
        Cron(expression, "UTC")


@pytest.mark.parametrize(
    "zone", ["", "Europe", "Europe/Atlantis", "../etc/passwd", "\0", "CET-1CEST", "x" * 5000]
)
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match=r"^tz: no time zone"):
        Cron("@daily", zone)


@pytest.mark.parametrize("zone", [None, UTC, 1, timedelta(hours=1)])
def test_what_is_no_time_zone_is_refused(zone: object) -> None:
    with pytest.raises(TypeError, match="tz must be a key such as 'Europe/Berlin', or a ZoneInfo"):
        Cron("@daily", zone)

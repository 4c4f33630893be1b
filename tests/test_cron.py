"""Schedules of tasks: https://docs.snowflake.com/en/sql-reference/sql/create-task."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from snowpipe_ml.cron import Cron, Interval, parse_schedule


def runs(expression: str, zone: str, start: datetime, count: int) -> list[str]:
    cron = Cron.parse(expression, zone)
    found, moment = [], start.replace(tzinfo=UTC)
    for _ in range(count):
        moment = cron.next(moment)
        found.append(moment.astimezone(cron.zone).strftime("%Y-%m-%d %H:%M %Z"))
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("* * * * *", ["2026-01-01 00:01 UTC", "2026-01-01 00:02 UTC"]),
        ("0 6 2 * *", ["2026-01-02 06:00 UTC", "2026-02-02 06:00 UTC"]),
        ("18 9-10 * * SUN", ["2026-01-04 09:18 UTC", "2026-01-04 10:18 UTC", "2026-01-11 09:18 UTC"]),
        ("*/20 0 1 1 *", ["2026-01-01 00:20 UTC", "2026-01-01 00:40 UTC", "2027-01-01 00:00 UTC"]),
        ("0 0 L * *", ["2026-01-31 00:00 UTC", "2026-02-28 00:00 UTC", "2026-03-31 00:00 UTC"]),
        ("0 0 * * 5L", ["2026-01-30 00:00 UTC", "2026-02-27 00:00 UTC"]),
        # Each period of months begins with April.
        (
            "0 0 1 4/3 *",
            ["2026-04-01 00:00 UTC", "2026-07-01 00:00 UTC", "2026-10-01 00:00 UTC", "2027-04-01 00:00 UTC"],
        ),
        # A day of either field.
        (
            "0 0 10-11 * TUE,THU",
            [
                "2026-01-06 00:00 UTC",
                "2026-01-08 00:00 UTC",
                "2026-01-10 00:00 UTC",
                "2026-01-11 00:00 UTC",
                "2026-01-13 00:00 UTC",
            ],
        ),
        ("0 0 29 FEB *", ["2028-02-29 00:00 UTC", "2032-02-29 00:00 UTC"]),
    ],
)
def test_the_next_runs(expression: str, expected: list[str]) -> None:
    start = datetime(2026, 1, 1) if not expression.startswith("0 0 1 ") else datetime(2026, 1, 2)
    assert runs(expression, "UTC", start, len(expected)) == expected


def test_changes_of_clocks() -> None:
    """An hour that does not exist is skipped, and one that exists twice counts twice."""
    zone = "America/Los_Angeles"
    assert runs("0 2 * * *", zone, datetime(2026, 3, 7, 8), 2) == [
        "2026-03-07 02:00 PST",
        "2026-03-09 02:00 PDT",
    ]
    assert runs("0 1 * * *", zone, datetime(2026, 10, 31, 12), 3) == [
        "2026-11-01 01:00 PDT",
        "2026-11-01 01:00 PST",
        "2026-11-02 01:00 PST",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("USING CRON 0 6 2 * UTC", "5 fields"),
        ("USING CRON 60 6 2 * * UTC", "invalid minute '60': it is from 0 to 59"),
        ("USING CRON 0 6 0 * * UTC", "invalid day of month '0'"),
        ("USING CRON 0 6 2 ABC * UTC", "invalid month 'ABC'"),
        ("USING CRON 0 6 * * 7 UTC", "invalid day of week '7'"),
        ("USING CRON 0 6 30 2 * UTC", "no day matches"),
        ("USING CRON 0 6 2 * * Mars/Olympus", "unknown time zone"),
        ("USING CRON 5-1 6 2 * * UTC", "invalid minute"),
        ("USING CRON */0 6 2 * * UTC", "invalid minute"),
        ("5 SECONDS", "from 10 seconds to 8 days"),
        ("9 DAYS", "a schedule is"),
        ("200 HOURS", "from 10 seconds to 8 days"),
        ("often", "a schedule is"),
    ],
)
def test_a_bad_schedule(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_schedule(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("10 m", 600), ("1 HOUR", 3600), ("30 SECONDS", 30), ("60 MINUTE", 3600)]
)
def test_intervals_count_from_when_the_task_was_resumed(text: str, seconds: int) -> None:
    schedule = parse_schedule(text)
    assert isinstance(schedule, Interval)
    since = datetime(2026, 1, 1, 9, 3, tzinfo=UTC)
    assert schedule.next(since, since) == since + timedelta(seconds=seconds)
    assert schedule.next(since + timedelta(seconds=seconds), since) == since + timedelta(seconds=2 * seconds)

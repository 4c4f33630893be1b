"""Backfills: ``run --backfill FROM..TO --by UNIT``."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from snowpipe_ml import Pipeline
from snowpipe_ml.cli.main import main
from snowpipe_ml.engine.records.intervals import Coverage
from snowpipe_ml.engine.records.state import State
from snowpipe_ml.engine.run.outcome import RunResult
from snowpipe_ml.errors import UsageError
from snowpipe_ml.plugins.intervals import UNITS, Interval, union
from tests.conftest import write_spec

SPEC = """\
tables: {events: {columns: {ID: number, SHOP: varchar, AT: timestamp_ntz, N: number}}}
steps:
  appended:
    {type: transform, writes: appended, materialized: incremental, since: AT,
     query: "SELECT * FROM {{ ref('events') }}"}
  merged:
    {type: transform, writes: merged, materialized: incremental, since: AT, key: [ID], lookback: 3 days,
     query: "SELECT * FROM {{ ref('events') }} -- all"}
  replaced:
    {type: transform, writes: replaced, materialized: incremental, strategy: delete_insert, key: [SHOP, DAY], since: DAY,
     query: "SELECT SHOP, AT::DATE AS DAY, SUM(N) AS N FROM {{ ref('events') }}
       {% if interval %} WHERE AT >= {{ interval.start }} AND AT < {{ interval.end }} {% endif %} GROUP BY 1, 2"}
  total: {type: transform, writes: total, query: "SELECT SUM(N) AS N FROM {{ ref('replaced') }}"}
"""
TABLES = ("appended", "merged", "replaced", "total")
YEAR = [f"2022-{month:02}-01..{2022 + month // 12}-{month % 12 + 1:02}-01" for month in range(1, 13)]


class Events:
    """The pipeline over EVENTS, with a Session that keeps its warehouse open."""

    def __init__(self, folder: Path) -> None:
        self.spec = write_spec(folder, SPEC)
        self.pipeline = Pipeline.from_yaml(self.spec)
        self.session = self.pipeline.session()
        self.run(select=["tables.events"])

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.session.sql(text).collect()]

    def insert(self, count: int, first: int = 0) -> None:
        chance = random.Random(first)
        rows = [
            f"({first + number}, '{chance.choice('abc')}', "
            f"'2022-{chance.randint(1, 12):02}-{chance.randint(1, 28):02} {chance.randint(0, 23):02}:00', {number})"
            for number in range(count)
        ]
        self.sql(f"INSERT INTO EVENTS VALUES {', '.join(rows)}")

    def run(self, **options: Any) -> RunResult:
        result = self.pipeline.run(**options)
        assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
        return result

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        return {name: self.sql(f"SELECT * FROM {name} ORDER BY ALL") for name in TABLES}


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Events]:
    made = Events(tmp_path)
    yield made
    made.session.close()


@pytest.mark.slow
def test_twelve_months_in_any_order_end_in_the_tables_of_a_full_refresh(events: Events) -> None:
    chance = random.Random(21)
    events.insert(200)
    months = chance.sample(YEAR, 12)
    events.run(backfill=months[0])  # before rows are late, moved and deleted
    events.insert(50, 200)
    events.sql("UPDATE EVENTS SET AT = DATEADD(day, 40, AT) WHERE ID % 7 = 0 AND AT < '2022-11-01'")
    events.sql("DELETE FROM EVENTS WHERE ID % 5 = 0")
    events.run(backfill=months[0], full_refresh=True)
    for month in months[1:6]:
        events.run(backfill=month, select=["appended", "merged", "replaced"])
    events.run(backfill="2022-01-01..2023-01-01", by="month")
    found = events.tables()
    assert len(found["appended"]) > 150
    events.run(full_refresh=True)
    assert events.tables() == found


def test_intervals_that_are_done_are_not_done_again(events: Events) -> None:
    events.insert(100)
    first = events.run(backfill="2022-02-01..2022-04-01", by="month")
    assert first.steps["appended"].message.startswith("2 intervals: ")
    events.sql("UPDATE EVENTS SET N = N + 1")
    again = events.run(backfill="2022-02-01..2022-04-01", by="week")
    assert {step.status.value for name, step in again.steps.items() if name != "total"} == {"reused"}
    more = events.run(backfill="2022-03-15..2022-04-03", by="month")
    assert more.steps["merged"].message.startswith("1 interval: ")
    kept = "SELECT M.AT < '2022-04-01', M.N = E.N - 1, M.N = E.N FROM MERGED M JOIN EVENTS E USING (ID) GROUP BY ALL"
    assert {(old, before) for old, before, _ in events.sql(kept)} <= {(True, True), (False, False)}
    events.run(backfill="2022-06-01..2022-07-01", select=["appended"])
    shown = CliRunner().invoke(main, ["status", str(events.spec)])
    assert "2022-02-01..2022-04-03, 2022-06-01..2022-07-01" in shown.output
    assert "2022-04-03..2022-06-01" in shown.output
    events.sql("DROP TABLE MERGED")
    planned = events.pipeline.plan(compare=True, backfill="2022-02-01..2022-05-01", by="month")
    assert {step.name: step.decision.reason for step in planned if step.decision} == {
        "tables.events": planned[0].decision.reason if planned[0].decision else "",
        "appended": "backfill of 1 interval in 2022-02-01..2022-05-01",
        "merged": "backfill of 3 intervals in 2022-02-01..2022-05-01",
        "replaced": "backfill of 1 interval in 2022-02-01..2022-05-01",
        "total": "replaced runs",
    }


@pytest.mark.slow
def test_the_next_ordinary_run_adds_the_new_rows(events: Events) -> None:
    events.insert(100)
    events.run(backfill="2022-01-01..2022-06-01", by="quarter")
    done = events.run()
    assert done.steps["appended"].message.endswith(" inserted")
    assert events.sql("SELECT COUNT(*) FROM APPENDED") == [(100,)]
    assert events.run().steps["appended"].status.value == "reused"


def test_a_changed_query_leaves_gaps(tmp_path: Path, events: Events) -> None:
    events.insert(20)
    events.run(backfill="2022-01-01..2022-03-01", select=["appended"])
    write_spec(tmp_path, SPEC.replace("SELECT * FROM {{ ref('events') }}\"", 'SELECT *, 1 AS X FROM EVENTS"'))
    with pytest.raises(UsageError, match="nothing to resume"):
        events.pipeline.run(resume=True)
    result = events.pipeline.run(backfill="2022-02-01..2022-03-01", select=["appended"])
    assert "the query adds X" in result.steps["appended"].message
    with events.pipeline.history() as history:
        assert [str(gap) for gap in history.intervals()["appended"].gaps] == ["2022-01-01..2022-03-01"]


class Killed(BaseException):
    """The end of a process in the middle of a run."""


@pytest.mark.parametrize("recorded", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_killed_backfill_is_resumed(
    events: Events, monkeypatch: pytest.MonkeyPatch, recorded: bool
) -> None:
    events.insert(60)
    record = State.interval_finished
    calls: list[str] = []

    def dying(self: State, connection: Any, run: Any, step: str, interval: Interval, code: str) -> None:
        calls.append(str(interval))
        if recorded or len(calls) < 3:
            record(self, connection, run, step, interval, code)
        if len(calls) == 3:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(State, "interval_finished", dying)
        with pytest.raises(Killed):
            events.pipeline.run(backfill="2022-01-01..2022-07-01", by="month", select=["merged"])
    with pytest.raises(
        UsageError, match="is a backfill of 2022-01-01..2022-07-01 by month: it cannot be resumed"
    ):
        events.pipeline.run(resume=True, backfill="2022-01-01..2022-08-01")
    rest = events.run(resume=True, select=["merged"])
    left = 3 if recorded else 4
    assert rest.steps["merged"].message.startswith(f"{left} intervals: ")
    expected = "SELECT * FROM EVENTS WHERE AT < '2022-07-01' ORDER BY ALL"
    assert events.sql("SELECT * FROM MERGED ORDER BY ALL") == events.sql(expected)


@pytest.mark.stress
def test_backfills_that_are_killed_end_in_the_tables_of_a_full_refresh(events: Events) -> None:
    events.insert(400)
    chance = random.Random(3)
    command = [sys.executable, "-m", "snowpipe_ml", "run", str(events.spec), "--no-report"]
    command += ["--backfill", "2022-01-01..2023-01-01", "--by", "month"]
    killed = 0
    for _ in range(20):
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(1, 8))
        if run.poll() is None:
            killed += 1
        run.send_signal(signal.SIGKILL)
        run.wait()
    events.run(backfill="2022-01-01..2023-01-01", by="month")
    found = events.tables()
    assert killed > 3
    assert len(found["appended"]) == 400
    events.run(full_refresh=True)
    assert events.tables() == found


def test_only_incremental_tables_with_times_have_intervals(tmp_path: Path, events: Events) -> None:
    events.insert(3)
    with pytest.raises(UsageError, match="no selected step can be computed by intervals"):
        events.pipeline.run(backfill="2022-01-01..2022-02-01", select=["total"])
    with pytest.raises(UsageError, match="--by splits the interval of --backfill: give both"):
        events.pipeline.run(by="month")
    with pytest.raises(UsageError, match="--by must be one of hour, day, .*, not 'decade'"):
        events.pipeline.run(backfill="2022-01-01..2022-02-01", by="decade")
    with pytest.raises(UsageError, match="write two dates, such as 2022-01-01..2022-04-01"):
        events.pipeline.run(backfill="2022-01")
    write_spec(tmp_path, SPEC.replace("since: AT,", "since: ID,", 1))
    result = events.pipeline.run(backfill="2022-01-01..2022-02-01", select=["appended"])
    assert "the column ID is NUMBER(38, 0), and intervals need a date or a timestamp" in (
        result.steps["appended"].message
    )
    events.sql("CREATE VIEW MERGED AS SELECT * FROM EVENTS")
    result = events.pipeline.run(backfill="2022-01-01..2022-02-01", select=["merged"], allow_destructive=True)
    assert result.steps["merged"].message == "MERGED is a view, and a backfill needs a table: drop it"


def _texts(intervals: Any) -> list[str]:
    return [str(interval) for interval in intervals]


def test_intervals_are_split_where_units_begin() -> None:
    over = Interval.parse("2021-12-15 .. 2022-02-02T06:30")
    assert _texts(over.split("month")) == [
        "2021-12-15..2022-01-01",
        "2022-01-01..2022-02-01",
        "2022-02-01..2022-02-02T06:30:00",
    ]
    assert _texts(over.split("year")) == ["2021-12-15..2022-01-01", "2022-01-01..2022-02-02T06:30:00"]
    assert _texts(over.split("quarter")) == _texts(over.split("year"))
    weeks = over.split("week")
    assert [one.start.weekday() for one in weeks[1:]] == [0] * 7
    assert len(over.split("hour")) == 49 * 24 + 7
    assert over.split(None) == (over,)
    for unit in UNITS:
        assert union(over.split(unit)) == (over,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2022-01-01", "is not an interval"),
        ("2022-01-01..2022-02-01..2022-03-01", "is not an interval"),
        ("2022-13-01..2022-02-01", "is not an interval"),
        ("2022-02-01..2022-02-01", "is empty"),
        ("2022-02-01T00:00Z..2022-02-02", "has a time zone"),
    ],
)
def test_a_wrong_interval_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Interval.parse(text)


def test_what_is_done_is_taken_out_of_an_interval() -> None:
    hours = [Interval(datetime(2022, 1, 1, at), datetime(2022, 1, 1, at + 1)) for at in (2, 5, 6, 20)]
    day = Interval.parse("2022-01-01..2022-01-02")
    left = list(day.without(hours))
    assert union([*hours, *left]) == (day,)
    assert len(left) == 4
    assert list(day.without([day])) == []
    assert list(hours[1].without([day])) == []


def test_records_count_for_the_code_and_the_table_that_they_were_made_of() -> None:
    january, year = Interval.parse("2022-01-01..2022-02-01"), Interval.parse("2022-01-01..2023-01-01")
    found = Coverage().started(year, "a", fresh=True, again=False).finished(january, "a")
    assert _texts(found.gaps) == ["2022-02-01..2023-01-01"]
    assert found.finished(year, "b") == found
    assert found.started(january, "a", fresh=False, again=False).done == (january,)
    assert found.started(january, "b", fresh=False, again=False).done == ()
    assert found.started(january, "a", fresh=False, again=True).gaps == (year,)
    assert found.started(january, "a", fresh=True, again=False) == Coverage((january,), (), "a")

"""Change capture by stream, task and procedure, as in dags/cdc.py of a public pipeline for Citi Bike trips.

https://github.com/Snowflake-Labs/sfguide-citibike-ml-snowpark-python: a stream with the initial rows on a table of raw
trips, a target LIKE it, a procedure in SQL that merges the stream into the target, and a task that calls the procedure
when the stream has data. There are two layouts of trips, and one of each of these for a layout.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from snowflake.snowpark import Session

import snowpipe_ml
from snowpipe_ml.local.client.connect import connect
from snowpipe_ml.local.client.connection import Connection
from snowpipe_ml.local.server.scheduler import Scheduler

OLD = (
    "TRIPDURATION INTEGER, STARTTIME TIMESTAMP_NTZ, STOPTIME TIMESTAMP_NTZ, START_STATION_ID STRING, "
    "START_STATION_NAME STRING, BIKEID INTEGER, USERTYPE STRING, GENDER STRING"
)
NEW = (
    "RIDE_ID STRING, RIDEABLE_TYPE STRING, STARTTIME TIMESTAMP_NTZ, STOPTIME TIMESTAMP_NTZ, "
    "START_STATION_NAME STRING, START_STATION_LONGITUDE FLOAT, USERTYPE STRING"
)
LAYOUTS = {"schema1": OLD, "schema2": NEW}
KEYS = {
    "schema1": "concat(T.BIKEID, T.STARTTIME, T.STOPTIME) = concat(S.BIKEID, S.STARTTIME, S.STOPTIME)",
    "schema2": "T.RIDE_ID = S.RIDE_ID",
}
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
FIRST = datetime(2020, 1, 1)


def _columns(layout: str) -> list[str]:
    return [column.split()[0] for column in LAYOUTS[layout].split(", ")]


def _procedure(layout: str, deleted: str) -> str:
    """The procedure that merges the stream; in the pipeline its text is assembled from pieces, too."""
    columns = _columns(layout)
    assignments = ", ".join(f"T.{column} = S.{column}" for column in columns)
    values = ", ".join(f"S.{column}" for column in columns)
    return (
        f"CREATE OR REPLACE PROCEDURE TRIPSCDCPROC_{layout}() "
        + "RETURNS VARCHAR "
        + "LANGUAGE SQL "
        + "AS "
        + "$$ "
        + "    BEGIN "
        + f"        MERGE INTO INTERIM_{layout}"
        + f"           AS T USING (SELECT * FROM STREAM_{layout}) AS S ON {KEYS[layout]} \
                       WHEN MATCHED AND S.metadata$action = 'INSERT' AND S.metadata$isupdate \
                         THEN UPDATE SET {assignments} \
                       WHEN MATCHED AND S.metadata$action = 'DELETE'{deleted} THEN DELETE \
                       WHEN NOT MATCHED AND S.metadata$action = 'INSERT' \
                         THEN INSERT ({', '.join(columns)}) VALUES ({values}); "
        + "    END; "
        + "$$"
    )


class Capture:
    """The tables RAW_schema1 and RAW_schema2, and their capture; each change is made to a table ONE_BY_ONE, too."""

    def __init__(self, session: Session, scheduler: Scheduler) -> None:
        self.session, self.scheduler = session, scheduler
        self.now = NOON

    def sql(self, text: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in self.session.sql(text).collect()]

    def prepare(self, layout: str, deleted: str = " AND NOT S.metadata$isupdate") -> None:
        for table in (f"RAW_{layout}", f"ONE_BY_ONE_{layout}"):
            self.sql(f"CREATE OR REPLACE TABLE {table} ({LAYOUTS[layout]})")
        self.change(layout, "INSERT INTO {table} VALUES " + _row(layout, 0))
        self.sql(
            f"CREATE OR REPLACE STREAM STREAM_{layout} ON TABLE RAW_{layout}"
            " APPEND_ONLY = FALSE SHOW_INITIAL_ROWS = TRUE"
        )
        self.sql(f"CREATE OR REPLACE TABLE INTERIM_{layout} LIKE RAW_{layout}")
        self.sql(_procedure(layout, deleted))
        self.sql(
            f"CREATE OR REPLACE TASK TRIPSCDCTASK_{layout} WAREHOUSE='CDC_WH' SCHEDULE = '1 minute'"
            f" WHEN SYSTEM$STREAM_HAS_DATA('STREAM_{layout}') AS CALL TRIPSCDCPROC_{layout}()"
        )
        self.sql(f"ALTER TASK TRIPSCDCTASK_{layout} RESUME")
        self.scheduler.tick(self.now)

    def change(self, layout: str, statement: str) -> None:
        for table in (f"RAW_{layout}", f"ONE_BY_ONE_{layout}"):
            self.sql(statement.format(table=table))

    def minute(self) -> None:
        """Let a minute pass, and wait for the tasks that are due."""
        self.now += timedelta(minutes=1)
        self.scheduler.tick(self.now)
        self.scheduler.wait()

    def states(self) -> set[object]:
        """The states of all runs of the tasks; the next run of each is SCHEDULED."""
        found = self.sql("SELECT state FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY())")
        return {state for (state,) in found} - {"SCHEDULED", "SKIPPED"}


@pytest.fixture
def capture(tmp_path: Path) -> Iterator[Capture]:
    with snowpipe_ml.local_session(tmp_path / "warehouse", database="CITIBIKE", schema="CDC") as session:
        session.sql("CREATE WAREHOUSE CDC_WH").collect()
        beside = connect(tmp_path / "warehouse")
        assert isinstance(beside, Connection)
        scheduler = Scheduler(beside.storage)
        yield Capture(session, scheduler)
        scheduler.close()
        beside.close()


def _row(layout: str, number: int) -> str:
    """The values of a trip; its number makes its key."""
    start = FIRST + timedelta(minutes=number)
    times = f"'{start}', '{start + timedelta(minutes=9)}'"
    if layout == "schema1":
        return f"(540, {times}, '{number % 7}', 'Grove St', {number % 50}, 'Subscriber', '1')"
    return f"('R{number}', 'classic_bike', {times}, 'Grove St', -74.5, 'member')"


def _changes(layout: str, chance: random.Random, rows: int, at_once: int) -> Iterator[str]:
    """Yield statements that insert, update and delete a number of rows in total."""
    live, number = [0], 0
    while rows > 0:
        count = min(rows, chance.randint(1, at_once))
        kind = chance.choice(["INSERT", "INSERT", "UPDATE", "DELETE"])
        chosen = chance.sample(live, min(count, len(live)))
        if kind == "INSERT" or not chosen:
            added = range(number + 1, number + 1 + count)
            live += added
            number += count
            rows -= count
            yield "INSERT INTO {table} VALUES " + ", ".join(_row(layout, n) for n in added)
            continue
        rows -= len(chosen)
        where = f"DATEDIFF(minute, '{FIRST}'::TIMESTAMP_NTZ, STARTTIME) IN ({', '.join(map(str, chosen))})"
        if kind == "UPDATE":
            yield f"UPDATE {{table}} SET USERTYPE = 'type {rows}' WHERE {where}"
        else:
            live = [n for n in live if n not in chosen]
            yield f"DELETE FROM {{table}} WHERE {where}"


@pytest.mark.parametrize(
    ("seed", "layout", "at_once"),
    [
        (0, "schema1", 100),
        pytest.param(1, "schema2", 100, marks=pytest.mark.slow),
        (2, "schema2", 60),
        *(
            pytest.param(seed, ["schema1", "schema2"][seed % 2], seed, marks=pytest.mark.stress)
            for seed in range(3, 10)
        ),
    ],
)
def test_captured_changes_end_in_the_table_with_each_change(
    capture: Capture, seed: int, layout: str, at_once: int
) -> None:
    chance = random.Random(seed)
    capture.prepare(layout)
    for statement in _changes(layout, chance, 1000, at_once):
        capture.change(layout, statement)
        if chance.random() < 0.2:
            capture.minute()
    capture.minute()
    found = capture.sql(f"SELECT * FROM INTERIM_{layout} ORDER BY ALL")
    assert found == capture.sql(f"SELECT * FROM ONE_BY_ONE_{layout} ORDER BY ALL")
    assert len(found) > 100
    assert capture.states() == {"SUCCEEDED"}
    assert capture.sql(f"SELECT SYSTEM$STREAM_HAS_DATA('STREAM_{layout}')") == [(False,)]


def test_the_merge_of_the_pipeline_fails_for_an_update(capture: Capture) -> None:
    """The stream has an update as two rows: one to update the trip by, and one to delete it by, which is an error."""
    capture.prepare("schema2", deleted="")
    capture.minute()
    capture.change("schema2", "UPDATE {table} SET USERTYPE = 'casual'")
    capture.minute()
    assert capture.states() == {"SUCCEEDED", "FAILED"}
    failed = capture.sql(
        "SELECT error_message FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY(ERROR_ONLY => TRUE))"
    )
    assert "Duplicate row detected during DML action" in str(failed[0][0])
    assert capture.sql("SELECT SYSTEM$STREAM_HAS_DATA('STREAM_schema2')") == [(True,)]

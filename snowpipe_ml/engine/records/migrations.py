"""The schema of the records, from version to version.

A version is never changed: what comes later is a version of its own. Every statement may run twice, since
a reply can be lost, and two runs of different pipelines may begin at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from snowpipe_ml.engine.records import lock
from snowpipe_ml.errors import UsageError
from snowpipe_ml.sql import Literal, QualifiedName, Sql, sql

_EVENTS = """CREATE TABLE IF NOT EXISTS {events} (RUN_ID VARCHAR, PIPELINE VARCHAR, TARGET VARCHAR, EVENT VARCHAR,
  AT TIMESTAMP_NTZ, STEP VARCHAR, STATUS VARCHAR, ROW_COUNT NUMBER(38, 0), SECONDS FLOAT, MESSAGE VARCHAR, ERROR VARCHAR,
  DETAILS VARCHAR)"""

# A run that was resumed begins several times and ends with the last of them.
_RUNS = """CREATE OR REPLACE VIEW {runs} AS
SELECT S.RUN_ID, S.PIPELINE, S.TARGET, S.STARTED_AT, F.AT AS FINISHED_AT, F.STATUS, F.SECONDS
FROM (
  SELECT RUN_ID, PIPELINE, TARGET, MIN(AT) AS STARTED_AT, MAX(AT) AS LAST_AT
  FROM {events} WHERE EVENT IN ('run_started', 'run_resumed') GROUP BY RUN_ID, PIPELINE, TARGET
) S LEFT JOIN {events} F ON F.RUN_ID = S.RUN_ID AND F.EVENT = 'run_finished' AND F.AT >= S.LAST_AT
QUALIFY ROW_NUMBER() OVER (PARTITION BY S.RUN_ID ORDER BY F.AT) = 1"""

_STEP_RUNS = """CREATE OR REPLACE VIEW {step_runs} AS
SELECT RUN_ID, PIPELINE, TARGET, STEP, STATUS, ROW_COUNT, SECONDS, MESSAGE, ERROR, AT AS FINISHED_AT
FROM {events} WHERE EVENT = 'step_finished'
QUALIFY ROW_NUMBER() OVER (PARTITION BY RUN_ID, STEP ORDER BY AT DESC) = 1"""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (_EVENTS, f"CREATE TABLE IF NOT EXISTS {{locks}} ({lock.COLUMNS})", _RUNS, _STEP_RUNS),
    ("ALTER TABLE {events} ADD COLUMN IF NOT EXISTS WRITTEN_BY VARCHAR",),
)
"""The statements of each version, the first of which is number 1."""


def migrate(
    run: Callable[[Sql], list[Any]], table: QualifiedName, names: Mapping[str, QualifiedName]
) -> None:
    """Bring the records to this version.

    Args:
        run: runs one statement and gives its rows.
        table: where the versions that were reached are written down.
        names: the tables and views that the statements name.

    Raises:
        UsageError: the records are of a later version than this package knows.
    """
    run(sql("CREATE TABLE IF NOT EXISTS {table} (VERSION NUMBER(38, 0), AT TIMESTAMP_NTZ)", table=table))
    reached = run(sql("SELECT MAX(VERSION) FROM {table}", table=table))[0][0] or 0
    if reached > len(MIGRATIONS):
        raise UsageError(
            f"the records in {table} are of version {reached}, and this snowpipe-ml knows {len(MIGRATIONS)}: a later one "
            "has run here; install that, or name another schema under `state`"
        )
    for version, statements in enumerate(MIGRATIONS[reached:], reached + 1):
        for text in statements:
            run(sql(text, **{name: value for name, value in names.items() if f"{{{name}}}" in text}))
        run(sql("INSERT INTO {table} SELECT {version}, SYSDATE()", table=table, version=Literal(version)))

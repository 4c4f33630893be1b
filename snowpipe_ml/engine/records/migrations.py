"""Schema migrations of the state store.

A released version is never changed; each change is a new version. Every statement must be idempotent, since
it may run twice: a reply can be lost, and two runs of different pipelines may start at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from snowpipe_ml.engine.records import lock
from snowpipe_ml.errors import UsageError
from snowpipe_ml.plugins.connection import Row
from snowpipe_ml.sql import Literal, QualifiedName, Sql, join, sql

_EVENTS = """CREATE TABLE IF NOT EXISTS {events} (RUN_ID VARCHAR, PIPELINE VARCHAR, TARGET VARCHAR, EVENT VARCHAR,
  AT TIMESTAMP_NTZ, STEP VARCHAR, STATUS VARCHAR, ROW_COUNT NUMBER(38, 0), SECONDS FLOAT, MESSAGE VARCHAR, ERROR VARCHAR,
  DETAILS VARCHAR)"""
_NEW_EVENTS = _EVENTS.removesuffix(")") + ", WRITTEN_BY VARCHAR)"

# A resumed run has several start events, and ends after the last of them.
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

_LOCKS = f"CREATE TABLE IF NOT EXISTS {{locks}} ({lock.COLUMNS})"

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (_EVENTS, _LOCKS, _RUNS, _STEP_RUNS),
    ("ALTER TABLE {events} ADD COLUMN IF NOT EXISTS WRITTEN_BY VARCHAR",),
)
"""The statements of each version; the first version is number 1."""

NEW = (_NEW_EVENTS, _LOCKS, _RUNS, _STEP_RUNS)
"""The statements that create all of the last version in an empty schema."""


def migrate(
    run: Callable[[Sql], list[Row]],
    table: QualifiedName,
    names: Mapping[str, QualifiedName],
    *,
    empty: bool = False,
) -> bool:
    """Migrate the state store to the version of this package.

    Returns:
        Whether the state store is new.

    Args:
        run: runs one statement and returns its rows.
        table: the table of applied versions.
        names: the tables and views that the statements name.
        empty: whether the schema was just created.

    Raises:
        UsageError: the state store has a later version than this package supports.
    """
    run(sql("CREATE TABLE IF NOT EXISTS {table} (VERSION NUMBER(38, 0), AT TIMESTAMP_NTZ)", table=table))
    reached = 0 if empty else run(sql("SELECT MAX(VERSION) FROM {table}", table=table))[0][0] or 0
    if reached > len(MIGRATIONS):
        raise UsageError(
            f"the run metadata in {table} has version {reached}, and this snowpipe-ml supports up to {len(MIGRATIONS)}: a "
            "later snowpipe-ml has run here; install that version, or name another schema under `state`"
        )
    texts = NEW if empty else [text for statements in MIGRATIONS[reached:] for text in statements]
    for text in texts:
        run(sql(text, **{name: value for name, value in names.items() if f"{{{name}}}" in text}))
    versions = [
        sql("SELECT {version}, SYSDATE()", version=Literal(version))
        for version in range(reached + 1, len(MIGRATIONS) + 1)
    ]
    if versions:
        run(sql("INSERT INTO {table} {versions}", table=table, versions=join(" UNION ALL ", versions)))
    return not reached

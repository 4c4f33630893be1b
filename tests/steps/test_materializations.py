"""The materializations of ``transform``: what each sends, and that increments end in the table of a full refresh."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

import snowpipe_ml
from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError
from tests.conftest import write_spec
from tests.recorder import Recorder

SPEC = """\
warehouses: {lag_wh: {}}
tables: {events: {columns: {ID: number, SHOP: varchar, DAY: date, N: number}}}
steps:
  clustered:
    {type: transform, writes: clustered, transient: true, cluster_by: [DAY, SHOP],
     query: "SELECT * FROM {{ ref('events') }}"}
  viewed: {type: transform, writes: viewed, materialized: view, query: "SELECT ID, N FROM {{ ref('events') }}"}
  appended:
    {type: transform, writes: appended, materialized: incremental, since: ID, cluster_by: [DAY],
     query: "SELECT * FROM {{ ref('events') }}"}
  merged:
    {type: transform, writes: merged, materialized: incremental, key: [SHOP, DAY], since: DAY, lookback: 3 days,
     query: "SELECT SHOP, DAY, SUM(N) AS N FROM {{ ref('events') }} GROUP BY 1, 2"}
  replaced:
    {type: transform, writes: replaced, materialized: incremental, strategy: delete_insert, key: [DAY], since: DAY,
     lookback: 3 days, query: "SELECT * FROM {{ ref('events') }}"}
  chosen:
    {type: transform, writes: chosen, materialized: incremental, key: [DAY],
     query: "SELECT DAY, COUNT(*) AS EVENTS FROM {{ ref('events') }}
       {% if incremental %} WHERE DAY >= DATEADD(day, -3, {{ previous('DAY') }}) {% endif %} GROUP BY DAY"}
  counted:
    {type: transform, writes: counted, materialized: dynamic_table, target_lag: 20 minutes, warehouse: lag_wh,
     refresh_mode: auto, initialize: on_create, transient: true, cluster_by: [DAY],
     query: "SELECT DAY, COUNT(*) AS N FROM {{ ref('events') }} GROUP BY DAY"}
  history:
    {type: transform, writes: history, materialized: snapshot, key: [SHOP],
     query: "SELECT SHOP, SUM(N) AS N FROM {{ ref('events') }} GROUP BY SHOP"}
"""
INCREMENTAL = ("appended", "merged", "replaced", "chosen")


def test_the_statements_are_as_snowflake_documents_them(
    tmp_path: Path, golden: Callable[[str, str], None]
) -> None:
    """Read against the pages CREATE TABLE, CREATE VIEW, INSERT, DELETE and MERGE; see docs/snowflake-sql.md."""
    made = Pipeline.from_yaml(write_spec(tmp_path, SPEC))
    texts = []
    with snowpipe_ml.local_session(tmp_path / "warehouse", database="DEMO") as session:
        recorder = Recorder(session)
        for title, change in (
            ("first run", "CREATE TABLE EVENTS (ID NUMBER, SHOP VARCHAR, DAY DATE, N NUMBER)"),
            ("second run", "INSERT INTO EVENTS VALUES (1, 'a', '2024-01-01', 5)"),
            ("third run", "UPDATE EVENTS SET N = 6"),
        ):
            session.sql(change).collect()
            recorder.statements.clear()
            result = made.run(session=session)
            assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
            sent = [text for text in recorder.normalized(result) if "SNOWPIPE_ML." not in text]
            texts += [f"-- {title}", *(f"{text};" for text in sent)]
        rows = session.sql("SHOW TABLES LIKE 'CLUSTERED'").collect()
        assert [(row["kind"], row["cluster_by"]) for row in rows] == [("TRANSIENT", "LINEAR(DAY, SHOP)")]
        assert session.sql("SELECT N, VALID_TO IS NULL FROM HISTORY ORDER BY VALID_FROM").collect() == [
            (5, False),
            (6, True),
        ]
    golden("materializations.sql", "\n".join(texts) + "\n")


def test_a_dynamic_table_is_created_refreshed_changed_and_replaced(tmp_path: Path) -> None:
    step = "  kept: {type: transform, writes: kept, query: 'SELECT A FROM BASE%s', warehouse: lag_wh, %s}\n"
    dynamic = "materialized: dynamic_table, target_lag: "
    with snowpipe_ml.local_session(tmp_path / "warehouse", database="DEMO") as session:
        session.sql("CREATE TABLE BASE AS SELECT 1 AS A").collect()
        for query, settings, sent, message in (
            ("", "materialized: view", "CREATE OR REPLACE VIEW KEPT", "view"),
            ("", dynamic + "60 s", "", "target_lag must be a number and a unit"),
            (
                "",
                dynamic + "90 minutes",
                "CREATE OR REPLACE DYNAMIC TABLE KEPT TARGET_LAG = '90 minutes'",
                "created",
            ),
            (
                "",
                dynamic + "1 hour",
                "ALTER DYNAMIC TABLE KEPT SET TARGET_LAG = '1 hour' WAREHOUSE = LAG_WH",
                "refreshed",
            ),
            (
                " WHERE A > 0",
                dynamic + "60 minutes",
                "CREATE OR REPLACE DYNAMIC TABLE KEPT TARGET_LAG",
                "replaced",
            ),
            (" WHERE A > 0", dynamic + "downstream", "TARGET_LAG = DOWNSTREAM", "refreshed"),
            ("", "transient: true", "DROP DYNAMIC TABLE KEPT", ""),
        ):
            spec = "warehouses: {lag_wh: {}}\nsteps:\n" + step % (query, settings)
            made = Pipeline.from_yaml(write_spec(tmp_path, spec))
            if not sent:
                with pytest.raises(SpecError, match=message):
                    made.validate()
                continue
            session.sql("INSERT INTO BASE SELECT MAX(A) + 1 FROM BASE").collect()
            recorder = Recorder(session)
            result = made.run(session=session, allow_destructive=True)
            assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
            assert result.steps["kept"].message == message
            assert any(sent in text for text in recorder.statements), recorder.statements
            assert (
                session.sql("SELECT COUNT(*) FROM KEPT").collect()
                == session.sql("SELECT COUNT(*) FROM BASE").collect()
            )


def test_an_existing_table_gets_its_clustering_key_and_becomes_transient(tmp_path: Path) -> None:
    step = "steps: {kept: {type: transform, writes: kept, query: 'SELECT 1 AS A, 2 AS B'%s}}\n"
    with snowpipe_ml.local_session(tmp_path / "warehouse", database="DEMO") as session:
        for settings, kind, key in (
            ("", "TABLE", ""),
            (", cluster_by: [B]", "TABLE", "LINEAR(B)"),
            (", cluster_by: [B, A], transient: true", "TRANSIENT", "LINEAR(B, A)"),
        ):
            assert Pipeline.from_yaml(write_spec(tmp_path, step % settings)).run(session=session).ok
            rows = session.sql("SHOW TABLES LIKE 'KEPT'").collect()
            assert [(row["kind"], row["cluster_by"], row["rows"]) for row in rows] == [(kind, key, 1)]


@pytest.mark.parametrize(
    ("seed", "days"),
    [(0, 5), *(pytest.param(seed, 30, marks=pytest.mark.stress) for seed in range(1, 4))],
)
def test_days_of_changes_end_in_the_tables_of_a_full_refresh(tmp_path: Path, seed: int, days: int) -> None:
    chance = random.Random(seed)
    made = Pipeline.from_yaml(write_spec(tmp_path, SPEC))
    number = 0
    with snowpipe_ml.local_session(tmp_path / "warehouse", database="DEMO") as session:
        session.sql("CREATE TABLE EVENTS (ID NUMBER, SHOP VARCHAR, DAY DATE, N NUMBER)").collect()
        day = date(2024, 1, 1)
        for _ in range(days):
            day += timedelta(days=chance.choice([0, 1, 1, 1, 4]))
            rows = []
            for _ in range(chance.randint(0, 6)):
                number += 1
                late = timedelta(days=chance.randint(0, 3))
                rows.append(f"({number}, '{chance.choice('abc')}', '{day - late}', {chance.randint(1, 9)})")
            rows.append(f"({number + 1}, 'd', '{day}', 1)")
            number += 1
            session.sql("INSERT INTO EVENTS VALUES " + ", ".join(rows)).collect()
            assert made.run(session=session, select=list(INCREMENTAL)).ok
        added = {name: session.sql(f"SELECT * FROM {name} ORDER BY ALL").collect() for name in INCREMENTAL}
        assert made.run(session=session, select=list(INCREMENTAL), full_refresh=True).ok
        for name, rows in added.items():
            assert session.sql(f"SELECT * FROM {name} ORDER BY ALL").collect() == rows, name
        assert len(added["appended"]) == number

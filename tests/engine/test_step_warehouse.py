"""Each step runs on its own warehouse or the default one, whatever ran before it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector.errors import ProgrammingError

import snowpipe_ml
from snowpipe_ml import Pipeline
from snowpipe_ml.local.client.connection import Connection
from snowpipe_ml.targets import snowflake
from tests.conftest import write_spec

STEPS = """\
warehouses: {usual: {}, small: {}, big: {size: large}}
steps:
  first: {type: transform, query: SELECT 1 AS X, writes: first, warehouse: big}
  second: {type: transform, query: "SELECT X FROM {{ ref('first') }}", writes: second}
  third: {type: transform, query: "SELECT X FROM {{ ref('second') }}", writes: third, warehouse: small}
  fourth: {type: transform, query: "SELECT X FROM {{ ref('third') }}", writes: fourth}
"""
# Statements that need a warehouse; the cloud services layer answers all others.
_COMPUTES = re.compile(
    r"\s*(?:INSERT|UPDATE|DELETE|MERGE|COPY|CREATE\b.*\bTABLE\b.*\bAS\s+SELECT|SELECT\b.*\bFROM|WITH)\b",
    re.I | re.S,
)
_METADATA = re.compile(r"INFORMATION_SCHEMA|RESULT_SCAN|CREATE\b.*\bVIEW\b", re.I)
Ran = list[tuple[str, str | None]]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Records the statements that need a warehouse; without one they fail, as on Snowflake."""
    plain = Connection.perform
    found: Ran = []

    def perform(self: Connection, command: str, *arguments: Any) -> Any:
        if _COMPUTES.match(command) and not _METADATA.search(command):
            found.append((command, self.warehouse))
            if self.warehouse is None:
                raise ProgrammingError(
                    "No active warehouse selected in the current session.  Select an active warehouse with the 'use "
                    "warehouse' command.",
                    errno=606,
                    sqlstate="57P03",
                )
        else:
            found.append((command, None))
        return plain(self, command, *arguments)

    monkeypatch.setattr(Connection, "perform", perform)
    return found


@pytest.fixture
def on_snowflake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Pipeline]:
    """A pipeline whose Snowflake target is embedded; its connection may have a default warehouse."""
    default: list[str] = []

    def open_session(
        connection: str, database: Any, schema: Any, role: Any, warehouse: Any, settings: Any
    ) -> Any:
        session = snowpipe_ml.local_session(tmp_path / "warehouse", database=database.sql, schema=schema.sql)
        if default:
            session.sql(f"CREATE WAREHOUSE IF NOT EXISTS {default[0]}").collect()
            session.sql(f"USE WAREHOUSE {default[0]}").collect()
        snowflake.enter(session.connection, database, schema, role, warehouse)
        return session

    def make(text: str, *, warehouse: str | None = None, of_connection: str | None = None) -> Pipeline:
        default[:] = [of_connection] if of_connection else []
        path = write_spec(tmp_path, "")
        own = f", warehouse: {warehouse}" if warehouse else ""
        path.write_text(
            f"name: demo\ntargets: {{prod: {{type: snowflake, connection: c, database: DEMO{own}}}}}\n{text}"
        )
        return Pipeline.from_yaml(path)

    monkeypatch.setattr(snowflake, "open_session", open_session)
    monkeypatch.setattr(snowflake, "connect", lambda *arguments: open_session(*arguments).connection)
    return make


def of_step(ran: Ran, table: str) -> set[str | None]:
    """The warehouse on which the table was created."""
    return {
        warehouse for command, warehouse in ran if re.match(rf"CREATE OR REPLACE TABLE {table}\b", command)
    }


def messages(result: Any) -> dict[str, str]:
    return {name: step.message for name, step in result.steps.items() if step.error}


@pytest.mark.parametrize("of_connection", [None, "OTHER"])
def test_the_default_warehouse_is_made_suspended_and_used_first(
    on_snowflake: Callable[..., Pipeline], ran: Ran, of_connection: str | None
) -> None:
    result = on_snowflake(STEPS, warehouse="usual", of_connection=of_connection).run(threads=1)
    assert result.ok, messages(result)
    made = next(
        command for command, _ in ran if re.match(r"CREATE\b.*\bWAREHOUSE\b.*\bUSUAL\b", command, re.I)
    )
    assert re.search(r"INITIALLY_SUSPENDED\s*=\s*TRUE", made, re.I)
    records = {w for command, w in ran if re.match(r"\s*(INSERT|UPDATE)\b.*\bSNOWPIPE_ML\b", command, re.S)}
    assert records == {"USUAL"}
    assert [of_step(ran, table) for table in ("FIRST", "SECOND", "THIRD", "FOURTH")] == [
        {"BIG"},
        {"USUAL"},
        {"SMALL"},
        {"USUAL"},
    ]


def test_a_second_run_uses_it_too(on_snowflake: Callable[..., Pipeline], ran: Ran) -> None:
    pipeline = on_snowflake(STEPS, warehouse="usual")
    assert pipeline.run(threads=1).ok
    ran.clear()
    result = pipeline.run(threads=1, full_refresh=True)
    assert result.ok, messages(result)
    assert {
        warehouse for command, warehouse in ran if _COMPUTES.match(command) and not _METADATA.search(command)
    } <= {
        "USUAL",
        "BIG",
        "SMALL",
    }
    assert pipeline.last_run()
    assert {step.decision.action.value for step in pipeline.plan(compare=True) if step.decision} == {"skip"}


def test_a_plan_on_an_account_that_has_nothing_yet_makes_no_warehouse(
    on_snowflake: Callable[..., Pipeline], ran: Ran
) -> None:
    planned = on_snowflake(STEPS, warehouse="usual").plan(compare=True)
    assert {step.decision.action.value for step in planned if step.decision} == {"run"}
    assert not [command for command, _ in ran if re.match(r"CREATE\b.*\bWAREHOUSE\b", command, re.I)]


def test_a_warehouse_that_the_spec_does_not_declare_is_used_and_not_made(
    on_snowflake: Callable[..., Pipeline], ran: Ran, tmp_path: Path
) -> None:
    there = snowpipe_ml.local_session(tmp_path / "warehouse", database="DEMO")
    there.sql("CREATE WAREHOUSE SHARED").collect()
    there.close()
    ran.clear()
    steps = "steps: {first: {type: transform, query: SELECT 1 AS X, writes: first}}\n"
    result = on_snowflake(steps, warehouse="shared").run()
    assert result.ok, messages(result)
    assert of_step(ran, "FIRST") == {"SHARED"}
    assert not [command for command, _ in ran if re.match(r"CREATE\b.*\bWAREHOUSE\b", command, re.I)]


def test_no_declared_warehouse_is_started_before_it_is_used(
    on_snowflake: Callable[..., Pipeline], ran: Ran
) -> None:
    """A warehouse that starts is billed for at least a minute."""
    assert on_snowflake(STEPS, of_connection="OTHER").run(threads=1).ok
    made = [command for command, _ in ran if re.match(r"CREATE WAREHOUSE IF NOT EXISTS (?!OTHER)", command)]
    assert len(made) == 3
    assert all(re.search(r"INITIALLY_SUSPENDED\s*=\s*TRUE", command, re.I) for command in made)


@pytest.mark.parametrize("threads", [1, 4])
def test_a_step_without_a_warehouse_runs_on_that_of_the_connection(
    on_snowflake: Callable[..., Pipeline], ran: Ran, threads: int
) -> None:
    result = on_snowflake(STEPS, of_connection="OTHER").run(threads=threads)
    assert result.ok, messages(result)
    assert [of_step(ran, table) for table in ("FIRST", "SECOND", "THIRD", "FOURTH")] == [
        {"BIG"},
        {"OTHER"},
        {"SMALL"},
        {"OTHER"},
    ]


def test_a_step_does_not_inherit_the_warehouse_of_the_step_before_it(tmp_path: Path) -> None:
    """Without a default, as on the embedded warehouse, a step that names no warehouse has none."""
    keep = snowpipe_ml.local_session(tmp_path / "warehouse", database="DEMO")
    result = Pipeline.from_yaml(write_spec(tmp_path, STEPS)).run(threads=1)
    history = keep.sql(
        "SELECT QUERY_TEXT, WAREHOUSE_NAME FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => 10000))"
    ).collect()
    keep.close()
    assert result.ok, messages(result)
    ran = [(row[0], row[1]) for row in history]
    assert [of_step(ran, table) for table in ("FIRST", "SECOND", "THIRD", "FOURTH")] == [
        {"BIG"},
        {None},
        {"SMALL"},
        {None},
    ]


def test_without_any_warehouse_the_error_says_what_to_give(
    on_snowflake: Callable[..., Pipeline], ran: Ran
) -> None:
    steps = "steps: {first: {type: transform, query: SELECT 1 AS X, writes: first}}\n"
    with pytest.raises(Exception, match="warehouse") as raised:
        on_snowflake(steps).run()
    assert "targets.prod" in str(raised.value) or "`warehouse`" in str(raised.value)


def test_a_session_of_the_caller_keeps_its_warehouse_and_its_settings(tmp_path: Path) -> None:
    session = snowpipe_ml.local_session(tmp_path / "warehouse", database="DEMO")
    session.sql("CREATE WAREHOUSE MINE").collect()
    session.sql("ALTER SESSION SET QUERY_TAG = 'mine' STATEMENT_TIMEOUT_IN_SECONDS = 77").collect()
    steps = STEPS.replace("warehouse: big}", "warehouse: big, timeout: 50}")
    assert Pipeline.from_yaml(write_spec(tmp_path, steps)).run(session=session).ok
    settings = {row["key"]: row["value"] for row in session.sql("SHOW PARAMETERS IN SESSION").collect()}
    warehouse = session.get_current_warehouse()
    session.close()
    assert str(warehouse).strip('"') == "MINE"
    assert settings["STATEMENT_TIMEOUT_IN_SECONDS"] == "77"
    assert settings["QUERY_TAG"] == "mine"


def test_a_session_that_cannot_go_back_to_its_warehouse_is_closed_and_its_step_stands(
    on_snowflake: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, closed = Connection.perform, []

    def perform(self: Connection, command: str, *arguments: Any) -> Any:
        if re.match(r"USE WAREHOUSE .*OTHER", command) and self.warehouse == "BIG":
            raise ProgrammingError("Object does not exist, or operation cannot be performed.", errno=2043)
        return plain(self, command, *arguments)

    monkeypatch.setattr(Connection, "perform", perform)
    monkeypatch.setattr(
        "snowpipe_ml.engine.run.sessions._close", lambda s, **_: (closed.append(s.session_id), s.close())
    )
    result = on_snowflake(STEPS, of_connection="OTHER").run(threads=1)
    assert result.ok, messages(result)
    assert len(closed) == len(set(closed)) > 1


def test_records_are_written_on_the_warehouse_of_the_step(tmp_path: Path) -> None:
    """The default warehouse of the connection must not be woken by the records of a step on another one."""
    text = (
        "warehouses: {busy: {size: xsmall}}\n"
        "steps:\n  one: {type: transform, query: SELECT 1 AS X, writes: one, warehouse: busy}\n"
    )
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, text))
    session = pipeline.session()  # keeps the history of statements
    assert pipeline.run().ok
    rows = session.sql(
        "SELECT QUERY_TEXT, WAREHOUSE_NAME FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY(RESULT_LIMIT => 10000)) "
        "ORDER BY START_TIME"
    ).collect()
    session.close()
    written = [warehouse for text, warehouse in map(tuple, rows) if ".EVENTS (RUN_ID" in text]
    assert written[-1] == "BUSY", rows

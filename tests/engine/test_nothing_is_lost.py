"""Privileges, tags and comments that others put on the objects of a pipeline are there after any run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from snowflake.snowpark import Session

import snowpipe_ml
from snowpipe_ml import Pipeline
from tests.conftest import write_spec

SPEC = """\
stages: {s: {}}
file_formats: {csv: {skip_header: 1}}
tables: {declared: {columns: {A: NUMBER}}}
tags: {owner: {}}
packages: {p: [numpy, pandas]}
sources:
  days: {columns: {DATE: DATE, N: FLOAT}, from: {local: {query: days.sql}}}
  regions: {columns: {K: VARCHAR}, from: {local: {file: regions.csv}}}
steps:
  seen: {type: transform, materialized: view, query: "SELECT DATE, N, 'k' AS K FROM {{ ref('days') }}", writes: seen}
  kept: {type: transform, query: "SELECT DATE, N FROM {{ ref('seen') }}", writes: kept}
  parts: {type: split, from: kept, by: [DATE], train: train_days, test: test_days}
  copy: {type: snapshot, table: kept, into: kept_copy}
  features:
    {type: features, from: seen, partition_by: K, timestamp: DATE, value: N, target: TOTAL, lags: [7],
     min_history: 20, writes: features}
  future: {type: future_features, features: features, horizon: 7, writes: future}
  deploy: {type: deploy_forecaster, function: forecast_k, features: features, stage: s, packages: p,
    model: {type: seasonal_naive}}
  train: {type: train_forecasters, function: forecast_k, features: features, future: future, writes: forecasts}
"""
DAYS = "SELECT DATEADD(day, SEQ4(), '2024-01-01'::DATE) AS DATE, MOD(SEQ4(), 7)::FLOAT AS N FROM TABLE(GENERATOR(ROWCOUNT => 60))"


def _pipeline(folder: Path, changes: dict[str, str] | None = None) -> Pipeline:
    text = SPEC
    for old, new in (changes or {}).items():
        assert old in text
        text = text.replace(old, new)
    (folder / "days.sql").write_text(DAYS)
    (folder / "regions.csv").write_text("K\nk\n")
    return Pipeline.from_yaml(write_spec(folder, text))


def _session(folder: Path) -> Session:
    return snowpipe_ml.local_session(folder / "warehouse", database="DEMO")


def _objects(session: Session) -> list[tuple[str, str]]:
    """Return (kind, name) of all objects of the pipeline."""
    found = [
        (row["kind"], row["name"]) for row in session.sql("SHOW OBJECTS IN SCHEMA DEMO.PUBLIC").collect()
    ]
    for kind in ("STAGE", "FILE FORMAT"):
        found += [(kind, row["name"]) for row in session.sql(f"SHOW {kind}S IN SCHEMA DEMO.PUBLIC").collect()]
    for row in session.sql("SHOW USER FUNCTIONS IN SCHEMA DEMO.PUBLIC").collect():
        found.append(("FUNCTION", row["arguments"].partition(" RETURN ")[0]))
    return found


_PRIVILEGES = {
    "TABLE": "SELECT",
    "VIEW": "SELECT",
    "STAGE": "READ",
    "FILE FORMAT": "USAGE",
    "FUNCTION": "USAGE",
}


def _give(session: Session) -> list[tuple[str, str]]:
    """Put a privilege, tags and comments on every object, and on every column."""
    session.sql("CREATE ROLE READER").collect()
    objects = _objects(session)
    for kind, name in objects:
        session.sql(f"GRANT {_PRIVILEGES[kind]} ON {kind} {name} TO ROLE READER").collect()
        if kind != "FILE FORMAT":
            session.sql(f"COMMENT ON {kind} {name} IS 'the {kind.lower()} of \\'us\\''").collect()
        else:
            session.sql(f"ALTER FILE FORMAT {name} SET COMMENT = 'the {kind.lower()} of \\'us\\''").collect()
        if kind in ("TABLE", "VIEW"):
            session.sql(f"ALTER {kind} {name} SET TAG OWNER = '{name}'").collect()
            for row in session.sql(f"DESCRIBE {kind} {name}").collect():
                session.sql(f"ALTER {kind} {name} MODIFY COLUMN {row['name']} SET TAG OWNER = 'us'").collect()
                session.sql(f"COMMENT ON COLUMN {name}.{row['name']} IS 'column {row['name']}'").collect()
    return objects


def _given(session: Session) -> dict[str, object]:
    """Return what is on every object."""
    found: dict[str, object] = {}
    for row in session.sql("SHOW GRANTS TO ROLE READER").collect():
        found[f"grant on {row['granted_on']} {row['name']}"] = row["privilege"]
    for kind in ("OBJECTS", "STAGES", "FILE FORMATS"):
        for row in session.sql(f"SHOW {kind} IN SCHEMA DEMO.PUBLIC").collect():
            found[f"comment on {row['name']}"] = row["comment"]
    for row in session.sql("SHOW USER FUNCTIONS IN SCHEMA DEMO.PUBLIC").collect():
        found[f"comment on {row['name']}"] = row["description"]
    for kind, name in _objects(session):
        if kind in ("TABLE", "VIEW"):
            rows = session.sql(f"DESCRIBE {kind} {name}").collect()
            places = [(name, "TABLE"), *((f"{name}.{row['name']}", "COLUMN") for row in rows)]
            tags = ", ".join(f"SYSTEM$GET_TAG('OWNER', '{place}', '{level}')" for place, level in places)
            ((tag, *column_tags),) = session.sql(f"SELECT {tags}").collect()
            found[f"tag on {name}"] = tag
            for row, column_tag in zip(rows, column_tags, strict=True):
                found[f"on {name}.{row['name']}"] = (row["comment"], column_tag)
    return found


@pytest.fixture
def run_once(tmp_path: Path) -> Iterator[Path]:
    """The folder of a pipeline that has run, on whose objects others have put something.

    Its warehouse stays open during the test, so that opening it again costs nothing.
    """
    folder = tmp_path
    held = _session(folder)
    result = _pipeline(folder).run()
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    with _session(folder) as session:
        objects = _give(session)
    assert {kind for kind, _ in objects} == set(_PRIVILEGES)
    assert len(objects) == 14
    yield folder
    held.close()


@pytest.mark.slow
def test_nothing_is_lost(run_once: Path) -> None:
    folder = run_once
    with _session(folder) as session:
        before = _given(session)
    assert len([key for key in before if key.startswith("grant")]) == 14
    assert all(before.values())

    # A full refresh: everything is made again.
    result = _pipeline(folder).run(full_refresh=True)
    assert result.ok
    assert all(step.status != "skipped" for step in result.steps.values())
    with _session(folder) as session:
        assert _given(session) == before

    # A redeploy: other settings of the function, of the file format and of the queries.
    changed = {
        "model: {type: seasonal_naive}": "model: {type: seasonal_naive, season: 14}",
        "skip_header: 1": "skip_header: 2, date_format: DD/MM/YYYY",
        "SELECT DATE, N, 'k' AS K": "SELECT DATE, N + 1 AS N, 'k' AS K",
    }
    result = _pipeline(folder, changed).run()
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    assert result.steps["file_formats.csv"].message == "skip_header: 1 -> 2; date_format: AUTO -> DD/MM/YYYY"
    with _session(folder) as session:
        assert _given(session) == before
        described = session.sql("DESCRIBE FILE FORMAT CSV").collect()
    assert {row["property"]: row["property_value"] for row in described}["SKIP_HEADER"] == "2"

    # A changed column: of a source, of views, of tables.
    changed |= {
        "SELECT DATE, N, 'k' AS K": "SELECT DATE, N::NUMBER(9, 2) AS N, 'k' AS K, 1 AS MORE",
        "SELECT DATE, N FROM": "SELECT N, DATE, MORE FROM",
        "{K: VARCHAR}": "{K: VARCHAR(30)}",
    }
    result = _pipeline(folder, changed).run()
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    with _session(folder) as session:
        after = _given(session)
        assert [row[0] for row in session.sql("DESCRIBE TABLE KEPT").collect()] == ["N", "DATE", "MORE"]
    assert {key: after.get(key) for key in before} == before
    new = {key: value for key, value in after.items() if key not in before}
    assert new == {
        f"on {name}.MORE": (None, None) for name in ("SEEN", "KEPT", "TRAIN_DAYS", "TEST_DAYS", "KEPT_COPY")
    }

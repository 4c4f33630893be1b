"""What a run changes of objects that already exist: the settings that the spec names, and nothing elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from snowflake.snowpark.exceptions import SnowparkSQLException

import snowpipe_ml
from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError
from tests.conftest import write_spec

STEP = "steps: {one: {type: transform, query: SELECT 1 AS X, writes: one, warehouse: w}}\n"


def _run(folder: Path, spec: str, *before: str) -> tuple[Pipeline, object]:
    session = snowpipe_ml.local_session(folder / "warehouse", database="DEMO")
    for statement in before:
        session.sql(statement).collect()
    session.close()
    pipeline = Pipeline.from_yaml(write_spec(folder, spec))
    return pipeline, pipeline.run()


def _shown(folder: Path, statement: str) -> list[dict[str, object]]:
    session = snowpipe_ml.local_session(folder / "warehouse", database="DEMO")
    rows = [row.as_dict() for row in session.sql(statement).collect()]
    session.close()
    return rows


def test_only_the_settings_that_differ_are_changed(tmp_path: Path) -> None:
    _, result = _run(
        tmp_path,
        "warehouses: {w: {size: medium, auto_suspend: 60, statement_timeout_in_seconds: 600}}\n" + STEP,
        "CREATE WAREHOUSE W WITH WAREHOUSE_SIZE = 'XSMALL' AUTO_SUSPEND = 60 COMMENT = 'of the platform team' "
        "MAX_CLUSTER_COUNT = 3 STATEMENT_QUEUED_TIMEOUT_IN_SECONDS = 30",
    )
    assert result.steps["warehouses.w"].message == (
        "size: x-small -> medium; statement_timeout_in_seconds: 172800 -> 600"
    )
    (row,) = _shown(tmp_path, "SHOW WAREHOUSES LIKE 'W'")
    assert (row["size"], row["comment"], row["max_cluster_count"]) == ("Medium", "of the platform team", 3)
    parameters = {row["key"]: row["value"] for row in _shown(tmp_path, "SHOW PARAMETERS IN WAREHOUSE W")}
    assert parameters == {
        "MAX_CONCURRENCY_LEVEL": "8",
        "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS": "30",
        "STATEMENT_TIMEOUT_IN_SECONDS": "600",
    }


def test_a_new_warehouse_has_all_settings(tmp_path: Path) -> None:
    _run(
        tmp_path,
        "warehouses: {w: {size: 'xxlarge', generation: 2, min_cluster_count: 2, max_cluster_count: 2}}\n"
        + STEP,
    )
    (row,) = _shown(tmp_path, "SHOW WAREHOUSES LIKE 'W'")
    assert (row["size"], row["auto_suspend"], row["state"], row["generation"], row["min_cluster_count"]) == (
        "2X-Large",
        60,
        "SUSPENDED",
        "2",
        2,
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("type: standard, resource_constraint: MEMORY_16X", "is for warehouses of type snowpark-optimized"),
        (
            "type: snowpark-optimized, size: medium, generation: 2",
            "generation is for warehouses of type standard",
        ),
        ("type: adaptive, size: large", "Snowflake decides size"),
        ("min_cluster_count: 3, max_cluster_count: 2", "min_cluster_count 3 is above max_cluster_count 2"),
        ("min_cluster_count: 2", "min_cluster_count 2 is above max_cluster_count 1"),
        ("generation: 2, size: x5large", "with generation 2 must be at most x4large"),
        (
            "type: snowpark-optimized, size: x6large, resource_constraint: MEMORY_16X_x86",
            "with MEMORY_16X_x86 must be at most x4large",
        ),
        ("resource_constraint: STANDARD_GEN_2", "resource_constraint"),
        ("type: snowpark-optimized, size: small", "must be at least medium"),
    ],
)
def test_settings_that_do_not_go_together(tmp_path: Path, settings: str, message: str) -> None:
    path = write_spec(tmp_path, f"warehouses: {{w: {{{settings}}}}}\n" + STEP)
    with pytest.raises(SpecError, match=message):
        Pipeline.from_yaml(path).validate()


def test_the_generation_of_a_warehouse_is_in_quotes(tmp_path: Path) -> None:
    with pytest.raises(SnowparkSQLException, match="GENERATION"):
        _shown(tmp_path, "CREATE WAREHOUSE W WITH GENERATION = 2")


OBJECTS = {
    "warehouses": ("w", "{managed: elsewhere, size: large}", "CREATE WAREHOUSE W WITH AUTO_SUSPEND = 5"),
    "stages": ("s", "{managed: elsewhere, comment: ours}", "CREATE STAGE DEMO.PUBLIC.S"),
    "file_formats": (
        "f",
        "{managed: elsewhere, skip_header: 1}",
        "CREATE FILE FORMAT DEMO.PUBLIC.F TYPE = CSV",
    ),
    "tables": ("t", "{managed: elsewhere, columns: {A: number}}", "CREATE TABLE DEMO.PUBLIC.T (A NUMBER)"),
    "tags": ("g", "{managed: elsewhere}", "CREATE TAG DEMO.PUBLIC.G"),
    "roles": ("r", "{managed: elsewhere}", "CREATE ROLE R"),
}


@pytest.mark.parametrize("section", OBJECTS)
def test_an_object_that_is_managed_elsewhere_must_exist_and_is_left_alone(
    tmp_path: Path, section: str
) -> None:
    name, model, statement = OBJECTS[section]
    spec = f"{section}: {{{name}: {model}}}\nsteps: {{one: {{type: transform, query: SELECT 1 AS X, writes: one}}}}\n"
    result = _run(tmp_path, spec)[1]
    outcome = result.steps[f"{section}.{name}"]
    assert "`managed: elsewhere`: have it created" in str(outcome.error)
    result = _run(tmp_path, spec, statement)[1]
    outcome = result.steps[f"{section}.{name}"]
    assert (str(outcome.status.value), outcome.message) == (
        "success",
        "" if section == "roles" else "managed elsewhere",
    )
    created = [row for row in _shown(tmp_path, "SHOW WAREHOUSES") if row["name"] == "W"]
    assert not created or (created[0]["size"], created[0]["auto_suspend"]) == ("X-Small", 5)


def test_a_table_that_is_managed_elsewhere_has_the_columns_of_the_spec(tmp_path: Path) -> None:
    spec = "tables: {t: {managed: elsewhere, columns: {A: date}}}\n" + STEP.replace(", warehouse: w", "")
    result = _run(tmp_path, spec, "CREATE TABLE DEMO.PUBLIC.T (A NUMBER)")[1]
    assert "NUMBER(38,0)" in str(result.steps["tables.t"].error)

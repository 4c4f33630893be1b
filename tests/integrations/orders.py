"""The example that every orchestrator runs, and what must be found on the target afterwards."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from snowpipe_ml import Pipeline
from tests.conftest import ROOT, ask, write_spec

DATE = "2022-04-30"
TABLES = {
    "ALL_ORDERS": "*",
    "ALL_RETURNS": "*",
    "SOLD": "*",
    "DAILY_NORTH": "*",
    "DAILY_SOUTH": "*",
    "FORECASTS": "*",
    "METRICS": "* EXCLUDE RUN_ID",
}


class Found(NamedTuple):
    """What a run has left: the rows of its tables, and the records of its steps."""

    tables: dict[str, list[tuple[Any, ...]]]
    records: list[tuple[Any, ...]]


def copy_of_example(folder: Path) -> Path:
    """Copy the example, and return its spec."""
    shutil.copytree(ROOT / "examples" / "embedding", folder, ignore=shutil.ignore_patterns(".snowpipe"))
    (folder / "failures").mkdir()
    return folder / "orders.yaml"


def environment(spec: Path) -> dict[str, str]:
    """The environment in which two steps of the example fail once.

    The many processes of an orchestrator compile the package once.
    """
    own = {"ORDERS_FAILURES": str(spec.parent / "failures"), "PYTHONPATH": str(ROOT)}
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **own}


def found(spec: Path, runs: int = 1) -> Found:
    """Read what the last of some runs has left, and check that all of it is of one run."""
    assert {file.name for file in (spec.parent / "failures").iterdir()} == {"orders", "returns"}
    pipeline = Pipeline.from_yaml(spec)
    holder = pipeline.session()  # the warehouse is opened once for all queries
    try:
        ids = [
            run
            for (run,) in ask(
                pipeline, "SELECT RUN_ID FROM SNOWPIPE_ML.RUNS WHERE STATUS = 'success' ORDER BY 1"
            )
        ]
        assert len(ids) == runs, ids
        assert ask(pipeline, "SELECT COUNT(*) FROM SNOWPIPE_ML.RUNS") == [(runs,)]
        assert ask(pipeline, "SELECT DISTINCT RUN_ID FROM METRICS") == [(ids[0],)]
        assert ask(pipeline, "SELECT RUN_ID FROM SNOWPIPE_ML.LOCKS") == [(None,)]
        tables = {
            name: ask(pipeline, f"SELECT {what} FROM {name} ORDER BY ALL") for name, what in TABLES.items()
        }
        records = ask(
            pipeline,
            f"SELECT STEP, STATUS, ROW_COUNT, MESSAGE, ERROR FROM SNOWPIPE_ML.STEP_RUNS WHERE RUN_ID = '{ids[-1]}' "
            "ORDER BY STEP",
        )
    finally:
        holder.close()
    return Found(tables, records)


def last_line(text: str) -> Any:
    """Parse the last line of an output as JSON."""
    return json.loads(text.splitlines()[-1])


SMALL = """\
steps:
  a: {type: transform, query: "SELECT 1 AS X", writes: ta}
"""


def small_spec(folder: Path) -> Path:
    """Write a spec with one step."""
    (folder / "failures").mkdir(parents=True)
    return write_spec(folder, SMALL)


def states(spec: Path) -> list[tuple[Any, ...]]:
    """Count the runs of a spec by their states."""
    return ask(
        Pipeline.from_yaml(spec), "SELECT STATUS, COUNT(*) FROM SNOWPIPE_ML.RUNS GROUP BY 1 ORDER BY 1"
    )


FAILING = """\
steps:
  a: {type: transform, query: "SELECT 1 AS X", writes: ta}
  strict: {type: expect, table: ta, min_rows: 2}
  after_strict: {type: transform, needs: [strict], query: "SELECT 2 AS X FROM {{ ref('ta') }}", writes: tstrict}
  bad: {type: transform, query: "SELECT X / 0 AS Y FROM {{ ref('ta') }}", writes: tbad}
  after_bad: {type: transform, query: "SELECT * FROM {{ ref('tbad') }}", writes: tafter}
"""


def failing_spec(folder: Path) -> Path:
    """Write a spec with a step and an expectation that fail whenever they are tried."""
    (folder / "failures").mkdir(parents=True)
    return write_spec(folder, FAILING)


def check_failed(spec: Path) -> None:
    """Check what a run of the failing spec has left."""
    pipeline = Pipeline.from_yaml(spec)
    assert ask(pipeline, "SELECT STATUS FROM SNOWPIPE_ML.RUNS") == [("failed",)]
    assert ask(
        pipeline,
        "SELECT STEP, STATUS, MESSAGE FROM SNOWPIPE_ML.STEP_RUNS WHERE STATUS <> 'failed' ORDER BY STEP",
    ) == [
        ("a", "success", ""),
        ("after_bad", "skipped", "needs bad"),
        ("after_strict", "skipped", "needs strict"),
    ]
    tries = "SELECT STEP, COUNT(*) FROM SNOWPIPE_ML.EVENTS WHERE EVENT = 'step_finished' AND STATUS = 'failed' GROUP BY 1 ORDER BY 1"
    assert ask(pipeline, tries) == [("bad", 1), ("strict", 1)]
    assert ask(pipeline, "SELECT RUN_ID FROM SNOWPIPE_ML.LOCKS") == [(None,)]


SERVED = """\
name: served
targets: {prod: {type: snowflake, connection: none_of_this_name, database: DEMO}}
steps:
  a: {type: transform, tags: ["owner:team:data", daily], query: "SELECT 1 AS X", writes: ta}
  slow: {type: transform, query: "SELECT X, SYSTEM$WAIT(300) AS W FROM {{ ref('ta') }}", writes: tslow}
"""
RUNNING = (
    "SELECT COUNT(*) FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY()) WHERE EXECUTION_STATUS = 'RUNNING' "
    "AND QUERY_TEXT ILIKE '%WAIT(300)%' AND QUERY_TEXT NOT ILIKE '%QUERY_HISTORY%'"
)


def served_spec(folder: Path) -> Path:
    """Write a spec on an account that it cannot reach by itself."""
    path = folder / "served.yaml"
    path.write_text(SERVED)
    return path

"""The settings of the sessions are those of the spec, whatever the account or the connection has."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError
from snowpipe_ml.local.core import parameters
from snowpipe_ml.local.server.http import WarehouseServer
from snowpipe_ml.targets.session_settings import session_settings
from snowpipe_ml.targets.snowflake import SnowflakeTarget
from tests.conftest import ask

STEPS = """\
steps:
  zone:
    type: transform
    query: "SELECT '2024-01-01 00:00:00 +0000'::TIMESTAMP_LTZ::DATE AS DAY, DAYOFWEEK('2024-01-01'::DATE) AS WEEKDAY, '03/04/2024'::DATE AS READ, 'x' || '2024-01-02'::DATE AS WRITTEN"
    writes: zone
"""


def _targets(more: str) -> str:
    return f"targets: {{demo: {{type: local, path: warehouse, database: DEMO{more}}}}}\n"


def _rows(pipeline: Pipeline) -> list[tuple[object, ...]]:
    result = pipeline.run()
    assert result.ok, result.steps["zone"].error
    return [tuple(str(value) for value in row) for row in ask(pipeline, "SELECT * FROM ZONE")]


def test_the_time_zone_of_the_spec(tmp_path: Path) -> None:
    spec = "name: demo\n" + _targets("") + STEPS
    (tmp_path / "spec.yaml").write_text(spec)
    assert _rows(Pipeline.from_yaml(tmp_path / "spec.yaml"))[0][:2] == ("2023-12-31", "1")
    (tmp_path / "spec.yaml").write_text("name: demo\n" + _targets(", timezone: UTC, week_start: 7") + STEPS)
    changed = Pipeline.from_yaml(tmp_path / "spec.yaml")
    assert _rows(changed)[0][:2] == ("2024-01-01", "2")  # the step is not reused
    assert changed.run().steps["zone"].status.value == "reused"


def test_an_unknown_time_zone(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("name: demo\n" + _targets(", timezone: Mars/Olympus") + STEPS)
    with pytest.raises(SpecError, match="'Mars/Olympus' is not a time zone"):
        Pipeline.from_yaml(tmp_path / "spec.yaml").validate()


def test_the_pinned_settings_are_the_defaults_of_the_embedded_warehouse() -> None:
    target = SnowflakeTarget.model_validate({"type": "snowflake", "connection": "c", "database": "D"})
    pinned = {
        name: str(value).lower()
        for name, value in session_settings(target).items()
        if name in parameters.DEFAULTS
    }
    # How an account prints JSON, GEOGRAPHY and results that are cut off is not pinned: `doctor` asks.
    unpinned = ("GEOGRAPHY_OUTPUT_FORMAT", "GEOMETRY_OUTPUT_FORMAT", "JSON_INDENT", "ROWS_PER_RESULTSET")
    own = {name: str(value).lower() for name, value in parameters.DEFAULTS.items() if name not in unpinned}
    assert pinned == own


def test_the_settings_of_a_connection_do_not_change_results(tmp_path: Path) -> None:
    folder = tmp_path / "account"
    server = WarehouseServer(folder, 0, "a-token-for-the-tests", "DEMO", "PUBLIC")
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        head, *lines = server.entry.splitlines()
        assert head == "[embedded]"
        odd = 'TIMEZONE = "Asia/Tokyo", DATE_OUTPUT_FORMAT = "DD/MM/YYYY", WEEK_START = 7'
        connections = tmp_path / "connections.toml"
        connections.write_text("\n".join(["[odd]", *lines, f"session_parameters = {{{odd}}}", ""]))
        connections.chmod(0o600)
        (tmp_path / "spec.yaml").write_text(
            "name: demo\ntargets: {prod: {type: snowflake, connection: odd, database: DEMO}}\n" + STEPS
        )
        environment = {**os.environ, "SNOWFLAKE_HOME": str(tmp_path)}
        found = {}
        for name, code in {"run": _RUN, "connection": _CONNECTION}.items():
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "spec.yaml")],
                capture_output=True,
                text=True,
                check=False,
                env=environment,
            )
            assert done.returncode == 0, done.stderr
            found[name] = done.stdout.strip().splitlines()[-1]
    finally:
        server.close()
        serving.join()
    assert found == {"run": "2023-12-31 1 2024-03-04 x2024-01-02", "connection": "Asia/Tokyo 01/02/2024"}


# What a run with this connection sees, and what the connection alone does.
_RUN = """
import sys
from snowpipe_ml import Pipeline
pipeline = Pipeline.from_yaml(sys.argv[1])
result = pipeline.run()
assert result.ok, result.steps["zone"].error
print(*pipeline.session().sql("SELECT * FROM ZONE").collect()[0])
"""
_CONNECTION = """
import snowflake.connector
cursor = snowflake.connector.connect(connection_name="odd").cursor()
cursor.execute("SHOW PARAMETERS LIKE 'TIMEZONE'")
zone = cursor.fetchone()[1]
print(zone, cursor.execute("SELECT '2024-02-01'::DATE::VARCHAR").fetchone()[0])
"""

"""The command ``doctor``: offline, and through Snowflake's connector on a served warehouse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import snowflake.connector
from click.testing import CliRunner

from snowpipe_ml import Pipeline, local
from snowpipe_ml.cli.main import main
from snowpipe_ml.doctor.script import privileges
from tests.conftest import CITIBIKE, ROOT

SPEC = """\
name: demo
targets:
  prod: {type: snowflake, connection: embedded, database: DEMO, schema: ML, role: runner, warehouse: shared_wh}
  local: {type: local, path: warehouse, database: OTHER}
default_target: local
steps:
  one: {type: transform, query: SELECT 1 AS X, writes: one}
"""


def test_the_page_of_privileges_is_up_to_date() -> None:
    text = privileges(Pipeline.from_yaml(CITIBIKE), "prod").as_markdown()
    page = (ROOT / "docs" / "privileges.md").read_text(encoding="utf-8")
    assert page.endswith(f".\n\n{text}".rstrip() + "\n"), (
        "write the output of `doctor --offline` into the page"
    )


def test_the_script_for_the_reference_pipeline_runs(session: Any) -> None:
    for statement in privileges(Pipeline.from_yaml(CITIBIKE), "prod").script:
        session.sql(str(statement)).collect()
    shown = session.sql("SHOW GRANTS TO ROLE CITIBIKE_RUNNER").collect()
    assert len(shown) == len(privileges(Pipeline.from_yaml(CITIBIKE), "prod").needs)


def test_offline_as_json(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    result = CliRunner().invoke(
        main, ["doctor", str(tmp_path / "spec.yaml"), "--target", "prod", "--offline", "--json"]
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert (found["role"], found["target"]) == ("RUNNER", "prod")
    assert {
        "privilege": "CREATE TABLE",
        "on": "SCHEMA",
        "name": "DEMO.ML",
        "for": ["one"],
        "grant": "GRANT CREATE TABLE ON SCHEMA DEMO.ML TO ROLE RUNNER",
    } in found["privileges"]
    assert found["script"][:2] == ["USE ROLE ACCOUNTADMIN", "CREATE ROLE IF NOT EXISTS RUNNER"]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Serve a warehouse on which the administrator's script has run; return its entry of connections.toml."""
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC)
    connection = local.connect(tmp_path / "warehouse", "OTHER", "PUBLIC")
    connection.cursor().execute("CREATE WAREHOUSE SHARED_WH")
    for statement in privileges(Pipeline.from_yaml(spec), "prod").script:
        connection.cursor().execute(str(statement))
    connection.close()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "snowpipe_ml", "serve", str(spec)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    text = ""
    while not text.endswith('schema = "PUBLIC"\n'):
        read = process.stdout.readline()
        assert read
        text += read
    (tmp_path / "connections.toml").write_text(text)
    (tmp_path / "connections.toml").chmod(0o600)
    yield tomllib.loads(text)["embedded"]
    process.terminate()
    process.communicate(timeout=120)


def _doctor(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "snowpipe_ml",
            "doctor",
            str(folder / "spec.yaml"),
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SNOWFLAKE_HOME": str(folder)},
    )


@pytest.mark.slow
def test_through_the_connector(served: dict[str, Any], tmp_path: Path) -> None:
    done = _doctor(tmp_path, "--target", "prod", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {finding["status"] for finding in json.loads(done.stdout)} <= {"ok", "unknown"}
    with snowflake.connector.connect(**served) as connection:
        connection.cursor().execute("REVOKE CREATE TABLE ON SCHEMA DEMO.ML FROM ROLE RUNNER")
    done = _doctor(tmp_path, "--target", "prod")
    assert done.returncode == 1
    assert (
        "FAIL privileges.create: the role RUNNER lacks CREATE TABLE on schema DEMO.ML, for one\n"
        "    GRANT CREATE TABLE ON SCHEMA DEMO.ML TO ROLE RUNNER;\n"
    ) in done.stdout
    assert "1 problem" in done.stdout
    assert _doctor(tmp_path, "--target", "local").returncode == 2

"""One extension of each kind, from a package that is installed the way a user installs it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked
from tests.conftest import ROOT

SERIES = """\
  events:
    type: transform
    query: |
      SELECT s.SHOP, DATEADD(day, g.DAY, '2024-01-01'::TIMESTAMP_NTZ) AS SOLD_AT
      FROM (SELECT ROW_NUMBER() OVER (ORDER BY 1) - 1 AS DAY FROM TABLE(GENERATOR(ROWCOUNT => 90))) g
      CROSS JOIN (SELECT $1 AS SHOP FROM VALUES ('a'), ('b')) s
    writes: events
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages with the extensions in it."""
    folder, source = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("source") / "package"
    shutil.copytree(ROOT / "examples" / "extensions", source)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(folder), str(source)], check=True)
    return folder


def run(site: Path, code: str, *arguments: object, cwd: Path | None = None) -> None:
    """Run Python code with the extensions installed."""
    done = forked.python(code, *arguments, site=site, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr


def command(site: Path, *arguments: object) -> str:
    """Run ``snowpipe-ml`` with the extensions installed; its output."""
    done = forked.command(*arguments, site=site)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def spec(folder: Path, steps: str, target: str = "{type: local}", more: str = "") -> Path:
    path = folder / "spec.yaml"
    path.write_text(f"name: extended\ntargets: {{one: {target}}}\n{more}steps:\n{steps}")
    return path


def test_a_step_type(site: Path, tmp_path: Path) -> None:
    run(site, "from snowpipe_ml.testing import check_step; check_step('count_rows')")
    path = spec(tmp_path, f"{SERIES}  counted: {{type: count_rows, table: events}}\n")
    assert "180 rows" in command(site, "run", path, "--no-report")


def test_a_target(site: Path, tmp_path: Path) -> None:
    code = "import sys, pathlib; from snowpipe_ml.testing import check_target; "
    run(
        site,
        code + "check_target('shared', pathlib.Path(sys.argv[1]), root='all', database='DEMO')",
        str(tmp_path),
    )
    path = spec(tmp_path, SERIES, "{type: shared, root: all, database: DEMO}")
    command(site, "run", path, "--no-report")
    found = command(site, "sql", path, "SELECT COUNT(*) AS N FROM EVENTS", "--format", "json")
    assert json.loads(found) == [{"N": 180}]
    assert (tmp_path / "all" / "databases" / "DEMO.duckdb").is_file()


def test_a_forecaster(site: Path, tmp_path: Path) -> None:
    run(site, "from snowpipe_ml.testing import check_forecaster; check_forecaster('drift', days=14)")
    steps = f"""{SERIES}  features: {{type: features, from: events, partition_by: SHOP, timestamp: SOLD_AT, lags: [7], min_history: 40,
    writes: features}}
  future: {{type: future_features, features: features, horizon: 5, writes: future}}
  deploy: {{type: deploy_forecaster, function: forecast_shop, features: features, stage: code, packages: ours,
    model: {{type: drift, days: 10}}}}
  train: {{type: train_forecasters, function: forecast_shop, features: features, future: future, writes: forecasts}}
"""
    more = "stages: {code: {}}\npackages: {ours: [numpy, pandas]}\n"
    path = spec(tmp_path, steps, more=more)
    command(site, "run", path, "--no-report")
    query = "SELECT COUNT(*) AS N, MIN(PREDICTION) AS LOW, MAX(PREDICTION) AS HIGH FROM FORECASTS WHERE PART = 'forecast'"
    found = json.loads(command(site, "sql", path, query, "--format", "json"))
    assert found == [{"N": 10, "LOW": 1.0, "HIGH": 1.0}]


def test_a_function_a_format_and_a_statement_of_the_embedded_warehouse(site: Path, tmp_path: Path) -> None:
    code = """
import pyarrow as pa
from pyarrow import feather
from snowflake.snowpark.exceptions import SnowparkSQLException
import snowpipe_ml

session = snowpipe_ml.local_session()
run = lambda text: session.sql(text).collect()
assert run("SELECT WORD_COUNT('a b c') AS N")[0]["N"] == 3

feather.write_feather(pa.table({"ID": [1, 2], "NAME": ["x", "y"]}), "rows.feather")
run("CREATE STAGE S")
session.file.put("rows.feather", "@S", auto_compress=False)
run("CREATE FILE FORMAT F TYPE = FEATHER")
run("CREATE TABLE T (ID NUMBER, NAME VARCHAR)")
run("COPY INTO T FROM @S FILE_FORMAT = (FORMAT_NAME = F) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE")
assert [tuple(row) for row in run("SELECT * FROM T ORDER BY ID")] == [(1, "x"), (2, "y")]
columns = run("SELECT COLUMN_NAME, TYPE FROM TABLE(INFER_SCHEMA(LOCATION => '@S', FILE_FORMAT => 'F'))")
assert [tuple(row) for row in columns] == [("ID", "NUMBER(38, 0)"), ("NAME", "TEXT")]

run("CREATE NOTE HELLO AS 'world'")
assert [tuple(row) for row in run("SHOW NOTES")] == [("HELLO", "world")]
run("DROP NOTE HELLO")
try:
    run("DROP NOTE HELLO")
except SnowparkSQLException as raised:
    assert "does not exist or not authorized" in str(raised)
else:
    raise AssertionError("a note was dropped twice")
session.close()
"""
    run(site, code, cwd=tmp_path)


def test_without_the_package_its_names_are_unknown(tmp_path: Path) -> None:
    from snowpipe_ml.local.files.formats.base import FORMATS
    from snowpipe_ml.plugins import STEP_TYPES, TARGETS
    from snowpipe_ml.plugins.forecaster import FORECASTERS

    for registry, name in (
        (FORMATS, "FEATHER"),
        (STEP_TYPES, "count_rows"),
        (TARGETS, "shared"),
        (FORECASTERS, "drift"),
    ):
        assert name not in registry

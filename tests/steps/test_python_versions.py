"""The Python of functions, the source of their packages, and the limits that `validate` knows."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from snowpipe_ml import Pipeline
from snowpipe_ml.cli.main import main
from tests.conftest import write_spec

SPEC = """\
python: "PYTHON"
stages: {s: {}}
packages: {p: [numpy, "pandas==2.*"]}
tables: {days: {columns: {K: varchar, DATE: date, N: float}}}
steps:
  features:
    {type: features, from: days, partition_by: K, timestamp: DATE, value: N, target: TOTAL, lags: LAGS, writes: features}
  deploy:
    type: deploy_forecaster
    function: forecast_k
    features: features
    stage: s
    packages: p
    model: {type: seasonal_naive}
  train:
    type: train_automl
    table: days
    target: N
    features: {K: varchar}
    time_limit: 10
    stage: s
    packages: p
    writes: "@s/model/"
"""


def spec(folder: Path, python: str = "3.11", lags: str = "[7]") -> Path:
    return write_spec(folder, SPEC.replace("PYTHON", python).replace("LAGS", lags))


def validated(path: Path) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["validate", str(path)])
    return done.exit_code, done.output


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_one_key_sets_the_python_of_all_functions(tmp_path: Path, python: str) -> None:
    path = spec(tmp_path, python)
    made = [
        statement.text
        for step in Pipeline.from_yaml(path).plan()
        for statement in step.statements
        if "LANGUAGE PYTHON" in statement.text
    ]
    assert len(made) == 2
    for text in made:
        assert f"RUNTIME_VERSION = '{python}'" in text
        assert "ARTIFACT_REPOSITORY = SNOWFLAKE.SNOWPARK.ANACONDA_SHARED_REPOSITORY" in text
        assert "'pandas==2.*'" in text
    assert validated(path) == (0, f"{path} is valid: 3 steps, 2 declared objects\n")


def test_a_deprecated_python_is_noted_and_an_older_one_refused(tmp_path: Path) -> None:
    code, output = validated(spec(tmp_path, "3.10"))
    assert code == 0
    assert "spec.yaml:4:1: Snowflake has deprecated Python 3.10 since 2026-10-04" in output
    code, output = validated(spec(tmp_path, "3.9"))
    assert code == 2
    assert "spec.yaml:4:9: " in output
    assert "3.9" in output


@pytest.mark.parametrize(
    "package", ["pandas<3", "pandas>=2", "pandas==2.1,==2.2", "pandas~=2.1", "pandas!=2.0"]
)
def test_a_specifier_that_is_not_documented_is_refused(tmp_path: Path, package: str) -> None:
    path = write_spec(
        tmp_path,
        f'packages:\n  p: [numpy, "{package}"]\nsteps: {{one: {{type: transform, query: SELECT 1 AS X, writes: one}}}}\n',
    )
    code, output = validated(path)
    assert code == 2
    assert f"spec.yaml:5:14: '{package}' is not a form that PACKAGES documents" in output


def test_condas_form_of_a_version_becomes_the_documented_one(tmp_path: Path) -> None:
    path = spec(tmp_path)
    path.write_text(path.read_text().replace("pandas==2.*", "pandas=2.1.4"))
    (made,) = [
        s.text for step in Pipeline.from_yaml(path).plan() for s in step.statements if "HANDLER" in s.text
    ][:1]
    assert "PACKAGES = ('numpy', 'pandas==2.1.4')" in made


def test_more_columns_than_snowflake_allows_are_refused(tmp_path: Path) -> None:
    code, output = validated(spec(tmp_path, lags=str(list(range(1, 243)))))
    assert code == 2
    assert "spec.yaml:14:15: the function has 501 result columns, and Snowflake allows 500" in output
    assert validated(spec(tmp_path, lags=str(list(range(1, 242)))))[0] == 0


def test_a_target_without_a_warehouse_is_noted_with_its_steps(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    text = """\
name: demo
targets:
  prod: {type: snowflake, connection: c, database: DEMO}
  local: {type: local, path: warehouse, database: DEMO}
default_target: local
warehouses: {w: {}}
steps:
  one: {type: transform, query: SELECT 1 AS X, writes: one}
  two: {type: transform, query: SELECT 1 AS X, writes: two, warehouse: w}
"""
    path.write_text(text)
    assert "note: " + str(path) + ":3:3: on the target prod, 1 steps have no warehouse" in validated(path)[1]
    path.write_text(text.replace("database: DEMO}\n  local", "database: DEMO, warehouse: w}\n  local"))
    assert "note" not in validated(path)[1]

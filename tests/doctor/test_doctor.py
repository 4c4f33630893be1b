"""The doctor finds what is missing on an account, by name and with what mends it.

The embedded warehouse stands for the account. It stores privileges, and enforces them only when it is strict.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from snowpipe_ml import Pipeline, local
from snowpipe_ml.cli.main import main
from snowpipe_ml.doctor.checks import CHECKS, Finding, Status
from snowpipe_ml.doctor.diagnosis import diagnose
from snowpipe_ml.doctor.script import privileges
from snowpipe_ml.errors import UsageError
from snowpipe_ml.local.syntax.script import split
from snowpipe_ml.sql import Identifier
from snowpipe_ml.targets.session_settings import session_settings
from snowpipe_ml.targets.snowflake import SnowflakeTarget

SPEC = """\
name: demo
default_target: prod
targets:
  prod: {type: snowflake, connection: nowhere, database: DEMO, schema: ML, role: runner, warehouse: shared_wh}
  local: {type: local, database: DEMO}
warehouses: {train_wh: {size: large}, other_wh: {managed: elsewhere}}
roles: {analyst: {}, auditor: {managed: elsewhere}}
grants:
  analyst: {database demo: [usage], schema demo.ml: [usage], table kept: [select], warehouse train_wh: [usage]}
stages: {s: {}, drop_box: {managed: elsewhere}}
file_formats: {csv: {skip_header: 1}}
tags: {model_id: {value: x}}
packages:
  p: [numpy, pandas]
  pypi: {packages: [numpy], artifact_repository: snowflake.snowpark.pypi_shared_repository}
sources:
  days: {columns: {DATE: DATE, N: FLOAT}, from: {prod: {table: raw.public.days}, local: {file: days.csv}}}
  weather: {columns: {DATE: DATE}, from: {prod: {share: PROVIDER.WEATHER, database: WEATHER, query: weather.sql},
    local: {file: days.csv}}}
steps:
  seen: {type: transform, materialized: view, query: "SELECT DATE, N, 'k' AS K FROM {{ ref('days') }}", writes: seen}
  kept: {type: transform, query: "SELECT DATE, N FROM {{ ref('seen') }}", writes: kept, warehouse: train_wh}
  features:
    {type: features, from: seen, partition_by: K, timestamp: DATE, value: N, target: TOTAL, lags: [7], writes: features}
  future: {type: future_features, features: features, horizon: 7, writes: future}
  deploy: {type: deploy_forecaster, function: forecast_k, features: features, stage: s, packages: p,
    model: {type: seasonal_naive}}
  train: {type: train_forecasters, function: forecast_k, features: features, future: future, writes: forecasts,
    warehouse: other_wh}
"""
BEFORE = (
    "CREATE WAREHOUSE SHARED_WH WITH AUTO_SUSPEND = 60",
    "CREATE WAREHOUSE OTHER_WH WITH AUTO_SUSPEND = 60",
    "CREATE ROLE AUDITOR",
    "CREATE DATABASE RAW",
    "CREATE TABLE RAW.PUBLIC.DAYS (DATE DATE, N FLOAT)",
    "CREATE DATABASE DEMO",
    "CREATE SCHEMA DEMO.ML",
    "CREATE STAGE DEMO.ML.DROP_BOX",
)


def _pipeline(folder: Path, **changes: str) -> Pipeline:
    text = SPEC
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "weather.sql").write_text("SELECT DATE FROM WEATHER.PUBLIC.DAILY")
    (folder / "spec.yaml").write_text(text)
    return Pipeline.from_yaml(folder / "spec.yaml")


def _run(connection: Any, *statements: str) -> None:
    for statement in statements:
        connection.cursor().execute(statement)


def _log_in(folder: Path) -> Any:
    """Log in as a run does, with its session parameters."""
    connection = local.connect(folder / "account", "RAW", "PUBLIC")
    connection.shares["PROVIDER.WEATHER"] = ["CREATE TABLE DAILY (DATE DATE)"]
    spec, _, _ = _pipeline(folder).load("prod")
    for name, value in session_settings(spec.target).items():
        written = f"'{value}'" if isinstance(value, str) else str(value)
        _run(connection, f"ALTER SESSION SET {name} = {written}")
    _run(connection, "USE WAREHOUSE SHARED_WH")
    return connection


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an account on which an administrator has run the script of ``doctor --offline``."""
    folder = tmp_path_factory.mktemp("account")
    connection = local.connect(folder / "account", "RAW", "PUBLIC")
    _run(connection, *BEFORE[:3], BEFORE[4], *BEFORE[5:])
    _run(connection, *map(str, privileges(_pipeline(folder)).script))
    connection.close()
    return folder


@pytest.fixture
def account(prepared: Path, tmp_path: Path) -> Iterator[Any]:
    """A connection to a copy of that account."""
    shutil.copytree(prepared / "account", tmp_path / "account")
    connection = _log_in(tmp_path)
    yield connection
    connection.close()


def _problems(findings: list[Finding]) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.status is Status.PROBLEM:
            found.setdefault(finding.check, []).append(finding)
    return found


def test_after_the_script_nothing_is_missing(account: Any, tmp_path: Path) -> None:
    findings = diagnose(_pipeline(tmp_path), "prod", account)
    assert _problems(findings) == {}
    assert {finding.check for finding in findings} == set(CHECKS)
    assert len(CHECKS) >= 30
    unknown = {finding.check for finding in findings if finding.status is Status.UNKNOWN}
    assert unknown == {"bundle.2026_08"}  # the embedded warehouse has no bundles


# What is taken away, the check that finds it, and what its remedy says.
TAKEN: dict[str, tuple[str, str, str]] = {
    "the database": (
        "REVOKE CREATE DATABASE ON ACCOUNT FROM ROLE RUNNER; DROP DATABASE DEMO",
        "database",
        "CREATE DATABASE IF NOT EXISTS DEMO",
    ),
    "the schema of the records": ("DROP SCHEMA DEMO.SNOWPIPE_ML", "schema.records", "DEMO.SNOWPIPE_ML"),
    "the role": ("DROP ROLE RUNNER", "role", "GRANT ROLE RUNNER TO USER"),
    "USAGE on the database": (
        "REVOKE USAGE ON DATABASE DEMO FROM ROLE RUNNER",
        "privileges.database",
        "GRANT USAGE ON DATABASE DEMO TO ROLE RUNNER",
    ),
    "USAGE on the schema": (
        "REVOKE USAGE ON SCHEMA DEMO.ML FROM ROLE RUNNER",
        "privileges.schema",
        "GRANT USAGE ON SCHEMA DEMO.ML TO ROLE RUNNER",
    ),
    "the grant option": (
        "REVOKE GRANT OPTION FOR USAGE ON SCHEMA DEMO.ML FROM ROLE RUNNER",
        "privileges.schema",
        "GRANT USAGE ON SCHEMA DEMO.ML TO ROLE RUNNER WITH GRANT OPTION",
    ),
    **{
        f"CREATE {kind}": (
            f"REVOKE CREATE {kind} ON SCHEMA DEMO.ML FROM ROLE RUNNER",
            "privileges.create",
            f"GRANT CREATE {kind} ON SCHEMA DEMO.ML TO ROLE RUNNER",
        )
        for kind in ("TABLE", "VIEW", "STAGE", "FILE FORMAT", "FUNCTION", "TAG")
    },
    "CREATE TABLE for the records": (
        "REVOKE CREATE TABLE ON SCHEMA DEMO.SNOWPIPE_ML FROM ROLE RUNNER",
        "privileges.create",
        "GRANT CREATE TABLE ON SCHEMA DEMO.SNOWPIPE_ML TO ROLE RUNNER",
    ),
    **{
        f"{privilege} on the account": (
            f"REVOKE {privilege} ON ACCOUNT FROM ROLE RUNNER",
            "privileges.account",
            f"GRANT {privilege} ON ACCOUNT TO ROLE RUNNER",
        )
        for privilege in ("CREATE WAREHOUSE", "CREATE ROLE", "CREATE DATABASE", "IMPORT SHARE")
    },
    "the use of a warehouse": (
        "REVOKE USAGE ON WAREHOUSE SHARED_WH FROM ROLE RUNNER",
        "privileges.warehouse",
        "GRANT USAGE ON WAREHOUSE SHARED_WH TO ROLE RUNNER",
    ),
    "an input's privilege": (
        "REVOKE SELECT ON TABLE RAW.PUBLIC.DAYS FROM ROLE RUNNER",
        "privileges.objects",
        "GRANT SELECT ON TABLE RAW.PUBLIC.DAYS TO ROLE RUNNER",
    ),
    "the schema of an input": (
        "REVOKE USAGE ON SCHEMA RAW.PUBLIC FROM ROLE RUNNER",
        "privileges.schema",
        "GRANT USAGE ON SCHEMA RAW.PUBLIC TO ROLE RUNNER",
    ),
    "a stage's privilege": (
        "REVOKE WRITE ON STAGE DEMO.ML.DROP_BOX FROM ROLE RUNNER",
        "privileges.objects",
        "GRANT WRITE ON STAGE DEMO.ML.DROP_BOX TO ROLE RUNNER",
    ),
    "the repository": (
        "REVOKE DATABASE ROLE SNOWFLAKE.PYPI_REPOSITORY_USER FROM ROLE RUNNER",
        "privileges.repository",
        "GRANT DATABASE ROLE SNOWFLAKE.PYPI_REPOSITORY_USER TO ROLE RUNNER",
    ),
    "a session parameter": (
        "ALTER SESSION SET TIMEZONE = 'Asia/Tokyo'",
        "parameters",
        "ALTER SESSION SET TIMEZONE = 'America/Los_Angeles'",
    ),
    "the default warehouse": ("DROP WAREHOUSE SHARED_WH", "warehouse.default", "WAREHOUSE SHARED_WH"),
    "a warehouse of others": ("DROP WAREHOUSE OTHER_WH", "warehouses", "WAREHOUSE OTHER_WH"),
    "a stage of others": ("DROP STAGE DEMO.ML.DROP_BOX", "objects.elsewhere", "the stage DEMO.ML.DROP_BOX"),
    "a role of others": ("DROP ROLE AUDITOR", "objects.elsewhere", "the role AUDITOR"),
    "an input": ("DROP TABLE RAW.PUBLIC.DAYS", "inputs", "TABLE RAW.PUBLIC.DAYS"),
    "an output of others": (
        "CREATE TABLE DEMO.ML.KEPT (A NUMBER)",
        "ownership",
        "GRANT OWNERSHIP ON TABLE DEMO.ML.KEPT TO ROLE RUNNER COPY CURRENT GRANTS",
    ),
    "a stage's place": ("CREATE STAGE DEMO.ML.S URL = 'file://FOLDER'", "stages", "DROP STAGE S"),
}


@pytest.mark.parametrize("what", TAKEN)
def test_what_is_taken_away_is_found_with_what_mends_it(what: str, account: Any, tmp_path: Path) -> None:
    statement, check, remedy = TAKEN[what]
    (tmp_path / "bucket").mkdir()
    _run(account, *split(statement.replace("FOLDER", str(tmp_path / "bucket"))))
    found = _problems(diagnose(_pipeline(tmp_path), "prod", account))
    assert check in found, found
    assert any(remedy in finding.remedy for finding in found[check]), found[check]
    if check.startswith("privileges.") or check in ("parameters", "ownership"):
        assert list(found) == [check]
        assert len(found[check]) == 1
        _run(account, *split(found[check][0].remedy))
        assert _problems(diagnose(_pipeline(tmp_path), "prod", account)) == {}


@pytest.mark.slow
def test_each_privilege_of_the_list_is_named_when_it_is_missing(account: Any, tmp_path: Path) -> None:
    scheduled = "default_target: prod\nschedule: {cron: '0 6 * * *'}\n"
    pipeline = _pipeline(tmp_path, **{"default_target: prod\n": scheduled})
    listed = privileges(pipeline, "prod")
    tasks = {need.text for need in listed.needs if need.only_for_tasks}
    assert tasks == {
        "EXECUTE TASK on the account",
        "EXECUTE MANAGED TASK on the account",
        "CREATE TASK on schema DEMO.ML",
        "CREATE PROCEDURE on schema DEMO.ML",
    }
    for need in listed.needs:
        _run(account, str(need.grant(listed.role)))
    for need in listed.needs:
        grant = str(need.grant(listed.role))
        revoke = (
            grant.removesuffix(" WITH GRANT OPTION")
            .replace("GRANT ", "REVOKE ", 1)
            .replace(" TO ROLE ", " FROM ROLE ")
        )
        _run(account, revoke)
        found = diagnose(pipeline, "prod", account)
        named = [finding for finding in found if grant in finding.remedy]
        wanted = Status.WARNING if need.only_for_tasks else Status.PROBLEM
        assert wanted in {finding.status for finding in named}, need.text
        _run(account, grant)


def test_results_that_are_cut_off(account: Any, tmp_path: Path) -> None:
    account.session.parameters["ROWS_PER_RESULTSET"] = 10  # the embedded warehouse refuses to set it
    (finding,) = _problems(diagnose(_pipeline(tmp_path), "prod", account))["parameters.rows_per_resultset"]
    assert "SET ROWS_PER_RESULTSET = 0" in finding.remedy


def test_a_share_that_was_not_offered(account: Any, tmp_path: Path) -> None:
    account.shares.clear()
    found = _problems(diagnose(_pipeline(tmp_path), "prod", account))
    (finding,) = found["shares"]
    assert "PROVIDER.WEATHER" in finding.text
    assert "GRANT IMPORT SHARE ON ACCOUNT TO ROLE RUNNER" in finding.remedy


@pytest.mark.parametrize(
    ("package", "text"),
    [("'no_such_package'", "no_such_package"), ("numpy==0.1", "not numpy==0.1")],
)
def test_a_package_that_the_channel_lacks(package: str, text: str, account: Any, tmp_path: Path) -> None:
    pipeline = _pipeline(tmp_path, **{"p: [numpy, pandas]": f"p: [{package}, pandas]"})
    (finding,) = _problems(diagnose(pipeline, "prod", account))["python.packages"]
    assert text in finding.text
    assert "packages.p" in finding.remedy


def test_too_many_arguments(account: Any, tmp_path: Path) -> None:
    lags = ", ".join(map(str, range(1, 499)))
    pipeline = _pipeline(tmp_path, **{"lags: [7]": f"lags: [{lags}]"})
    found = _problems(diagnose(pipeline, "prod", account))["python.arguments"]
    assert ["501 arguments" in found[0].text, "result columns" in found[1].text] == [True, True]
    # Each feature is a result column, and so is its explanation.
    lags = ", ".join(map(str, range(1, 251)))
    pipeline = _pipeline(tmp_path, **{"lags: [7]": f"lags: [{lags}]"})
    (finding,) = _problems(diagnose(pipeline, "prod", account))["python.arguments"]
    assert "result columns" in finding.text


def test_an_administrator_is_a_warning(account: Any, tmp_path: Path) -> None:
    pipeline = _pipeline(tmp_path, **{"role: runner": "role: accountadmin"})
    findings = {finding.check: finding for finding in diagnose(pipeline, "prod", account)}
    assert findings["role.administrator"].status is Status.WARNING


def test_only_questions_are_sent(account: Any, tmp_path: Path) -> None:
    sent: list[str] = []
    account.listeners.append(sent.append)
    diagnose(_pipeline(tmp_path), "prod", account)
    assert {text.split()[0] for text in sent} == {"SHOW", "SELECT", "USE"}
    assert len(sent) == len(set(sent))
    assert len(sent) < 60


def test_the_embedded_warehouse_needs_no_doctor(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--target"):
        diagnose(_pipeline(tmp_path), "local")


def test_a_connection_that_does_not_exist_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (finding,) = diagnose(_pipeline(tmp_path), "prod")
    assert (finding.check, finding.status) == ("connection", Status.PROBLEM)
    assert "nowhere" in finding.text


def test_plan_warns_of_privileges_that_a_run_lacks(
    account: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _pipeline(tmp_path).path
    sent: list[str] = []

    def connect(self: SnowflakeTarget, base_dir: Path, warehouse: Identifier | None) -> Any:
        connection = local.connect(tmp_path / "account", "DEMO", "ML")
        _run(connection, "USE ROLE RUNNER")
        connection.listeners.append(sent.append)
        return connection

    monkeypatch.setattr(SnowflakeTarget, "connect", connect)
    done = CliRunner().invoke(main, ["plan", str(path)])
    assert done.exit_code == 0, done.output
    assert "warning" not in done.output
    asked = [text for text in sent if text.startswith("SHOW GRANTS")]
    assert len(asked) == 2  # for the role, and for PUBLIC
    _run(account, "REVOKE CREATE STAGE ON SCHEMA DEMO.ML FROM ROLE RUNNER")
    done = CliRunner().invoke(main, ["plan", str(path)])
    assert (
        "warning: the role RUNNER lacks CREATE STAGE on schema DEMO.ML, for stages.s: GRANT CREATE STAGE ON SCHEMA "
        "DEMO.ML TO ROLE RUNNER;"
    ) in done.output

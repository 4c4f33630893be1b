"""``setup``: what an administrator makes once, as a script and through a connection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from snowpipe_ml import Pipeline, local
from snowpipe_ml.cli.main import main
from snowpipe_ml.doctor.setup import make, setup_statements
from snowpipe_ml.errors import SpecError, StatementError, UsageError
from tests.conftest import CITIBIKE, ROOT

KEY = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA"
SETUP = """
setup:
  connection: citibike_admin
  roles:
    citibike_runner: {granted_to: {roles: [sysadmin], users: [citibike_svc]}, comment: Runs the pipeline}
    citibike_reader: {granted_to: {roles: [citibike_runner]}}
  users:
    citibike_svc:
      rsa_public_key_file: citibike_svc.pub
      default_role: citibike_runner
      default_warehouse: load_wh
      comment: Runs the pipeline from CI
  databases:
    scratch: {schemas: [tests], comment: For experiments}
  shares:
    weather_nyc: {share: WEATHER_SOURCE.SHARE, roles: [citibike_runner]}
  grants:
    citibike_reader:
      future tables in schema citibike.ml: [select]
      future functions in schema citibike.ml: [usage]
    citibike_runner: {account: [monitor usage, execute task], database scratch: [usage]}
"""


def _pipeline(folder: Path, setup: str = SETUP) -> Pipeline:
    """The reference pipeline with a section ``setup``."""
    text = CITIBIKE.read_text(encoding="utf-8").replace(
        "    database: CITIBIKE\n    schema: ML\n    vars:",
        "    database: CITIBIKE\n    schema: ML\n    role: citibike_runner\n    vars:",
    )
    if not (folder / "citibike").exists():
        (folder / "citibike").symlink_to(ROOT / "pipelines" / "citibike")
    (folder / "citibike_svc.pub").write_text(
        f"-----BEGIN PUBLIC KEY-----\n{KEY[:20]}\n{KEY[20:]}\n-----END PUBLIC KEY-----\n"
    )
    (folder / "spec.yaml").write_text(text + setup)
    return Pipeline.from_yaml(folder / "spec.yaml")


SCRIPT = f"""\
USE ROLE ACCOUNTADMIN;
CREATE ROLE IF NOT EXISTS CITIBIKE_RUNNER COMMENT = 'Runs the pipeline';
CREATE ROLE IF NOT EXISTS CITIBIKE_READER;
CREATE DATABASE IF NOT EXISTS CITIBIKE;
CREATE SCHEMA IF NOT EXISTS CITIBIKE.ML;
CREATE SCHEMA IF NOT EXISTS CITIBIKE.SNOWPIPE_ML;
CREATE DATABASE IF NOT EXISTS SCRATCH COMMENT = 'For experiments';
CREATE SCHEMA IF NOT EXISTS SCRATCH.TESTS;
-- Once: Snowflake has no IF NOT EXISTS here. Skip it if WEATHER_NYC exists.
CREATE DATABASE WEATHER_NYC FROM SHARE WEATHER_SOURCE.SHARE;
GRANT IMPORTED PRIVILEGES ON DATABASE WEATHER_NYC TO ROLE CITIBIKE_RUNNER;
CREATE USER IF NOT EXISTS CITIBIKE_SVC TYPE = SERVICE RSA_PUBLIC_KEY = '{KEY}' DEFAULT_ROLE = CITIBIKE_RUNNER DEFAULT_WAREHOUSE = LOAD_WH COMMENT = 'Runs the pipeline from CI';
ALTER USER CITIBIKE_SVC SET RSA_PUBLIC_KEY = '{KEY}' DEFAULT_ROLE = CITIBIKE_RUNNER DEFAULT_WAREHOUSE = LOAD_WH COMMENT = 'Runs the pipeline from CI';
GRANT ROLE CITIBIKE_RUNNER TO ROLE SYSADMIN;
GRANT ROLE CITIBIKE_RUNNER TO USER CITIBIKE_SVC;
GRANT ROLE CITIBIKE_READER TO ROLE CITIBIKE_RUNNER;
GRANT CREATE WAREHOUSE ON ACCOUNT TO ROLE CITIBIKE_RUNNER;
GRANT CREATE ROLE ON ACCOUNT TO ROLE CITIBIKE_RUNNER;
GRANT EXECUTE TASK ON ACCOUNT TO ROLE CITIBIKE_RUNNER;
GRANT USAGE ON DATABASE CITIBIKE TO ROLE CITIBIKE_RUNNER WITH GRANT OPTION;
GRANT USAGE ON SCHEMA CITIBIKE.ML TO ROLE CITIBIKE_RUNNER WITH GRANT OPTION;
GRANT CREATE STAGE ON SCHEMA CITIBIKE.ML TO ROLE CITIBIKE_RUNNER;
GRANT CREATE FILE FORMAT ON SCHEMA CITIBIKE.ML TO ROLE CITIBIKE_RUNNER;
GRANT CREATE TABLE ON SCHEMA CITIBIKE.ML TO ROLE CITIBIKE_RUNNER;
GRANT CREATE TAG ON SCHEMA CITIBIKE.ML TO ROLE CITIBIKE_RUNNER;
GRANT CREATE VIEW ON SCHEMA CITIBIKE.ML TO ROLE CITIBIKE_RUNNER;
GRANT CREATE FUNCTION ON SCHEMA CITIBIKE.ML TO ROLE CITIBIKE_RUNNER;
GRANT CREATE TASK ON SCHEMA CITIBIKE.ML TO ROLE CITIBIKE_RUNNER;
GRANT CREATE PROCEDURE ON SCHEMA CITIBIKE.ML TO ROLE CITIBIKE_RUNNER;
GRANT USAGE ON SCHEMA CITIBIKE.SNOWPIPE_ML TO ROLE CITIBIKE_RUNNER;
GRANT CREATE TABLE ON SCHEMA CITIBIKE.SNOWPIPE_ML TO ROLE CITIBIKE_RUNNER;
GRANT CREATE VIEW ON SCHEMA CITIBIKE.SNOWPIPE_ML TO ROLE CITIBIKE_RUNNER;
GRANT SELECT ON FUTURE TABLES IN SCHEMA CITIBIKE.ML TO ROLE CITIBIKE_READER;
GRANT USAGE ON FUTURE FUNCTIONS IN SCHEMA CITIBIKE.ML TO ROLE CITIBIKE_READER;
GRANT MONITOR USAGE, EXECUTE TASK ON ACCOUNT TO ROLE CITIBIKE_RUNNER;
GRANT USAGE ON DATABASE SCRATCH TO ROLE CITIBIKE_RUNNER;
"""


def test_the_script_of_the_reference_pipeline_with_users_and_shares(tmp_path: Path) -> None:
    _pipeline(tmp_path)
    result = CliRunner().invoke(main, ["setup", str(tmp_path / "spec.yaml"), "--target", "prod", "--sql"])
    assert result.exit_code == 0, result.output
    assert result.output == SCRIPT


def test_the_script_runs_again_and_again(tmp_path: Path) -> None:
    connection = local.connect(tmp_path / "account", "OTHER", "PUBLIC")
    connection.shares["WEATHER_SOURCE.SHARE"] = ["CREATE TABLE DAILY (DATE DATE)"]
    pipeline = _pipeline(tmp_path)
    first = [str(statement) for statement in make(pipeline, "prod", connection)]
    assert first == [line.removesuffix(";") for line in SCRIPT.splitlines() if not line.startswith("--")]
    again = [str(statement) for statement in make(pipeline, "prod", connection)]
    assert set(first) - set(again) == {"CREATE DATABASE WEATHER_NYC FROM SHARE WEATHER_SOURCE.SHARE"}

    def rows(text: str) -> list[Any]:
        cursor = connection.cursor()
        cursor.execute(text)
        return cursor.fetchall()

    (user,) = rows("SHOW USERS LIKE 'citibike_svc'")
    assert (user[0], user[11], user[13], user[14], user[15]) == (
        "CITIBIKE_SVC",
        "CITIBIKE_RUNNER",
        "SERVICE",
        "false",
        "true",
    )
    assert [row[1] for row in rows("SHOW GRANTS TO USER CITIBIKE_SVC")] == ["CITIBIKE_RUNNER"]
    assert len(rows("SHOW FUTURE GRANTS TO ROLE CITIBIKE_READER")) == 2
    connection.close()


def test_no_run_and_no_plan_does_any_of_it(tmp_path: Path) -> None:
    def planned(pipeline: Pipeline) -> list[tuple[str, list[str]]]:
        return [(step.name, [*map(str, step.plan.statements)]) for step in pipeline.plan("prod")]

    assert [name for name, _ in planned(_pipeline(tmp_path))] == [
        name for name, _ in planned(Pipeline.from_yaml(CITIBIKE))
    ]
    sent = [text for _, texts in planned(_pipeline(tmp_path)) for text in texts]
    assert not any("CITIBIKE_SVC" in text or "SCRATCH" in text or "CITIBIKE_READER" in text for text in sent)


def test_errors(tmp_path: Path) -> None:
    pipeline = _pipeline(tmp_path, SETUP.replace("connection: citibike_admin", "role: useradmin"))
    with pytest.raises(UsageError, match="setup.connection"):
        list(make(pipeline, "prod"))
    assert str(setup_statements(pipeline, "prod")[0].sql) == "USE ROLE USERADMIN"
    with pytest.raises(UsageError, match="no section `setup`"):
        setup_statements(Pipeline.from_yaml(CITIBIKE), "prod")
    connection = local.connect(tmp_path / "account", "OTHER", "PUBLIC")
    with pytest.raises(StatementError, match="in the statement: CREATE DATABASE WEATHER_NYC FROM SHARE"):
        list(make(pipeline, "prod", connection))
    connection.close()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rsa_public_key_file: citibike_svc.pub", "password: secret", "unknown key 'password'"),
        ("future tables in schema citibike.ml", "future tables in citibike", "privileges are granted on"),
        ("share: WEATHER_SOURCE.SHARE", "share: A.B, listing: X", "give either share or listing"),
    ],
)
def test_mistakes_in_the_section(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=message):
        _pipeline(tmp_path, SETUP.replace(old, new)).validate("prod")

"""Both reference pipelines on an account without defaults, as a role with exactly the documented privileges.

The account is an embedded warehouse that is served strictly: it requires a warehouse and each privilege, and its
sessions have AUTOCOMMIT off and odd formats. Clients reach it by Snowflake's connector.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.doctor.script import privileges
from tests.accounts import Account, account
from tests.conftest import ROOT
from tests.trips import write_months

pytestmark = pytest.mark.stress


def prepared(served: Account, name: str, folder: str, target: str) -> Path:
    """Copy a pipeline, with settings of its target ``prod``, and run the script of ``doctor --offline``."""
    shutil.copytree(ROOT / "pipelines" / folder, served.folder / folder)
    for lock in (ROOT / "pipelines").glob(name.replace(".yaml", ".lock.yaml")):
        shutil.copy(lock, served.folder)
    text = (ROOT / "pipelines" / name).read_text()
    head, mark, tail = text.partition("  prod:\n    type: snowflake\n")
    assert mark
    lines = [line for line in tail.splitlines() if not line.startswith("    connection: ")]
    path = served.folder / name
    path.write_text(head + mark + f"    connection: served\n    {target}\n" + "\n".join(lines) + "\n")
    for statement in privileges(Pipeline.from_yaml(path), "prod").script:
        served.ask(str(statement))
    return path


def run(served: Account, spec: Path, variables: dict[str, object]) -> dict[str, str]:
    """Run a pipeline; return the status of each step."""
    given = [word for key, value in variables.items() for word in ("--var", f"{key}={json.dumps(value)}")]
    done = served.command("run", spec, "--target", "prod", "--json", "--no-report", *given)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {event["step"]: event["status"] for event in events if event.get("event") == "step_finished"}


def test_citibike_from_nothing_again_and_a_month_later(tmp_path: Path) -> None:
    with account(tmp_path, strict=True) as served:
        # The database of the share, which an administrator has created from the listing.
        for statement in (
            "CREATE DATABASE WEATHER_NYC",
            "CREATE SCHEMA WEATHER_NYC.ONPOINT_ID",
            "CREATE WAREHOUSE ADMIN_WH",
            "USE WAREHOUSE ADMIN_WH",
            "CREATE TABLE WEATHER_NYC.ONPOINT_ID.HISTORY_DAY AS SELECT DATEADD(day, SEQ4(), '2021-01-01'::DATE) AS "
            "DATE_VALID_STD, 0.1::FLOAT AS TOT_PRECIPITATION_IN, 50::FLOAT AS MAX_TEMPERATURE_AIR_2M_F, 'US' AS COUNTRY, "
            "'10024' AS POSTAL_CODE FROM TABLE(GENERATOR(ROWCOUNT => 160))",
        ):
            served.ask(statement)
        spec = prepared(served, "citibike.yaml", "citibike", "role: citibike_runner\n    warehouse: load_wh")
        for what in ("DATABASE WEATHER_NYC", "SCHEMA WEATHER_NYC.ONPOINT_ID"):
            served.ask(f"GRANT USAGE ON {what} TO ROLE CITIBIKE_RUNNER")
        served.ask("GRANT SELECT ON TABLE WEATHER_NYC.ONPOINT_ID.HISTORY_DAY TO ROLE CITIBIKE_RUNNER")
        months = tmp_path / "months"
        write_months(months, ["2021-01", "2021-02", "2021-03"])
        variables: dict[str, object] = {
            "source": str(months),
            "months": [],
            "lags": [1, 7],
            "min_history_days": 20,
            "horizon_days": 5,
            "members": [{"type": "ridge"}, {"type": "seasonal_naive"}],
        }
        first = run(served, spec, variables)
        assert "failed" not in first.values()
        again = run(served, spec, variables)
        assert set(again.values()) <= {"reused"}, again
        write_months(months, ["2021-04"])
        later = run(served, spec, variables)
        assert later["load_new_trips"] == later["train_stations"] == "success"
        served.ask("USE WAREHOUSE ADMIN_WH")
        assert served.ask("SELECT MAX(DATE)::VARCHAR FROM CITIBIKE.ML.FEATURES") == [("2021-04-30",)]


def test_insurance_from_nothing_and_again(tmp_path: Path) -> None:
    with account(tmp_path, strict=True) as served:
        spec = prepared(served, "insurance_autogluon.yaml", "insurance", "role: insurance_runner")
        variables: dict[str, object] = {"time_limit": 20}
        assert "failed" not in run(served, spec, variables).values()
        assert set(run(served, spec, variables).values()) <= {"reused"}

"""Runs through the connector on a server that is as strict as an account: no warehouse, and odd parameters."""

from __future__ import annotations

from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.doctor.script import privileges
from tests.accounts import TARGET, account

SPEC = f"""\
name: demo
{TARGET}warehouses: {{run_wh: {{size: xsmall}}}}
stages: {{s: {{}}}}
file_formats: {{csv: {{skip_header: 1}}}}
tables: {{raw: {{columns: {{DAY: DATE, N: FLOAT}}}}}}
steps:
  extract: {{type: extract, from: days, into: '@s/days/', layouts: {{a: {{columns: [DAY, N]}}}}}}
  load: {{type: copy_into, from: '@s/days/', into: raw, file_format: csv}}
  sums:
    type: transform
    query: "SELECT DAY, SUM(N) AS N, '2021-03-04'::DATE::VARCHAR AS TEXT FROM {{{{ ref('raw') }}}} GROUP BY DAY"
    writes: sums
"""


def test_a_first_run_an_unchanged_one_and_a_month_more(tmp_path: Path) -> None:
    (tmp_path / "days").mkdir()
    with account(tmp_path, strict=True) as served:
        (tmp_path / "spec.yaml").write_text(
            SPEC.replace("database: DEMO}", "database: DEMO, warehouse: run_wh}")
        )
        for month in (1, 1, 2):
            (tmp_path / "days" / f"2021-0{month}.csv").write_text(
                f"DAY,N\n2021-0{month}-02,1\n2021-0{month}-02,2\n"
            )
            done = served.command("run", "spec.yaml", "--json")
            assert done.returncode == 0, done.stdout + done.stderr
        served.ask("USE WAREHOUSE RUN_WH")
        rows = served.ask("SELECT MONTH(DAY), N, TEXT FROM SUMS ORDER BY 1")
        assert rows == [(1, 3.0, "2021-03-04"), (2, 3.0, "2021-03-04")]


def test_a_connection_without_a_warehouse_is_told_to_name_one(tmp_path: Path) -> None:
    with account(tmp_path, strict=True) as served:
        (tmp_path / "spec.yaml").write_text(
            f"name: demo\n{TARGET}steps: {{one: {{type: transform, query: SELECT 1 AS X, writes: one}}}}\n"
        )
        done = served.command("run", "spec.yaml")
        assert done.returncode == 3, done.stdout + done.stderr
        assert "set `warehouse` under targets.prod" in done.stderr


CHANGES = f"""\
name: demo
{TARGET}warehouses: {{run_wh: {{size: xsmall}}}}
tables: {{raw: {{columns: {{ID: NUMBER, DAY: DATE, N: NUMBER}}}}, latest: {{columns: {{ID: NUMBER, N: NUMBER}}}}}}
streams: {{raw_changes: {{table: raw, show_initial_rows: true}}}}
steps:
  viewed: {{type: transform, materialized: view, writes: viewed, query: "SELECT ID, N FROM {{{{ ref('raw') }}}}"}}
  appended:
    {{type: transform, materialized: incremental, since: ID, writes: appended, query: "SELECT * FROM {{{{ ref('raw') }}}}"}}
  merged:
    {{type: transform, materialized: incremental, key: [DAY], since: DAY, lookback: 3 days, writes: merged,
     query: "SELECT DAY, SUM(N) AS N FROM {{{{ ref('raw') }}}} GROUP BY DAY"}}
  replaced:
    {{type: transform, materialized: incremental, strategy: delete_insert, key: [DAY], since: DAY, writes: replaced,
     query: "SELECT DAY, N FROM {{{{ ref('raw') }}}}"}}
  history:
    {{type: transform, materialized: snapshot, key: [ID], writes: history, query: "SELECT ID, N FROM {{{{ ref('raw') }}}}"}}
  counted:
    {{type: transform, materialized: dynamic_table, target_lag: 20 minutes, warehouse: run_wh, writes: counted,
     query: "SELECT DAY, COUNT(*) AS N FROM {{{{ ref('raw') }}}} GROUP BY DAY"}}
  upserted: {{type: merge, from: {{stream: raw_changes}}, into: latest, key: [ID], query: "SELECT ID, N FROM {{{{ changes }}}}"}}
"""


@pytest.mark.slow
def test_every_way_to_keep_a_table_needs_no_other_privileges(tmp_path: Path) -> None:
    with account(tmp_path, strict=True) as served:
        spec = tmp_path / "spec.yaml"
        spec.write_text(
            CHANGES.replace("database: DEMO}", "database: OWN, schema: ML, role: runner, warehouse: run_wh}")
        )
        for statement in privileges(Pipeline.from_yaml(spec), "prod").script:
            served.ask(str(statement))
        for change in ("(1, '2021-01-01', 5), (2, '2021-01-02', 6)", "(3, '2021-01-03', 7)"):
            done = served.command("run", spec, "--no-report")
            assert done.returncode == 0, done.stdout + done.stderr
            served.ask("USE WAREHOUSE RUN_WH")
            served.ask(f"INSERT INTO OWN.ML.RAW VALUES {change}")
        served.ask("UPDATE OWN.ML.RAW SET N = 8 WHERE ID = 1")
        done = served.command("run", spec, "--no-report")
        assert done.returncode == 0, done.stdout + done.stderr
        served.ask("USE SCHEMA OWN.ML")
        assert served.ask("SELECT * FROM LATEST ORDER BY ID") == [(1, 8), (2, 6), (3, 7)]
        assert served.ask("SELECT COUNT(*) FROM COUNTED") == [(3,)]
        assert served.ask("SELECT N, VALID_TO IS NULL FROM HISTORY WHERE ID = 1 ORDER BY VALID_FROM") == [
            (5, False),
            (8, True),
        ]


@pytest.mark.slow
def test_a_role_needs_the_privileges_that_the_doctor_lists(tmp_path: Path) -> None:
    with account(tmp_path, strict=True) as served:
        spec = tmp_path / "spec.yaml"
        (tmp_path / "days").mkdir()
        (tmp_path / "days" / "2021-01.csv").write_text("DAY,N\n2021-01-02,1\n")
        spec.write_text(
            SPEC.replace("database: DEMO}", "database: OWN, schema: ML, role: runner, warehouse: run_wh}")
        )
        for statement in privileges(Pipeline.from_yaml(spec), "prod").script:
            served.ask(str(statement))
        for privilege, message in (
            ("CREATE WAREHOUSE ON ACCOUNT", "Insufficient privileges to operate on account 'LOCAL'"),
            ("CREATE FILE FORMAT ON SCHEMA OWN.ML", "Insufficient privileges to operate on schema 'ML'"),
            ("USAGE ON DATABASE OWN", "cannot work in OWN.ML"),
        ):
            served.ask(f"REVOKE {privilege} FROM ROLE RUNNER")
            failed = served.command("run", spec, "--no-report")
            assert failed.returncode != 0
            assert message in failed.stdout + failed.stderr, failed.stdout + failed.stderr
            told = served.command("doctor", spec, "--target", "prod")
            assert told.returncode == 1
            assert f"GRANT {privilege} TO ROLE RUNNER" in told.stdout
            served.ask(f"GRANT {privilege} TO ROLE RUNNER")
        done = served.command("run", spec, "--no-report")
        assert done.returncode == 0, done.stdout + done.stderr
        owned = served.ask("SHOW GRANTS TO ROLE RUNNER")
        assert ("OWNERSHIP", "TABLE", "OWN.ML.SUMS") in {tuple(row[1:4]) for row in owned}

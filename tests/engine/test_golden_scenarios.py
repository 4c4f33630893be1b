"""The SQL of a small pipeline with every kind of output: a first run, a rejected row, a killed run, replacements."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from snowflake.snowpark import Session

import snowpipe_ml
from snowpipe_ml import Pipeline
from snowpipe_ml.engine.run import run
from snowpipe_ml.engine.run.outcome import RunResult
from tests.conftest import write_spec
from tests.recorder import Recorder

SPEC = """\
stages: {s: {url: file://in}, models: {}}
file_formats: {csv: {skip_header: 1}}
tables: {declared: {columns: {A: number, B: varchar}, comment: what others load}}
tags: {owner: {value: us}}
packages: {p: [numpy, pandas]}
warehouses: {w: {size: small}}
roles: {reader: {}}
grants: {reader: {table kept: [select]}}
sources:
  days: {columns: {DATE: DATE, N: FLOAT}, from: {local: {query: days.sql}}}
steps:
  load:
    {type: copy_into, from: "@s/", into: declared, file_format: csv, on_error: continue, loads: loads, rejects: rejects}
  seen: {type: transform, materialized: view, query: "SELECT DATE, N, 'k' AS K FROM {{ ref('days') }}", writes: seen}
  kept: {type: transform, query: "SELECT DATE, N FROM {{ ref('seen') }}", writes: kept, warehouse: w}
  parts: {type: split, from: kept, by: [DATE], train: train_days, test: test_days}
  copy: {type: snapshot, table: kept, into: kept_copy}
  features:
    {type: features, from: seen, partition_by: K, timestamp: DATE, value: N, target: TOTAL, lags: [7],
     min_history: 20, writes: features}
  future: {type: future_features, features: features, horizon: 7, writes: future}
  deploy: {type: deploy_forecaster, function: forecast_k, features: features, stage: models, packages: p,
    model: {type: seasonal_naive}}
  train: {type: train_forecasters, function: forecast_k, features: features, future: future, writes: forecasts}
"""
DAYS = "SELECT DATEADD(day, SEQ4(), '2024-01-01'::DATE) AS DATE, MOD(SEQ4(), 7)::FLOAT AS N FROM TABLE(GENERATOR(ROWCOUNT => 60))"


def pipeline(folder: Path, changes: dict[str, str] | None = None) -> Pipeline:
    """The pipeline, with its text changed."""
    text = SPEC
    for old, new in (changes or {}).items():
        assert old in text
        text = text.replace(old, new)
    (folder / "in").mkdir(exist_ok=True)
    (folder / "days.sql").write_text(DAYS)
    return Pipeline.from_yaml(write_spec(folder, text))


class Account:
    """A session on the embedded warehouse whose statements are recorded.

    Args:
        folder: the folder of the warehouse.
    """

    def __init__(self, folder: Path) -> None:
        self.session: Session = snowpipe_ml.local_session(folder / "warehouse", database="DEMO")
        self.recorder = Recorder(self.session)

    def run(
        self, made: Pipeline, *, resume: bool = False, full_refresh: bool = False
    ) -> tuple[RunResult, list[str]]:
        """Run a pipeline; return the result and the statements."""
        self.recorder.statements.clear()
        result = made.run(session=self.session, resume=resume, full_refresh=full_refresh)
        return result, self.recorder.normalized(result)


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    made = Account(tmp_path)
    yield made
    made.session.close()


# Statements that change nothing, and those of the records, of sessions and of transactions.
_OTHER = re.compile(
    r"\s*(?:SELECT|WITH|SHOW|DESCRIBE|LIST|BEGIN|COMMIT|ROLLBACK|USE|ALTER SESSION|CALL SYSTEM)\b|.*\bSNOWPIPE_ML\b",
    re.I,
)


def changing(statements: list[str]) -> list[str]:
    """The statements that change the target, without what differs between a plan and a run."""
    found = []
    for text in statements:
        text = re.sub(r"'file:///?(?:[^']*/)?([^'/]+)'", r"'file://\1'", text.strip())
        text = re.sub(r"(?<=[./])[0-9a-f]{16}(?=[./'])", "DIGEST", text).replace("/' PARALLEL", "' PARALLEL")
        text = text.replace("<run id>", "RUN_ID").replace("<id of the COPY>", "QUERY_ID")
        if not _OTHER.match(text):
            found.append(text)
    return found


def lines(statements: list[str]) -> str:
    """The statements of a run, without those of its records, which tests/golden/citibike_prod.sql has."""
    return "".join(f"{statement};\n" for statement in statements if "SNOWPIPE_ML." not in statement)


Golden = Callable[[str, str], None]


def test_plan_prints_what_a_run_sends(account: Account, tmp_path: Path, golden: Golden) -> None:
    made = pipeline(tmp_path)
    (tmp_path / "in" / "a.csv").write_text("A,B\n1,x\n")
    planned = [statement.text for step in made.plan() for statement in step.statements]
    result, sent = account.run(made)
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    assert changing(planned) == changing(sent)
    golden("small_first.sql", lines(sent))

    result, sent = account.run(made)
    assert {step.status.value for step in result.steps.values()} == {"reused"}
    golden("small_unchanged.sql", lines(sent))

    (tmp_path / "in" / "b.csv").write_text("A,B\n2,y\nz,z\n")
    result, sent = account.run(made)
    assert result.steps["load"].metrics == {"files": 1, "rejected": 1}
    golden("small_rejected_row.sql", lines(sent))

    result, sent = account.run(made, full_refresh=True)
    assert result.ok
    golden("small_overwritten.sql", lines(sent))

    changed = {
        "model: {type: seasonal_naive}": "model: {type: seasonal_naive, season: 14}",
        "skip_header: 1": "skip_header: 1, null_if: [none]",
        "A: number, B: varchar": "A: number, B: varchar, C: float",
        "size: small": "size: medium",
        "SELECT DATE, N, 'k' AS K": "SELECT DATE, N::NUMBER(9, 2) AS N, 'k' AS K, 1 AS MORE",
        "SELECT DATE, N FROM": "SELECT N, DATE, MORE FROM",
    }
    result, sent = account.run(pipeline(tmp_path, changed))
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    golden("small_replaced.sql", lines(sent))


class Killed(BaseException):
    """Ends a run as a kill does: nothing is recorded or released."""


def test_a_killed_run_is_resumed(
    account: Account, tmp_path: Path, golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        run, "_LONGEST_WAIT", 0
    )  # each step is recorded at once, however fast this machine is
    made = pipeline(tmp_path)
    (tmp_path / "in" / "a.csv").write_text("A,B\n1,x\n")

    def kill(text: str) -> None:
        if text.startswith("CREATE OR REPLACE TABLE FEATURES"):
            raise Killed

    account.session.connection.listeners.append(kill)
    with pytest.raises(Killed):
        account.run(made)
    account.session.connection.listeners.remove(kill)
    result, sent = account.run(made, resume=True)
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    assert not any(text.startswith("CREATE OR REPLACE TABLE KEPT ") for text in sent)
    golden("small_resumed.sql", lines(sent))

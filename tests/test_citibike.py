"""The reference pipeline on small archives, on real archives, and as the SQL that Snowflake receives."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

import snowpipe_ml
from snowpipe_ml import Pipeline
from snowpipe_ml.engine.run import run
from snowpipe_ml.sql import Identifier
from snowpipe_ml.targets.snowflake import enter
from tests.conftest import CITIBIKE, REAL, ROOT
from tests.recorder import Recorder, is_dml
from tests.trips import STATIONS, count, write_months

pytestmark = pytest.mark.usefixtures("torch_in_workers")

SMALL = {"lags": [1, 7], "min_history_days": 40, "horizon_days": 5, "max_epochs": 2}


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A copy of the pipeline, with its own warehouse."""
    shutil.copytree(ROOT / "pipelines" / "citibike", tmp_path / "citibike")
    shutil.copy(CITIBIKE, tmp_path / "citibike.yaml")
    return tmp_path / "citibike.yaml"


@pytest.fixture
def ask(spec: Path) -> Iterator[Any]:
    sessions: list[Any] = []

    def run(text: str) -> list[tuple[Any, ...]]:
        if not sessions:
            sessions.append(Pipeline.from_yaml(spec).session())
        return [tuple(row) for row in sessions[0].sql(text).collect()]

    def close() -> None:
        while sessions:
            sessions.pop().close()

    run.close = close
    yield run
    close()


@pytest.mark.slow
def test_small_archives_end_to_end(spec: Path, months: Path, weather: Path, ask: Any) -> None:
    total = sum(count(month) for month in ("2020-12", "2021-01", "2021-02", "2021-03"))
    pipeline = Pipeline.from_yaml(
        spec, vars={**SMALL, "model": "tabnet", "source": str(months), "weather": str(weather)}
    )
    result = pipeline.run()
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    assert ask("SELECT COUNT(*), COUNT(STARTED_AT), COUNT(ENDED_AT) FROM TRIPS") == [(total, total, total)]
    assert ask("SELECT COUNT(*) FROM UNREADABLE_TRIPS") == [(0,)]
    # A station has the same id in both layouts, and a complete history.
    assert ask("SELECT STATION_ID, COUNT(*), MIN(COUNT) FROM FEATURES GROUP BY 1 ORDER BY 1") == [
        (new_id, 121, 1 + station + 0) for station, (_, new_id, _) in enumerate(STATIONS)
    ]
    assert ask(
        "SELECT STATION_ID, COUNT(*), MIN(DATE)::VARCHAR FROM FLAT_FORECAST GROUP BY 1 ORDER BY 1"
    ) == [(new_id, 5, "2021-04-01") for _, new_id, _ in STATIONS]
    assert ask(
        "SELECT COUNT(*) FROM FLAT_FORECAST WHERE FORECAST IS NULL OR LAG_7 IS NULL OR TEMP IS NULL"
    ) == [(0,)]
    sums = ask(
        "SELECT MIN(s), MAX(s) FROM (SELECT LAG_1_EXPLANATION + LAG_7_EXPLANATION + MEAN_7_EXPLANATION + "
        "MEAN_28_EXPLANATION + WEEKEND_EXPLANATION + HOLIDAY_EXPLANATION + PRECIP_EXPLANATION + TEMP_EXPLANATION AS s FROM FLAT_PREDICTIONS)"
    )[0]
    assert sums == pytest.approx((1, 1))
    assert ask("SELECT COUNT(*), COUNT(DISTINCT METRIC) FROM FLAT_METRICS") == [(18, 6)]
    snapshot = f"TRIPS_{result.run.model_id}"
    assert ask(f"SELECT COUNT(*), SYSTEM$GET_TAG('model_id', '{snapshot}', 'table') FROM {snapshot}") == [
        (total, result.run.model_id)
    ]
    assert ask("SELECT SYSTEM$GET_TAG('model_id', 'flat_forecast', 'table')") == [(result.run.model_id,)]
    ask.close()
    # Second run: nothing has changed, so all steps are skipped.
    ask.close()
    assert not [step for step in pipeline.plan(compare=True) if not step.declared and not step.decision.skips]
    again = pipeline.run()
    assert {step.status.value for name, step in again.steps.items() if "." not in name} == {"reused"}
    # Rerun everything: no trip is loaded twice, and the metrics of both runs are kept.
    again = pipeline.run(full_refresh=True, exclude=["plots"])
    assert again.ok
    assert again.steps["load_new_trips"].rows == 0
    assert ask("SELECT COUNT(*) FROM TRIPS") == [(total,)]
    assert ask("SELECT COUNT(DISTINCT RUN_ID), COUNT(*) FROM METRICS") == [(2, 6)]
    ask.close()
    # Add a month: only its rows are added.
    write_months(months, ["2021-04"])
    third = pipeline.run(exclude=["plots"])
    assert third.steps["load_new_trips"].rows == count("2021-04")
    assert third.steps["holidays"].status.value == "reused"
    assert ask("SELECT COUNT(*) FROM TRIPS") == [(total + count("2021-04"),)]
    assert ask("SELECT MIN(DATE)::VARCHAR FROM FLAT_FORECAST") == [("2021-05-01",)]


@pytest.mark.slow
def test_the_default_model_forecasts_and_explains(spec: Path, months: Path, weather: Path, ask: Any) -> None:
    pipeline = Pipeline.from_yaml(spec, vars={**SMALL, "source": str(months), "weather": str(weather)})
    result = pipeline.run(exclude=["plots"])
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    assert ask("SELECT DISTINCT MODEL FROM FLAT_FORECAST") == [("ensemble",)]
    assert ask(
        "SELECT COUNT(*), COUNT(FORECAST), COUNT(LOW), COUNT(LAG_7_EXPLANATION) FROM FLAT_FORECAST"
    ) == [(5 * len(STATIONS),) * 4]
    weights = ask("SELECT SUM(WEIGHT) FROM LEADERBOARD WHERE FOLD IS NULL")[0][0]
    assert weights == pytest.approx(1.0)


real = pytest.mark.skipif(not REAL.is_dir(), reason="the real archives are not part of the project")


@real
@pytest.mark.parametrize(
    "model",
    [pytest.param("ridge", marks=pytest.mark.slow), pytest.param("ensemble", marks=pytest.mark.stress)],
)
def test_real_archives(spec: Path, ask: Any, model: str) -> None:
    variables = {
        "model": model,
        "source": str(REAL / "citibike"),
        "weather": str(REAL / "weather" / "central_park_weather.csv"),
        "lags": [1, 7],
        "min_history_days": 60,
        "horizon_days": 14,
    }
    pipeline = Pipeline.from_yaml(spec, vars=variables)
    result = pipeline.run(exclude=["plots"])  # drawn in test_small_archives_end_to_end
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    assert ask("SELECT COUNT(*), COUNT_IF(STARTED_AT IS NULL OR ENDED_AT IS NULL) FROM TRIPS") == [
        (250_919, 0)
    ]
    assert ask("SELECT (SELECT COUNT(*) FROM RAW_TRIPS_OLD), (SELECT COUNT(*) FROM RAW_TRIPS_NEW)") == [
        (118_571, 132_348)
    ]
    assert ask("SELECT COUNT(*) FROM WEATHER") == [(3_927,)]
    (qualified,) = ask("SELECT COUNT(DISTINCT STATION_ID) FROM FEATURES")[0]
    assert qualified > 50
    assert ask("SELECT COUNT(*), COUNT(DISTINCT STATION_ID), COUNT(DISTINCT DATE) FROM FLAT_FORECAST") == [
        (14 * qualified, qualified, 14)
    ]
    # The archives lack some months, whose days have no rows, not even zeros.
    assert ask("SELECT COUNT(*) FROM FEATURES WHERE DATE BETWEEN '2021-04-01' AND '2021-12-31'") == [(0,)]
    ask.close()
    again = pipeline.run(exclude=["plots"])
    assert {step.status.value for name, step in again.steps.items() if "." not in name} == {"reused"}
    refreshed = pipeline.run(full_refresh=True, select=["+trips"])  # the models have no part in this
    assert refreshed.ok
    assert refreshed.steps["load_new_trips"].status.value == "success"
    assert ask("SELECT COUNT(*) FROM TRIPS") == [(250_919,)]


@real
def test_edited_files(spec: Path, tmp_path: Path, ask: Any) -> None:
    variables = {
        **SMALL,
        "source": str(REAL / "citibike_messy"),
        "weather": str(REAL / "weather" / "central_park_weather.csv"),
    }
    result = Pipeline.from_yaml(spec, vars=variables).run(select=["+trips", "+unreadable_trips"])
    (warning,) = result.steps["extract_trips"].warnings
    assert "JC-202102.git_conflict_markers.Ppius6.csv:1: a git conflict marker" in warning
    assert result.steps["load_old_trips"].rows == 8_250 + 23_606
    rows = ask("SELECT YEAR(STARTED_AT), COUNT(*), COUNT(ENDED_AT) FROM TRIPS GROUP BY 1 ORDER BY 1")
    assert rows == [(2016, 8_250, 8_250), (2019, 23_606, 23_606)]
    assert ask("SELECT COUNT(*) FROM UNREADABLE_TRIPS") == [(0,)]
    assert ask("SELECT FILE, LINE FROM REFUSED_FILES") == [("JC-202102.git_conflict_markers.Ppius6.csv", 1)]


@dataclass
class ProdRuns:
    """Runs on the target `prod`: a first one, and an unchanged one.

    Attributes:
        statements: the statements of each run, without what differs between runs.
        counts: how many statements each run sends, without the batches of records, whose number depends on the time that
            steps take.
        tags: the query tags of all statements of the first run.
    """

    statements: list[list[str]] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    tags: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture(scope="module")
def prod_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProdRuns]:
    folder = tmp_path_factory.mktemp("prod")
    shutil.copytree(ROOT / "pipelines" / "citibike", folder / "citibike")
    spec = Path(shutil.copy(CITIBIKE, folder / "citibike.yaml"))
    write_months(folder / "months", ["2021-01", "2021-02", "2021-03"])
    session = snowpipe_ml.local_session(folder / "warehouse", database="SCRATCH")
    # A share needs an account, so a script of statements creates its data here.
    session.connection.shares["WEATHER_SOURCE.SHARE"] = [
        "CREATE SCHEMA ONPOINT_ID",
        "CREATE TABLE HISTORY_DAY (DATE_VALID_STD DATE, TOT_PRECIPITATION_IN FLOAT, MAX_TEMPERATURE_AIR_2M_F FLOAT, "
        "COUNTRY VARCHAR, POSTAL_CODE VARCHAR)",
        "INSERT INTO HISTORY_DAY SELECT DATEADD(day, SEQ4(), '2021-01-01'::DATE), 0.1, 50, 'US', '10024' "
        "FROM TABLE(GENERATOR(ROWCOUNT => 120))",
    ]
    recorder = Recorder(session)
    enter(session.connection, Identifier("CITIBIKE"), Identifier("ML"), None, None)
    entered = before = len(recorder.statements)
    variables = {
        **SMALL,
        "max_epochs": 1,
        "min_history_days": 20,
        "source": str(folder / "months"),
        "months": [],
    }
    found = ProdRuns()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "_LONGEST_WAIT", 0)
        for _ in range(2):
            result = Pipeline.from_yaml(spec, vars=variables).run("prod", session=session)
            assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
            batches = sum("SNOWPIPE_ML.EVENTS (RUN_ID" in text for text in recorder.statements)
            found.counts.append(len(recorder.statements) - before - batches)
            before = 0
            found.statements.append(recorder.normalized(result))
            recorder.statements.clear()
            if not found.tags:
                history = reversed(session.connection.storage.history.rows())
                found.tags = [(row["QUERY_TEXT"], row["QUERY_TAG"]) for row in history][entered:]
    yield found
    session.close()


@pytest.fixture
def prod_sql(prod_runs: ProdRuns) -> list[str]:
    """All statements that a first run on the target `prod` sends in its session."""
    return prod_runs.statements[0]


def test_a_first_run_sends_at_most_180_statements_besides_its_batches_of_records(prod_runs: ProdRuns) -> None:
    assert prod_runs.counts[0] <= 180


def test_an_unchanged_run_sends_few_statements_and_writes_nothing(prod_runs: ProdRuns) -> None:
    own = ("SHOW PARAMETERS IN SESSION", "ALTER SESSION UNSET QUERY_TAG")  # of a Session of the caller
    sent = [statement for statement in prod_runs.statements[1] if not statement.startswith(own)]
    assert len(sent) <= 12, sent
    assert not [statement for statement in sent if is_dml(statement)]


def test_the_sql_for_snowflake_is_as_it_was_read(
    prod_sql: list[str], golden: Callable[[str, str], None]
) -> None:
    golden("citibike_prod.sql", "".join(f"{statement};\n" for statement in prod_sql))


def test_every_statement_is_snowflakes_sql(prod_sql: list[str]) -> None:
    for text in prod_sql:
        (tree,) = sqlglot.parse(text, read="snowflake")
        assert tree is not None


def _brings_rows(tree: exp.Expr) -> bool:
    """Return whether a query returns rows of a table, not counts, aggregates, constants or metadata."""
    if not isinstance(tree, exp.Query):
        return False
    if not list(tree.find_all(exp.Table)):
        return False
    assert isinstance(tree, exp.Select)
    grouped = tree.args.get("group") is not None
    return not grouped and not any(projection.find(exp.AggFunc) for projection in tree.expressions)


def test_no_row_of_a_table_comes_to_the_client(prod_sql: list[str]) -> None:
    # Run metadata is not user data, and the report and the plots show only four series.
    charts = [text for text in prod_sql if "<= 4) QUALIFY ROW_NUMBER()" in text and "<= 90" in text]
    assert len(charts) == 2
    # The leaderboard has one row per model.
    board = [
        text
        for text in prod_sql
        if text.startswith(
            (
                "SELECT MODEL, RMSE, COVERAGE, SERIES FROM LEADERBOARD WHERE FOLD IS",
                "SELECT MODEL, FOLD, RMSE FROM LEADERBOARD",
            )
        )
    ]
    # The monitor tells the errors of one run, and has a row per feature.
    monitor = [
        text
        for text in prod_sql
        if text.startswith(("SELECT FORECAST_RUN, PERIODS, MAE, RMSE", "SELECT FEATURE, PSI FROM"))
    ]
    told = charts + board + monitor
    texts = [text for text in prod_sql if "SNOWPIPE_ML." not in text and text not in told]
    offending = [text for text in texts if _brings_rows(sqlglot.parse_one(text, read="snowflake"))]
    assert offending == []


def test_what_only_snowflake_gets_is_there(prod_sql: list[str]) -> None:
    text = "\n".join(prod_sql)
    assert (
        "CREATE WAREHOUSE IF NOT EXISTS TRAIN_WH WITH WAREHOUSE_TYPE = 'SNOWPARK-OPTIMIZED' WAREHOUSE_SIZE = 'MEDIUM'"
        in text
    )
    assert "CREATE DATABASE WEATHER_NYC FROM SHARE WEATHER_SOURCE.SHARE" in text
    assert "GRANT SELECT ON TABLE FLAT_FORECAST TO ROLE CITIBIKE_ANALYST" in text
    assert "USE WAREHOUSE TRAIN_WH" in text


def test_every_statement_of_a_run_has_a_query_tag(prod_runs: ProdRuns) -> None:
    # Those of the caller's Session, and with which the pool of sessions lends it.
    own = ("SHOW PARAMETERS IN SESSION", "ALTER SESSION UNSET QUERY_TAG", "USE WAREHOUSE")
    sent = [(text, tag) for text, tag in prod_runs.tags if not text.startswith(own)]
    assert [text for text, tag in sent if not tag] == []
    found = {json.loads(tag)["step"] for _, tag in sent}
    assert {
        "run metadata",
        "extract_trips",
        "train_stations",
        "sources.weather",
        "stages.load_stage",
    } <= found
    shared = {(t["pipeline"], t["target"], t["records"]) for t in (json.loads(tag) for _, tag in sent)}
    assert shared == {("citibike", "prod", "CITIBIKE.SNOWPIPE_ML")}


def test_the_sample_is_the_same_everywhere(tmp_path: Path) -> None:
    from hashlib import sha256

    from snowpipe_ml.plugins import PlanContext
    from snowpipe_ml.steps.data.generated import load_attribute

    ctx = PlanContext(base_dir=CITIBIKE.parent, cache_dir=tmp_path, target="local", scope={})
    load_attribute(ctx, "citibike/sample.py:write_weather")(tmp_path / "weather.csv")
    text = (tmp_path / "weather.csv").read_text()
    assert text.count("\n") == 943 + 1
    assert sha256(text.encode()).hexdigest()[:16] == "2e2f9901869afd21"

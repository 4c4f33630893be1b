"""Several targets of the same events: one table of features, and a forecaster for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError
from tests.conftest import write_spec

# Rides of two stations over 60 days: 2 + n % 3 a day; none at `b` on every tenth day.
SPEC = """\
stages: {s: {}}
packages: {p: [numpy, pandas]}
steps:
  rides:
    type: transform
    query: >-
      SELECT IFF(MOD(SEQ4(), 2) = 0, 'a', 'b') AS STATION, DATEADD(hour, MOD(SEQ4(), 24), DATEADD(day, FLOOR(SEQ4() / 240), '2023-01-01'::TIMESTAMP_NTZ)) AS AT,
      5 + MOD(SEQ4(), 7) AS MINUTES, MOD(SEQ4(), 31) AS RIDER FROM TABLE(GENERATOR(ROWCOUNT => 14400))
      WHERE NOT (MOD(SEQ4(), 2) = 1 AND MOD(FLOOR(SEQ4() / 240), 10) = 9)
    writes: rides
  features:
    type: features
    from: rides
    partition_by: STATION
    timestamp: AT
    frequency: day
    targets:
      RIDES: {}
      MINUTES: {value: MINUTES, aggregate: mean}
      RIDERS: {value: RIDER, aggregate: distinct}
    lags: [1]
    rolling: {mean: [7]}
    date_features: [weekend]
    min_history: 30
    writes: features
  future: {type: future_features, features: features, horizon: 5, writes: future}
  deploy:
    type: deploy_forecaster
    foreach: [RIDES, MINUTES]
    function: "f_{{ item }}"
    features: features
    target: "{{ item }}"
    model: {type: ridge}
    backtest: {origins: 2, horizon: 5}
    stage: s
    packages: p
  train:
    type: train_forecasters
    foreach: [RIDES, MINUTES]
    function: "f_{{ item }}"
    features: features
    future: future
    writes: "forecasts_{{ item }}"
    forecast_history: "kept_{{ item }}"
  board: {type: leaderboard, forecasts: forecasts_MINUTES, writes: board}
  watch: {type: monitor, history: kept_MINUTES, features: features, target: MINUTES, writes: errors, drift: drift}
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path_factory.mktemp("targets"), SPEC))
    result = pipeline.run()
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    return pipeline


def test_each_target_has_its_column_and_its_past(ran: Pipeline) -> None:
    session = ran.session()
    columns = session.table("FEATURES").columns
    expected = session.sql(
        "SELECT STATION, AT::DATE AS DATE, COUNT(*) AS RIDES, AVG(MINUTES)::FLOAT AS MINUTES, COUNT(DISTINCT RIDER) AS RIDERS "
        "FROM RIDES GROUP BY 1, 2"
    ).collect()
    found = session.sql("SELECT STATION, DATE, RIDES, MINUTES::FLOAT, RIDERS FROM FEATURES").collect()
    wrong = session.sql(
        "SELECT COUNT(*) FROM FEATURES F JOIN FEATURES B ON B.STATION = F.STATION AND B.DATE = DATEADD(day, -1, F.DATE) "
        "WHERE F.RIDES_LAG_1 IS DISTINCT FROM B.RIDES OR F.MINUTES_LAG_1 IS DISTINCT FROM B.MINUTES"
    ).collect()
    ahead = session.sql(
        "SELECT COUNT(*), COUNT(RIDES), COUNT(MINUTES), COUNT(RIDERS_LAG_1), COUNT(WEEKEND) FROM FUTURE"
    ).collect()
    session.close()
    assert columns == [
        *("STATION", "DATE", "RIDES", "MINUTES", "RIDERS"),
        *(f"{name}_{past}" for name in ("RIDES", "MINUTES", "RIDERS") for past in ("LAG_1", "MEAN_7")),
        "WEEKEND",
    ]
    known = {(key, day): (rides, minutes, riders) for key, day, rides, minutes, riders in found}
    # A day without rides has a count of 0, and no mean.
    zeros = {place: values for place, values in known.items() if values[0] == 0}
    assert set(zeros.values()) == {(0, None, 0)}
    assert {key for key, _ in zeros} == {"b"}
    assert {k: v for k, v in known.items() if k not in zeros} == {
        (key, day): (rides, pytest.approx(minutes), riders) for key, day, rides, minutes, riders in expected
    }
    assert wrong[0][0] == 0
    assert tuple(ahead[0]) == (10, 0, 0, 0, 10)


def test_each_forecaster_learns_from_its_target(ran: Pipeline) -> None:
    session = ran.session()
    trips = session.table("FORECASTS_RIDES").columns
    (counts,) = session.sql(
        "SELECT COUNT(*), AVG(PREDICTION) FROM FORECASTS_RIDES WHERE PART = 'forecast'"
    ).collect()
    (means,) = session.sql(
        "SELECT COUNT(*), MIN(PREDICTION), MAX(PREDICTION) FROM FORECASTS_MINUTES WHERE PART = 'forecast'"
    ).collect()
    history = session.sql(
        "SELECT COUNT(*), MIN(ACTUAL) FROM FORECASTS_MINUTES WHERE PART IN ('train', 'validation') AND STATION = 'b'"
    ).collect()
    drift = session.sql("SELECT FEATURE FROM DRIFT ORDER BY 1").collect()
    session.close()
    assert {"RIDES_LAG_1", "RIDES_MEAN_7", "WEEKEND"} < set(trips)
    assert not {"MINUTES_LAG_1", "RIDERS_LAG_1"} & set(trips)
    assert counts[0] == means[0] == 10
    assert 90 < counts[1] < 150
    assert 5 <= means[1] <= means[2] <= 11
    # Days without rides are no days of the mean: it is unknown there.
    assert history[0][1] > 5
    assert {row[0] for row in drift} == {"MINUTES", "MINUTES_LAG_1", "MINUTES_MEAN_7"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            '    target: "{{ item }}"\n',
            "",
            "FEATURES has several targets: name one as `target`: RIDES, MINUTES, RIDERS",
        ),
        ('target: "{{ item }}"', "target: TRIPS", "FEATURES has no target TRIPS, but RIDES, MINUTES, RIDERS"),
        (
            "    targets:\n",
            "    value: MINUTES\n    targets:\n",
            "with `targets`, each has its own settings: remove value",
        ),
        ("RIDES: {}", "RIDES: {aggregate: mean}", "`aggregate: mean` needs `value`, the column to aggregate"),
        ("RIDES: {}", "STATION: {}", "two columns would be named STATION"),
    ],
)
def test_mistakes_are_told_before_anything_runs(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in SPEC
    with pytest.raises(SpecError) as caught:
        Pipeline.from_yaml(write_spec(tmp_path, SPEC.replace(old, new))).validate()
    assert said in str(caught.value)


def test_a_column_that_the_events_lack_is_named(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC.replace("value: RIDER,", "value: RIDERZ,")))
    error = str(pipeline.run(select=["+features"]).steps["features"].error)
    assert "targets.RIDERS.value: RIDES has no column RIDERZ" in error

"""Exogenous columns whose values differ by series, and their last value as that of the future."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError
from tests.conftest import write_spec
from tests.models.panels import panel

# Two series of 40 days; prices and temperatures of each, for ten days more.
SPEC = """\
steps:
  events:
    type: transform
    query: >-
      SELECT IFF(MOD(SEQ4(), 2) = 0, 'a', 'b') AS K, DATEADD(day, FLOOR(SEQ4() / 2), '2023-01-01'::DATE) AS AT, 1 + MOD(SEQ4(), 7) AS N
      FROM TABLE(GENERATOR(ROWCOUNT => 80))
    writes: events
  prices:
    type: transform
    query: >-
      SELECT IFF(MOD(SEQ4(), 2) = 0, 'a', 'b') AS ITEM, DATEADD(day, FLOOR(SEQ4() / 2), '2023-01-01'::DATE) AS DATE,
      IFF(SEQ4() = 78, NULL, SEQ4())::FLOAT AS PRICE, (100 + SEQ4())::FLOAT AS TEMP, (200 + SEQ4())::FLOAT AS PROMOTION
      FROM TABLE(GENERATOR(ROWCOUNT => 100))
    writes: prices
  features:
    type: features
    from: events
    partition_by: K
    timestamp: AT
    value: N
    target: TOTAL
    lags: [1]
    exogenous:
      - {table: prices, columns: [PRICE], series: ITEM, future: last}
      - {table: prices, columns: [TEMP], series: ITEM, future: climatology}
      - {table: prices, columns: [PROMOTION], series: ITEM}
    writes: features
  future: {type: future_features, features: features, horizon: 3, writes: future}
"""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    made = Pipeline.from_yaml(write_spec(tmp_path_factory.mktemp("exogenous"), SPEC))
    result = made.run()
    assert result.ok, [step.message for step in result.steps.values()]
    return made


def test_each_series_has_its_own_values(pipeline: Pipeline) -> None:
    session = pipeline.session()
    known = session.sql("SELECT K, DATE, PRICE, PROMOTION FROM FEATURES").collect()
    ahead = session.sql("SELECT K, DATE, PRICE, TEMP, PROMOTION FROM FUTURE ORDER BY K, DATE").collect()
    session.close()
    assert len(known) == 80
    for key, day, price, promotion in known:
        row = 2 * (day - date(2023, 1, 1)).days + (key == "b")
        assert (price, promotion) == (None if row == 78 else row, 200 + row)
    first = date(2023, 1, 1) + timedelta(days=40)
    expected = [
        # The last price that is known; the mean of the last four weeks; the table itself.
        (
            key,
            first + timedelta(days=n),
            76 + 3 * odd,
            100 + odd + 2 * np.mean(range(12, 40)),
            280 + 2 * n + odd,
        )
        for odd, key in enumerate("ab")
        for n in range(3)
    ]
    assert [tuple(row) for row in ahead] == expected


TWICE = "FLOOR(SEQ4() / 2), '2023-01-01'::DATE) AS DATE"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            ", series: ITEM, future: last",
            ", future: last",
            "each series has its own, name its column in `series`",
        ),
        (TWICE, TWICE.replace("/ 2", "/ 4"), "pairs of ITEM and DATE"),
    ],
    ids=["a row per series", "twice"],
)
def test_several_rows_for_a_period_are_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in SPEC
    result = Pipeline.from_yaml(write_spec(tmp_path, SPEC.replace(old, new))).run()
    assert said in result.steps["features"].message


def test_values_of_series_are_no_values_of_a_hierarchy(tmp_path: Path) -> None:
    text = SPEC.replace("    lags: [1]\n", "    lags: [1]\n    hierarchy: [K]\n")
    with pytest.raises(SpecError, match="not of a `hierarchy`"):
        Pipeline.from_yaml(write_spec(tmp_path, text)).validate()


def test_a_backtest_takes_the_last_value_before_its_origin() -> None:
    (series,) = panel(1)
    place = [feature.name for feature in series.features].index("TEMP")
    features = [
        dataclasses.replace(feature, future="last") if at == place else feature
        for at, feature in enumerate(series.features)
    ]
    head = dataclasses.replace(series, features=tuple(features)).head(30)
    assert (head.future_x[:, place] == series.x[29, place]).all()

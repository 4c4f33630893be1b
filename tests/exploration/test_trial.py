"""Trying a model on a few series without writing a table."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import snowpipe_ml
from snowpipe_ml import Pipeline
from snowpipe_ml.errors import UsageError
from tests.conftest import ask, write_spec
from tests.test_cli import invoke

SPEC = """\
steps:
  sales:
    type: transform
    writes: sales
    query: >-
      SELECT 's' || MOD(SEQ4(), 3) AS SHOP, DATEADD(day, FLOOR(SEQ4() / 3), '2023-01-01'::DATE) AS AT,
      10 + MOD(SEQ4(), 3) + MOD(FLOOR(SEQ4() / 3), 7) AS SOLD FROM TABLE(GENERATOR(ROWCOUNT => 300))
  features: {type: features, from: sales, partition_by: SHOP, timestamp: AT, value: SOLD, target: SOLD, lags: [1, 7],
    writes: features}
  future: {type: future_features, features: features, horizon: 7, writes: future}
"""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path_factory.mktemp("tried"), SPEC))
    with pipeline.history():
        assert pipeline.run().ok
        yield pipeline


def test_a_model_is_tried_and_nothing_is_written(pipeline: Pipeline) -> None:
    tables = ask(pipeline, "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES ORDER BY 1")
    found = snowpipe_ml.try_model(pipeline, ["s0", "s2"], {"type": "ridge", "alpha": 1})
    forecasts = found.rows[found.rows["PART"] == "forecast"]
    assert list(forecasts.groupby("SERIES").size().items()) == [("s0", 7), ("s2", 7)]
    assert (found.model, found.value) == ("ridge", "SOLD per day")
    errors = found.errors()
    assert errors["MODEL"].tolist().count("seasonal_naive") == 2
    assert errors["MAE"].tolist()[0] == pytest.approx(0, abs=1e-9), "the value repeats every week"
    assert found.untrained() == {}
    assert ask(pipeline, "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES ORDER BY 1") == tables


@pytest.mark.parametrize(
    ("series", "model", "message"),
    [
        (["s9"], "ridge", "FEATURES has no series s9"),
        (["s0"], "rigde", "--model: .*'rigde'"),
        ([], "ridge", "give 1 to 20 series, and not 0"),
    ],
)
def test_mistakes(pipeline: Pipeline, series: list[str], model: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        snowpipe_ml.try_model(pipeline, series, model)


def test_the_command_draws_the_series_and_writes_a_page(pipeline: Pipeline) -> None:
    done = invoke("try", pipeline.path, "--series", "s0,s1", "--model", "{type: ridge, alpha: 1}")
    assert done.exit_code == 0, done.output
    assert "s1: " in done.output
    assert "│" in done.output
    assert "seasonal_naive" in done.output
    page = pipeline.base_dir / ".snowpipe" / "explore" / "try_ridge.html"
    text = page.read_text()
    data = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
    assert [line["name"] for line in data["charts"]["s0"]["series"]] == [
        "actual",
        "predicted one day ahead",
        "forecast",
    ]
    assert sum(value is not None for value in data["charts"]["s0"]["series"][2]["values"]) == 7


def test_a_table_as_a_frame(pipeline: Pipeline) -> None:
    frame = pipeline.frame("features")
    assert frame.filter("SHOP = 's1'").count() == 100
    with pytest.raises(UsageError, match="not a name"):
        pipeline.frame("no name")
    frame.session.close()

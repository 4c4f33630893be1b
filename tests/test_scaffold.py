"""The pipeline templates that the package includes, and the generated schema and reference."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from snowpipe_ml import Pipeline
from snowpipe_ml.cli.reference import reference_page
from snowpipe_ml.cli.scaffold import TEMPLATES, example_of, init
from snowpipe_ml.errors import UsageError
from snowpipe_ml.plugins import step_types
from tests.conftest import ROOT, ask


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_is_a_valid_pipeline_wherever_it_is_copied_to(tmp_path: Path, template: str) -> None:
    files = init(tmp_path / "new", template)
    Pipeline.from_yaml(files[0]).validate()
    text = files[0].read_text()
    schema = files[0].parent / text.splitlines()[0].partition("$schema=")[2]
    jsonschema.Draft202012Validator(json.loads(schema.read_text())).validate(yaml.safe_load(text))


def test_the_smallest_one_runs(tmp_path: Path) -> None:
    assert Pipeline.from_yaml(init(tmp_path, "minimal")[0]).run().ok


def test_a_custom_model_is_compared_with_others(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(init(tmp_path, "custom-model")[0])
    assert pipeline.run().ok
    models = {row[0] for row in ask(pipeline, "SELECT DISTINCT MODEL FROM LEADERBOARD")}
    assert models == {"best_of", "Growth", "ridge", "seasonal_naive", "moving_average"}


@pytest.mark.slow
def test_weekly_sales_add_up(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(init(tmp_path, "retail-weekly")[0])
    result = pipeline.run()
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    of_regions = "SUM(IFF(STORE IN ('TOTAL/north', 'TOTAL/south'), FORECAST, 0))"
    of_all = "SUM(IFF(STORE = 'TOTAL', FORECAST, 0))"
    query = f"SELECT COUNT(*), MAX(ABS(R - A)) FROM (SELECT {of_regions} AS R, {of_all} AS A FROM FORECAST GROUP BY DATE)"
    ((weeks, difference),) = ask(pipeline, query)
    assert weeks == 13
    assert difference < 1e-6


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "minimal").mkdir()
    (tmp_path / "minimal" / "orders.csv").write_text("mine")
    with pytest.raises(UsageError, match=r"exist already: .*orders\.csv"):
        init(tmp_path, "minimal")
    assert [path.name for path in tmp_path.iterdir()] == ["minimal"]
    with pytest.raises(UsageError, match="no template 'big'"):
        init(tmp_path, "big")


@pytest.mark.parametrize(
    "name", [name for name, cls in step_types().items() if cls.__module__.startswith("snowpipe_ml")]
)
def test_every_step_type_of_ours_has_an_example(name: str) -> None:
    example = example_of(name)
    assert example is not None
    ((_, settings),) = yaml.safe_load(example).items()
    assert settings["type"] == name


def test_the_reference_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "reference.md").read_text() == reference_page(), (
        "run `snowpipe-ml schema --reference docs/reference.md`"
    )

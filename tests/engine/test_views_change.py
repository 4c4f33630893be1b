"""A view that was redefined is a changed input, although no table that it reads has changed."""

from __future__ import annotations

from pathlib import Path

from snowpipe_ml import Pipeline
from tests.conftest import ask, write_spec

SPEC = """\
steps:
  one: {type: transform, query: "SELECT X FROM {{ ref('demo.public.seen') }}", writes: one}
  own: {type: transform, materialized: view, query: SELECT 1 AS Y, writes: own}
"""


def test_a_view_of_others_that_was_redefined_is_read_again(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC.replace("demo.public", "demo.other")))
    for text in (
        "CREATE SCHEMA OTHER",
        "CREATE TABLE OTHER.T AS SELECT 1 AS A",
        "CREATE VIEW OTHER.SEEN AS SELECT A AS X FROM OTHER.T",
    ):
        ask(pipeline, text)
    assert pipeline.run().ok
    assert {step.status.value for step in pipeline.run().steps.values()} == {"reused"}
    ask(pipeline, "CREATE OR REPLACE VIEW OTHER.SEEN AS SELECT A + 1 AS X FROM OTHER.T")
    (planned,) = [step for step in pipeline.plan(compare=True) if step.name == "one"]
    assert planned.decision is not None
    assert planned.decision.reason == "DEMO.OTHER.SEEN changed"
    assert pipeline.run().ok
    assert ask(pipeline, "SELECT X FROM ONE") == [(2,)]


def test_a_view_of_the_pipeline_that_was_redefined_by_hand_is_made_again(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(
        write_spec(tmp_path, SPEC.replace("{{ ref('demo.public.seen') }}", "VALUES (1) AS V(X)"))
    )
    assert pipeline.run().ok
    ask(pipeline, "CREATE OR REPLACE VIEW OWN AS SELECT 2 AS Y")
    result = pipeline.run()
    assert result.steps["own"].status.value == "success"
    assert result.steps["one"].status.value == "reused"
    assert ask(pipeline, "SELECT Y FROM OWN") == [(1,)]

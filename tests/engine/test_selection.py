"""dbt's selection syntax, on a small graph."""

from __future__ import annotations

from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.plan.selection import select
from snowpipe_ml.errors import UsageError
from tests.conftest import write_spec

SPEC = """\
stages: {landing: {}}
steps:
  a: {type: transform, query: SELECT 1 AS X, writes: ta, tags: [nightly]}
  b: {type: transform, query: "SELECT X FROM {{ ref('ta') }}", writes: tb}
  c: {type: transform, query: "SELECT X FROM {{ ref('tb') }}", writes: tc, tags: [nightly, report]}
  d: {type: transform, query: "SELECT X FROM {{ ref('tc') }}", writes: td}
  check: {type: expect, table: tb, min_rows: 1}
  apart: {type: transform, query: SELECT 2 AS X, writes: tapart}
"""


@pytest.mark.parametrize(
    ("chosen", "excluded", "expected"),
    [
        ([], ["a+"], "apart"),
        (["b"], [], "b"),
        (["+b"], [], "a b"),
        (["b+"], [], "b c check d"),
        (["b+1"], [], "b c check"),
        (["1+c"], [], "b c"),
        (["1+c+1"], [], "b c d"),
        (["+d"], ["b"], "a c d"),
        (["tag:nightly"], [], "a c"),
        (["tag:nightly,tag:report"], [], "c"),
        (["tag:report apart"], [], "apart c"),
        (["tag:report", "apart"], [], "apart c"),
        (["type:expect"], [], "check"),
        (["type:ex*+ t*", "a"], [], None),
        (["c+,type:transform"], ["d"], "c"),
        (["?"], [], "a b c d"),
        (["a+,+c"], [], "a b c"),
    ],
)
def test_grammar(tmp_path: Path, chosen: list[str], excluded: list[str], expected: str | None) -> None:
    graph = Pipeline.from_yaml(write_spec(tmp_path, SPEC)).graph()
    if expected is None:
        with pytest.raises(UsageError, match="no step 't"):
            select(graph, chosen, excluded)
        return
    found = select(graph, chosen, excluded)
    assert " ".join(sorted(name for name, node in found.nodes.items() if not node.declared)) == expected


def test_order_is_kept_across_what_is_omitted(tmp_path: Path) -> None:
    graph = select(Pipeline.from_yaml(write_spec(tmp_path, SPEC)).graph(), ["a", "d"])
    assert graph.needs("d") == ["a"]


@pytest.mark.parametrize(
    ("term", "said"),
    [
        ("bb", "no step 'bb'; did you mean 'b'"),
        ("tag:weekly", "no step has the tag 'weekly'; there are: nightly, report"),
        ("type:snapshot", "there are: expect, transform"),
        ("owner:me", "the methods are type:, tag: and state:modified"),
        ("state:modified", "use it with `run`"),
        ("++", "is not a selection"),
    ],
)
def test_mistakes(tmp_path: Path, term: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Pipeline.from_yaml(write_spec(tmp_path, SPEC)).plan(select=[term])


def test_only_what_is_selected_runs(tmp_path: Path) -> None:
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC))
    assert pipeline.run(select=["+b"]).ok
    assert sorted(s for s in pipeline.run(select=["b+"], exclude=["d"]).steps if "." not in s) == [
        "b",
        "c",
        "check",
    ]
    # The steps that have not run yet, or would now do something else.
    write_spec(
        tmp_path, SPEC.replace("SELECT X FROM {{ ref('tb') }}", "SELECT X + 1 AS X FROM {{ ref('tb') }}")
    )
    assert sorted(s for s in pipeline.run(select=["state:modified"]).steps if "." not in s) == [
        "apart",
        "c",
        "d",
    ]
    with pytest.raises(UsageError, match="nothing is selected"):
        pipeline.run(select=["state:modified"])

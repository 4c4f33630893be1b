"""A source from a file beside the spec."""

from __future__ import annotations

from pathlib import Path

from snowpipe_ml import Pipeline
from tests.conftest import write_spec


def test_a_file_beside_the_spec_is_loaded_into_typed_columns(tmp_path: Path) -> None:
    """The columns of staged files are checked like those of tables, of which they are none."""
    (tmp_path / "demand.csv").write_text("ID,DATE,N\na,2023-01-01 00:00,1.5\na,2023-01-02 00:00,2.5\n")
    text = """\
sources:
  demand:
    columns: {DATE: timestamp_ntz, ID: varchar, N: float}
    from: {local: {file: demand.csv}}
steps:
  total: {type: transform, query: "SELECT SUM(N) AS N FROM {{ ref('demand') }}", writes: total}
"""
    result = Pipeline.from_yaml(write_spec(tmp_path, text)).run()
    assert result.ok, [step.message for step in result.steps.values()]

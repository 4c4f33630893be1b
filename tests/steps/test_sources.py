from __future__ import annotations

from pathlib import Path

from snowpipe_ml import Pipeline
from tests.conftest import write_spec

SPEC = """\
sources:
  weather:
    columns: {DAY: date, RAIN: float}
    from: {local: {file: weather.csv, rename: {"Rain (in)": RAIN}}}
  again: {columns: {RAIN: float}, from: {local: {query: again.sql}}}
steps:
  wet: {type: transform, query: "SELECT COUNT(*) AS N FROM {{ ref('weather') }} WHERE RAIN > 0", writes: wet}
"""


def test_a_file_and_a_query(tmp_path: Path) -> None:
    (tmp_path / "weather.csv").write_text('Station,Rain (in),DAY\n"a, b",0.5,2024-01-01\nx,,2024-01-02\n')
    (tmp_path / "again.sql").write_text("SELECT RAIN FROM WEATHER; -- what there is")
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, SPEC))
    result = pipeline.run(threads=1)
    assert result.ok, {name: step.message for name, step in result.steps.items()}
    session = pipeline.session()
    assert [tuple(row) for row in session.sql("SELECT N FROM WET").collect()] == [(1,)]
    assert session.table("AGAIN").count() == 2
    session.close()
    # The error names the invalid value, and the existing rows are kept.
    (tmp_path / "weather.csv").write_text("Station,Rain (in),DAY\na,wet,2024-01-01\n")
    failed = pipeline.run()
    assert "Numeric value 'wet' is not recognized" in failed.steps["sources.weather"].message
    session = pipeline.session()
    assert session.table("WEATHER").count() == 2
    session.close()
    (tmp_path / "weather.csv").write_text("Station,DAY\na,2024-01-01\n")
    assert (
        "weather.csv:1: the header has no column for RAIN" in pipeline.run().steps["sources.weather"].message
    )


def test_a_view_becomes_a_table_and_back(tmp_path: Path) -> None:
    for kind in ("view", "table", "view"):
        text = f"steps: {{a: {{type: transform, query: SELECT 1 AS X, writes: t, materialized: {kind}}}}}\n"
        result = Pipeline.from_yaml(write_spec(tmp_path, text)).run()
        assert result.ok, result.steps["a"].message

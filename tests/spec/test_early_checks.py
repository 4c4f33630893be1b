"""``validate`` reports everything that can be known before a run, at its position in the spec."""

from __future__ import annotations

from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.errors import SpecError
from tests.conftest import ask, write_spec

BOM = "\ufeff"


def refused(path: Path) -> str:
    with pytest.raises(SpecError) as raised:
        Pipeline.from_yaml(path).validate()
    return str(raised.value)


SOURCE = """\
sources:
  weather:
    columns: {DAY: date, RAIN: float}
    from:
      local: {file: weather.csv}
      prod: {file: elsewhere.csv}
steps:
  wet: {type: transform, query: "SELECT COUNT(*) AS N FROM {{ ref('weather') }}", writes: wet}
"""


def test_a_missing_file_of_a_source_is_an_error_at_its_line(tmp_path: Path) -> None:
    said = refused(write_spec(tmp_path, SOURCE))
    assert "spec.yaml:8:" in said
    assert "weather.csv" in said


def test_so_is_a_folder_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "weather.csv").mkdir()
    said = refused(write_spec(tmp_path, SOURCE))
    assert "spec.yaml:8:" in said
    assert "weather.csv" in said


@pytest.mark.parametrize("header", ["DAY,SUN", "", "DAY;RAIN"])
def test_a_column_that_the_file_lacks_is_an_error(tmp_path: Path, header: str) -> None:
    (tmp_path / "weather.csv").write_text(f"{header}\n" if header else "")
    said = refused(write_spec(tmp_path, SOURCE))
    assert "spec.yaml:" in said
    assert "weather.csv" in said
    assert "RAIN" in said


def test_a_header_that_is_renamed_and_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "weather.csv").write_text("DAY,RAIN\n2024-01-01,1\n")
    text = SOURCE.replace("weather.csv}", 'weather.csv, rename: {"Rain (in)": RAIN}}')
    said = refused(write_spec(tmp_path, text))
    assert "spec.yaml:8:" in said
    assert "Rain (in)" in said


def test_a_file_that_is_right_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "weather.csv").write_text(f'{BOM}Station,"Rain (in)",day\n"a, b",0.5,2024-01-01\n')
    text = SOURCE.replace("weather.csv}", 'weather.csv, rename: {"Rain (in)": RAIN}}')
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, text))
    pipeline.validate()
    assert pipeline.run().ok
    assert ask(pipeline, "SELECT N FROM WET") == [(1,)]


@pytest.mark.parametrize(
    "source",
    [
        "{file: sample}",
        "{file: sample, generator: 'gone.py:write'}",
        "{file: sample, generator: 'there.py:no_such'}",
    ],
)
def test_a_sample_without_what_writes_it_is_an_error(tmp_path: Path, source: str) -> None:
    (tmp_path / "there.py").write_text("def write(path):\n    path.write_text('DAY,RAIN')\n")
    said = refused(write_spec(tmp_path, SOURCE.replace("{file: weather.csv}", source)))
    assert "spec.yaml:8:" in said


def test_a_missing_wheel_is_an_error(tmp_path: Path) -> None:
    text = "stages: {s: {}}\nimports: {i: {stage: s, wheels: [nowhere-1.0-py3-none-any.whl]}}\n"
    text += "steps: {one: {type: transform, query: SELECT 1 AS X, writes: one}}\n"
    said = refused(write_spec(tmp_path, text))
    assert "nowhere-1.0-py3-none-any.whl" in said


EXTRACT = """\
vars: {source: data}
stages: {s: {}}
steps:
  staged:
    type: extract
    from: "{{ vars.source }}"
    url_file: "{month}.zip"
    months: ["2024-01"]
    into: "@s/"
    layouts: {all: {columns: [a]}}
"""


def test_a_missing_folder_of_an_extract_is_an_error_at_its_line(tmp_path: Path) -> None:
    path = write_spec(tmp_path, EXTRACT)
    said = refused(path)
    assert "no such folder" in said
    line = path.read_text().splitlines().index('    from: "{{ vars.source }}"') + 1
    assert f"spec.yaml:{line}:" in said
    (tmp_path / "data").mkdir()
    Pipeline.from_yaml(path).validate()


def test_a_url_of_an_extract_is_not_looked_for(tmp_path: Path) -> None:
    Pipeline.from_yaml(write_spec(tmp_path, EXTRACT), vars={"source": "https://example.com/trips"}).validate()


DAYS = """\
sources:
  weather: {columns: {DAY: date, DEGREES: float, NAME: varchar}, from: {local: {query: weather.sql}}}
tables:
  events: {columns: {SHOP: varchar, AT: timestamp_ntz, SOLD: number}}
  covered: {columns: {DATE: date}}
steps:
  features:
    type: features
    from: events
    partition_by: SHOP
    timestamp: AT
    value: SOLD
    lags: [1]
    min_history: 1
    exogenous: [{table: weather, columns: [DEGREES], on: DAY}]
    holidays: {table: weather, on: DAY}
    calendar: covered
    writes: features
"""


def daily(folder: Path, old: str, new: str) -> Path:
    (folder / "weather.sql").write_text("SELECT '2023-01-01'::DATE AS DAY, 1.5 AS DEGREES, 'x' AS NAME")
    assert old in DAYS
    return write_spec(folder, DAYS.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "table", "nearest"),
    [
        ("columns: [DEGREES]", "columns: [DEGREEZ]", "WEATHER", "DEGREES"),
        ("columns: [DEGREES], on: DAY", "columns: [DEGREES], on: DAYZ", "WEATHER", "DAY"),
        ("holidays: {table: weather, on: DAY}", "holidays: {table: weather, on: DAYZ}", "WEATHER", "DAY"),
        ("partition_by: SHOP", "partition_by: SHOPP", "EVENTS", "SHOP"),
        ("timestamp: AT", "timestamp: ATT", "EVENTS", "AT"),
        ("value: SOLD", "value: SOLDD", "EVENTS", "SOLD"),
        ("calendar: covered", "calendar: events", "EVENTS", "DATE"),
    ],
)
def test_an_unknown_column_of_a_declared_table_is_an_error_at_its_line(
    tmp_path: Path, old: str, new: str, table: str, nearest: str
) -> None:
    path = daily(tmp_path, old, new)
    lines = path.read_text().splitlines()
    said = refused(path)
    line = next(number for number, text in enumerate(lines, 1) if new in text)
    assert f"spec.yaml:{line}:" in said
    assert table in said.upper()
    assert nearest in said


def test_a_text_is_no_feature(tmp_path: Path) -> None:
    said = refused(daily(tmp_path, "columns: [DEGREES]", "columns: [NAME]"))
    assert "NAME" in said
    assert "varchar" in said.lower()


MADE = """\
steps:
  events:
    type: transform
    query: >-
      SELECT 'k' AS SHOP, DATEADD(day, SEQ4(), '2023-01-01'::DATE) AS AT, SEQ4() AS SOLD FROM TABLE(GENERATOR(ROWCOUNT => 60))
    writes: events
  weather:
    type: transform
    query: >-
      SELECT DATEADD(day, SEQ4(), '2023-01-01'::DATE) AS DATE, SEQ4()::FLOAT AS DEGREES, 'x' AS NAME
      FROM TABLE(GENERATOR(ROWCOUNT => 90))
    writes: weather
  features:
    type: features
    from: events
    partition_by: SHOP
    timestamp: AT
    value: SOLD
    lags: [1]
    min_history: 20
    exogenous: [EXOGENOUS]
    writes: features
  future: {type: future_features, features: features, horizon: 3, writes: future}
"""


@pytest.mark.parametrize(
    ("exogenous", "column", "nearest"),
    [
        ("{table: weather, columns: [DEGREEZ]}", "DEGREEZ", "DEGREES"),
        ("{table: weather, columns: [DEGREES], on: DAY}", "DAY", "DATE"),
        ("{table: weather, columns: [DEGREEZ], future: climatology}", "DEGREEZ", "DEGREES"),
        ("{table: weather, columns: [DEGREES], future: {table: events}}", "DEGREES", "SOLD"),
        ("{table: weather, columns: [NAME]}", "NAME", "VARCHAR"),
    ],
)
def test_a_wrong_exogenous_column_is_told_in_the_words_of_the_spec(
    tmp_path: Path, exogenous: str, column: str, nearest: str
) -> None:
    """Nothing is reported where only the target knows the columns."""
    result = Pipeline.from_yaml(write_spec(tmp_path, MADE.replace("EXOGENOUS", exogenous))).run()
    (failed,) = [step for step in result.steps.values() if step.status.value == "failed"]
    assert failed.name == ("future" if "table: events" in exogenous else "features")
    said = failed.message
    assert column in said
    assert ("EVENTS" if "table: events" in exogenous else "WEATHER") in said.upper()
    assert nearest in said.upper()
    assert "Binder" not in said
    assert "X1" not in said
    assert '"status"' not in said


ONE = "steps:\n  one: {type: transform, sql: one.sql, writes: one}\n"


def test_a_byte_order_mark_is_no_part_of_the_statement(tmp_path: Path) -> None:
    (tmp_path / "one.sql").write_text(f"{BOM}SELECT 1 AS X\n", encoding="utf-8")
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, ONE))
    pipeline.validate()
    result = pipeline.run()
    assert result.ok, result.steps["one"].message
    assert BOM not in str(pipeline.plan()[0].plan.statements[0])


def test_nor_in_the_query_of_a_source(tmp_path: Path) -> None:
    (tmp_path / "seen.sql").write_text(f"{BOM}SELECT 1 AS X\n", encoding="utf-8")
    text = "sources: {seen: {columns: {X: number}, from: {local: {query: seen.sql}}}}\n"
    text += "steps:\n  one: {type: transform, query: \"SELECT X FROM {{ ref('seen') }}\", writes: one}\n"
    result = Pipeline.from_yaml(write_spec(tmp_path, text)).run()
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}


def test_nor_in_a_query_of_the_spec(tmp_path: Path) -> None:
    text = f'steps:\n  one: {{type: transform, query: "{BOM}SELECT 1 AS X", writes: one}}\n'
    result = Pipeline.from_yaml(write_spec(tmp_path, text)).run()
    assert result.ok, result.steps["one"].message


@pytest.mark.parametrize("text", ["", "\n\n", "-- to be written\n", "/* to be\nwritten */\n", ";\n", BOM])
def test_a_file_without_a_statement_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "one.sql").write_text(text, encoding="utf-8")
    assert "one.sql" in refused(write_spec(tmp_path, ONE))


TEMPLATES = [
    "{{ env.NOT_SET_IN_TESTS | default('given') }}",
    "{{ env['NOT_SET_IN_TESTS'] | default('given') }}",
    "{{ env.NOT_SET_IN_TESTS | d('given') }}",
    "{{ env.EMPTY_IN_TESTS | default('given', true) }}",
    "{{ env.NOT_SET_IN_TESTS if env.NOT_SET_IN_TESTS is defined else 'given' }}",
    "{% if env.NOT_SET_IN_TESTS is defined %}other{% else %}given{% endif %}",
]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET_IN_TESTS", raising=False)
    monkeypatch.setenv("EMPTY_IN_TESTS", "")
    monkeypatch.setenv("SET_IN_TESTS", "own")


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_variable_that_is_not_set_has_a_default(tmp_path: Path, template: str) -> None:
    path = write_spec(
        tmp_path, f'steps:\n  one: {{type: transform, query: SELECT 1 AS X, writes: "{template}"}}\n'
    )
    (step,) = Pipeline.from_yaml(path).plan()
    assert "CREATE OR REPLACE TABLE GIVEN " in str(step.plan.statements[0])


@pytest.mark.parametrize("template", [template for template in TEMPLATES if template.startswith("{{")])
def test_in_sql_too(tmp_path: Path, template: str) -> None:
    (tmp_path / "one.sql").write_text(
        f"SELECT {template[:-3]} | literal }}}} AS X".replace("else 'given'", "else ('given')")
    )
    if " if " in template:
        (tmp_path / "one.sql").write_text("SELECT {{ (" + template[3:-3] + ") | literal }} AS X")
    (step,) = Pipeline.from_yaml(write_spec(tmp_path, ONE)).plan()
    assert "SELECT 'given' AS X" in str(step.plan.statements[0])


def test_in_a_target_too(tmp_path: Path) -> None:
    path = write_spec(tmp_path, "steps:\n  one: {type: transform, query: SELECT 1 AS X, writes: one}\n")
    path.write_text(
        path.read_text().replace("path: warehouse", "path: \"{{ env.NOT_SET_IN_TESTS | default('other') }}\"")
    )
    assert Pipeline.from_yaml(path).run().ok
    assert (tmp_path / "other").is_dir()


def test_one_that_is_set_has_its_own_value(tmp_path: Path) -> None:
    text = "steps:\n  one: {type: transform, query: SELECT 1 AS X, writes: \"{{ env.SET_IN_TESTS | default('given') }}\"}\n"
    (step,) = Pipeline.from_yaml(write_spec(tmp_path, text)).plan()
    assert "CREATE OR REPLACE TABLE OWN " in str(step.plan.statements[0])


@pytest.mark.parametrize("name", ["SET_IN_TEST", "NOT_SET_IN_TESTS"])
def test_without_a_default_it_is_an_error_with_the_nearest_name(tmp_path: Path, name: str) -> None:
    text = f'steps:\n  one: {{type: transform, query: SELECT 1 AS X, writes: "{{{{ env.{name} }}}}"}}\n'
    said = refused(write_spec(tmp_path, text))
    assert f"env.{name}" in said
    assert "spec.yaml:5:" in said
    assert "did you mean 'SET_IN_TESTS'?" in said

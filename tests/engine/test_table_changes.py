"""A declared table that already exists, with columns other than the spec declares."""

from __future__ import annotations

from pathlib import Path

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.run.outcome import StepOutcome
from tests.conftest import ask, write_spec

STEP = "steps:\n  one: {type: transform, query: \"SELECT COUNT(*) AS N FROM {{ ref('prices') }}\", writes: one}\n"
ONE = "steps: {one: {type: transform, query: SELECT 1 AS X, writes: one}}\n"


def declaring(folder: Path, columns: str) -> Pipeline:
    return Pipeline.from_yaml(write_spec(folder, f"tables: {{prices: {{columns: {{{columns}}}}}}}\n{STEP}"))


def changed(folder: Path, before: str, after: str) -> StepOutcome:
    """The outcome of the table's step in the run after its columns were changed in the spec."""
    assert declaring(folder, before).run().ok
    return declaring(folder, after).run().steps["tables.prices"]


# The columns before and after a change, the column that the error names, and the types.
OTHER_TYPES = {
    "scale": (
        "ID: number, PRICE: number",
        'ID: number, PRICE: "number(10,2)"',
        "PRICE",
        ["NUMBER(38,0)", "NUMBER(10,2)"],
    ),
    "precision": ('ID: "number(5,0)"', 'ID: "number(9,0)"', "ID", ["NUMBER(5,0)", "NUMBER(9,0)"]),
    "type": ("ID: number, AT: date", "ID: number, AT: timestamp_ntz", "AT", ["DATE", "TIMESTAMP_NTZ"]),
    "length": ('NAME: "varchar(3)"', 'NAME: "varchar(20)"', "NAME", ["VARCHAR(3)", "VARCHAR(20)"]),
    "quoted": ("N: number, '\"Id\"': float", "N: number, '\"Id\"': number", "Id", ["FLOAT", "NUMBER"]),
}
# The columns before and after a change, and the column that the error names.
OTHER_COLUMNS = {
    "added": ("ID: number", "ID: number, PRICE: float", "PRICE"),
    "removed": ("ID: number, PRICE: float", "ID: number", "PRICE"),
    "renamed": ("ID: number, PRICE: float", "ID: number, COST: float", "COST"),
}
# The columns before and after a change that is none.
SAME = {
    "synonyms": ("A: number, B: varchar, C: int", 'A: "number(38,0)", B: string, C: bigint'),
    "defaults": (
        "A: timestamp, B: double, C: binary",
        'A: "timestamp_ntz(9)", B: real, C: varbinary',
    ),
    "decimal": ('A: "number(5)"', 'A: "decimal(5,0)"'),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StepOutcome]:
    """The outcome of each table's step after its columns were changed in the spec, from one pair of runs."""
    folder = tmp_path_factory.mktemp("changes")
    cases = {**OTHER_TYPES, **OTHER_COLUMNS, **SAME}
    for when in (0, 1):
        tables = "".join(f"  prices_{name}: {{columns: {{{case[when]}}}}}\n" for name, case in cases.items())
        result = Pipeline.from_yaml(write_spec(folder, f"tables:\n{tables}{ONE}")).run()
        assert when or result.ok
    return {name: result.steps[f"tables.prices_{name}"] for name in cases}


@pytest.mark.parametrize("name", OTHER_TYPES)
def test_a_changed_type_is_an_error_that_names_both_types(
    outcomes: dict[str, StepOutcome], name: str
) -> None:
    _, _, column, types = OTHER_TYPES[name]
    step = outcomes[name]
    assert step.status.value == "failed"
    said = step.message.replace(", ", ",")
    assert f"PRICES_{name.upper()}" in said
    for text in (column, *types):
        assert text in said
    assert "ALTER TABLE" in said or "DROP TABLE" in said


@pytest.mark.parametrize("name", OTHER_COLUMNS)
def test_other_columns_are_an_error_that_names_them(outcomes: dict[str, StepOutcome], name: str) -> None:
    step = outcomes[name]
    assert step.status.value == "failed"
    assert f"PRICES_{name.upper()}" in step.message
    assert OTHER_COLUMNS[name][2] in step.message.replace(f"PRICES_{name.upper()}", "")
    assert "ALTER TABLE" in step.message or "DROP TABLE" in step.message


def test_a_table_of_others_with_other_types_is_an_error(tmp_path: Path) -> None:
    pipeline = declaring(tmp_path, "ID: number")
    ask(pipeline, "CREATE TABLE PRICES (ID VARCHAR)")
    step = pipeline.run().steps["tables.prices"]
    assert step.status.value == "failed"
    assert "VARCHAR" in step.message


def test_a_view_in_the_place_of_a_declared_table_is_an_error(tmp_path: Path) -> None:
    pipeline = declaring(tmp_path, "ID: number")
    ask(pipeline, "CREATE VIEW PRICES AS SELECT 1 AS ID")
    step = pipeline.run().steps["tables.prices"]
    assert step.status.value == "failed"
    assert "PRICES" in step.message


def test_the_rows_stay_and_what_needs_the_table_does_not_run(tmp_path: Path) -> None:
    pipeline = declaring(tmp_path, "ID: number, PRICE: number")
    assert pipeline.run().ok
    ask(pipeline, "INSERT INTO PRICES VALUES (1, 2)")
    result = declaring(tmp_path, 'ID: number, PRICE: "number(10,2)"').run()
    assert not result.ok
    assert result.steps["one"].status.value == "skipped"
    assert ask(pipeline, "SELECT ID, PRICE FROM PRICES") == [(1, 2)]


def test_after_the_table_is_dropped_the_run_goes_on(tmp_path: Path) -> None:
    assert declaring(tmp_path, "ID: number, PRICE: number").run().ok
    pipeline = declaring(tmp_path, 'ID: number, PRICE: "number(10,2)"')
    assert not pipeline.run().ok
    ask(pipeline, "DROP TABLE PRICES")
    assert pipeline.run().ok
    assert ask(pipeline, "DESCRIBE TABLE PRICES")[1][:2] == ("PRICE", "NUMBER(10,2)")


def test_the_alter_that_the_error_names_helps(tmp_path: Path) -> None:
    """Snowflake can widen a text or increase a precision in place."""
    before, after = 'NAME: "varchar(3)", ID: "number(5,0)"', 'NAME: "varchar(20)", ID: "number(9,0)"'
    message = changed(tmp_path, before, after).message
    pipeline = declaring(tmp_path, after)
    ask(pipeline, "INSERT INTO PRICES VALUES ('abc', 12345)")
    statements = [f"ALTER TABLE {part}" for part in message.replace("`", "").split("ALTER TABLE ")[1:]]
    assert statements, message
    for statement in statements:
        ask(pipeline, statement.partition(";")[0].strip())
    assert pipeline.run().ok
    assert ask(pipeline, "SELECT NAME, ID FROM PRICES") == [("abc", 12345)]
    assert [row[1] for row in ask(pipeline, "DESCRIBE TABLE PRICES")] == ["VARCHAR(20)", "NUMBER(9,0)"]


@pytest.mark.parametrize("name", SAME)
def test_another_word_for_the_same_type_is_no_change(outcomes: dict[str, StepOutcome], name: str) -> None:
    assert outcomes[name].status.value in ("success", "reused")


def test_a_stage_with_another_address_is_no_success(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.csv").write_text("1\n")
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, "stages: {s: {url: file://here}}\n" + ONE))
    assert pipeline.run().ok
    write_spec(tmp_path, "stages: {s: {url: file://there}}\n" + ONE)
    result = pipeline.run()
    files = [str(row[0]).rpartition("/")[2] for row in ask(pipeline, "LIST @s")]
    assert files == ["there.csv"] or "S" in result.steps["stages.s"].message.split()


def test_a_transform_with_a_wider_number_replaces_its_table(tmp_path: Path) -> None:
    text = 'steps: {one: {type: transform, query: "SELECT 1::NUMBER(3,0) AS X", writes: one}}\n'
    pipeline = Pipeline.from_yaml(write_spec(tmp_path, text))
    assert pipeline.run().ok
    write_spec(tmp_path, text.replace("1::NUMBER(3,0)", "12345::NUMBER(5,0)"))
    result = pipeline.run()
    assert result.ok, result.steps["one"].message
    assert ask(pipeline, "SELECT X FROM ONE") == [(12345,)]
    assert ask(pipeline, "DESCRIBE TABLE ONE")[0][1] == "NUMBER(5,0)"


def test_the_advice_to_drop_an_internal_stage_says_that_its_files_are_lost(tmp_path: Path) -> None:
    assert Pipeline.from_yaml(write_spec(tmp_path, "stages: {s: {}}\n" + ONE)).run().ok
    write_spec(tmp_path, "stages: {s: {url: file://there}}\n" + ONE)
    step = Pipeline.from_yaml(tmp_path / "spec.yaml").run().steps["stages.s"]
    assert "DROP STAGE S, which deletes its files, and run again" in step.message + str(step.error)

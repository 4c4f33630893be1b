"""A declared table that already exists, with columns other than the spec declares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import snowpipe_ml
from snowpipe_ml import Pipeline
from snowpipe_ml.cli.main import main
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


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose warehouse stays open, so that opening it for each run and query costs nothing."""
    held = snowpipe_ml.local_session(tmp_path / "warehouse", database="DEMO")
    yield tmp_path
    held.close()


# The columns before and after a change that a run refuses, the column that the error names, and the types.
OTHER_TYPES = {
    "scale": (
        "ID: number, PRICE: number",
        'ID: number, PRICE: "number(10,2)"',
        "PRICE",
        ["NUMBER(38,0)", "NUMBER(10,2)"],
    ),
    "type": ("ID: number, AT: date", "ID: number, AT: timestamp_ntz", "AT", ["DATE", "TIMESTAMP_NTZ"]),
    "narrower": ('NAME: "varchar(20)"', 'NAME: "varchar(3)"', "NAME", ["VARCHAR(20)", "VARCHAR(3)"]),
    "quoted": ("N: number, '\"Id\"': float", "N: number, '\"Id\"': number", "Id", ["FLOAT", "NUMBER"]),
}
# The columns before and after a change that arrives by ALTER TABLE, what the run says, and the columns after it.
EVOLVED = {
    "precision": (
        'ID: "number(5,0)"',
        'ID: "number(9,0)"',
        "ID: NUMBER(5,0) -> NUMBER(9, 0)",
        [("ID", "NUMBER(9,0)")],
    ),
    "length": (
        'NAME: "varchar(3)"',
        'NAME: "varchar(20)"',
        "NAME: VARCHAR(3) -> VARCHAR(20)",
        [("NAME", "VARCHAR(20)")],
    ),
    "added": (
        "ID: number",
        "ID: number, PRICE: float",
        "PRICE: none -> FLOAT",
        [("ID", "NUMBER(38,0)"), ("PRICE", "FLOAT")],
    ),
    "added_text": (
        "ID: number",
        '\'"na me"\': "varchar(5)", ID: number',
        '"na me": none -> VARCHAR(5)',
        [("ID", "NUMBER(38,0)"), ("na me", "VARCHAR(5)")],
    ),
    "removed": (
        "ID: number, PRICE: float",
        "ID: number",
        "PRICE: FLOAT -> none",
        [("ID", "NUMBER(38,0)")],
    ),
    "renamed": (
        "PRICE: float",
        "COST: float",
        "COST: none -> FLOAT; PRICE: FLOAT -> none",
        [("COST", "FLOAT")],
    ),
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
    cases = {**OTHER_TYPES, **EVOLVED, **SAME}
    for when in (0, 1):
        tables = "".join(f"  prices_{name}: {{columns: {{{case[when]}}}}}\n" for name, case in cases.items())
        result = Pipeline.from_yaml(write_spec(folder, f"tables:\n{tables}{ONE}")).run()
        assert when or result.ok
    columns = Pipeline.from_yaml(folder / "spec.yaml")
    for name, (_, _, _, wanted) in EVOLVED.items():
        assert [row[:2] for row in ask(columns, f"DESCRIBE TABLE PRICES_{name.upper()}")] == wanted
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


@pytest.mark.parametrize("name", EVOLVED)
def test_a_change_that_loses_nothing_arrives_by_alter(outcomes: dict[str, StepOutcome], name: str) -> None:
    step = outcomes[name]
    assert step.status.value == "success"
    assert step.message == EVOLVED[name][2]


def test_a_table_of_others_with_other_types_is_an_error(folder: Path) -> None:
    pipeline = declaring(folder, "ID: number")
    ask(pipeline, "CREATE TABLE PRICES (ID VARCHAR)")
    step = pipeline.run().steps["tables.prices"]
    assert step.status.value == "failed"
    assert "VARCHAR" in step.message


def test_a_view_in_the_place_of_a_declared_table_is_an_error(folder: Path) -> None:
    pipeline = declaring(folder, "ID: number")
    ask(pipeline, "CREATE VIEW PRICES AS SELECT 1 AS ID")
    step = pipeline.run().steps["tables.prices"]
    assert step.status.value == "failed"
    assert "PRICES" in step.message


def test_the_rows_stay_and_what_needs_the_table_does_not_run(folder: Path) -> None:
    pipeline = declaring(folder, "ID: number, PRICE: number")
    assert pipeline.run().ok
    ask(pipeline, "INSERT INTO PRICES VALUES (1, 2)")
    result = declaring(folder, 'ID: number, PRICE: "number(10,2)"').run()
    assert not result.ok
    assert result.steps["one"].status.value == "skipped"
    assert ask(pipeline, "SELECT ID, PRICE FROM PRICES") == [(1, 2)]


def test_after_the_table_is_dropped_the_run_goes_on(folder: Path) -> None:
    assert declaring(folder, "ID: number, PRICE: number").run().ok
    pipeline = declaring(folder, 'ID: number, PRICE: "number(10,2)"')
    assert not pipeline.run().ok
    ask(pipeline, "DROP TABLE PRICES")
    assert pipeline.run().ok
    assert ask(pipeline, "DESCRIBE TABLE PRICES")[1][:2] == ("PRICE", "NUMBER(10,2)")


def by_hand(message: str) -> list[str]:
    """The statements that an error says to run by hand."""
    text = message.partition("or the table with: ")[2].partition(" If the column")[0]
    return [statement.strip() for statement in text.split(";") if statement.strip()]


def test_the_statements_that_the_error_names_help(folder: Path) -> None:
    before, after = "ID: number, NAME: varchar, PRICE: number", 'PRICE: "number(10,2)", ID: number'
    assert declaring(folder, before).run().ok
    pipeline = declaring(folder, after)
    ask(pipeline, "INSERT INTO PRICES VALUES (1, 'a', 12)")
    message = pipeline.run().steps["tables.prices"].message
    assert "NAME is not declared, and has values" in message
    assert "PRICE is NUMBER(38,0) and declared NUMBER(10, 2)" in message
    assert [row[0] for row in ask(pipeline, "DESCRIBE TABLE PRICES")] == ["ID", "NAME", "PRICE"]
    statements = by_hand(message)
    assert len(statements) == 5, message
    for statement in statements:
        ask(pipeline, statement)
    assert pipeline.run().ok
    assert ask(pipeline, "SELECT ID, PRICE FROM PRICES") == [(1, 12)]
    assert [row[1] for row in ask(pipeline, "DESCRIBE TABLE PRICES")] == ["NUMBER(38,0)", "NUMBER(10,2)"]


def test_a_column_with_values_is_dropped_by_hand_or_renamed(folder: Path) -> None:
    assert declaring(folder, "ID: number, PRICE: float").run().ok
    pipeline = declaring(folder, "ID: number, COST: float")
    ask(pipeline, "INSERT INTO PRICES VALUES (1, 2.5)")
    message = pipeline.run().steps["tables.prices"].message
    assert by_hand(message) == ["ALTER TABLE PRICES DROP COLUMN PRICE"]
    rename = message.partition("If the column was renamed, run instead: ")[2].rstrip(";")
    ask(pipeline, rename)
    assert pipeline.run().ok
    assert ask(pipeline, "SELECT COST FROM PRICES") == [(2.5,)]


def test_rows_and_privileges_are_kept_by_a_change(folder: Path) -> None:
    assert declaring(folder, 'ID: "number(3,0)", NAME: varchar').run().ok
    pipeline = declaring(folder, 'ID: "number(5,0)", PRICE: float')
    ask(pipeline, "INSERT INTO PRICES VALUES (1, NULL)")
    ask(pipeline, "CREATE ROLE READER")
    ask(pipeline, "GRANT SELECT ON TABLE PRICES TO ROLE READER")
    result = pipeline.run()
    assert result.steps["tables.prices"].message == (
        "ID: NUMBER(3,0) -> NUMBER(5, 0); PRICE: none -> FLOAT; NAME: VARCHAR(16777216) -> none"
    )
    assert ask(pipeline, "SELECT * FROM PRICES") == [(1, None)]
    assert [row[1] for row in ask(pipeline, "SHOW GRANTS TO ROLE READER")] == ["SELECT"]
    assert pipeline.run().steps["tables.prices"].status.value == "reused"


def test_files_are_loaded_in_the_order_of_the_spec(folder: Path) -> None:
    """A new column is the last of the table, also if the spec and the files have it first."""
    (folder / "in").mkdir()
    spec = """\
file_formats: {csv: {skip_header: 1}}
stages: {s: {url: file://in}}
tables: {prices: {columns: {COLUMNS}}}
steps: {load: {type: copy_into, from: "@s/", into: prices, file_format: csv, pattern: ".*[.]csv"}}
"""
    (folder / "in" / "a.csv").write_text("ID\n1\n")
    assert Pipeline.from_yaml(write_spec(folder, spec.replace("COLUMNS", "ID: number"))).run().ok
    (folder / "in" / "b.csv").write_text("PRICE,ID\n7,2\n")
    pipeline = Pipeline.from_yaml(write_spec(folder, spec.replace("COLUMNS", "PRICE: number, ID: number")))
    assert pipeline.run().ok
    assert ask(pipeline, "SELECT ID, PRICE FROM PRICES ORDER BY ID") == [(1, None), (2, 7)]


OBJECTS = """\
tables: {t: {columns: {A: number}, comment: old}}
stages: {s: {url: file://here, comment: old}, plain: {}}
file_formats: {f: {skip_header: 1}}
tags: {owner: {comment: old}}
warehouses: {w: {size: small, auto_suspend: 60}}
steps: {one: {type: transform, query: SELECT 1 AS X, writes: one}}
"""


def test_plan_shows_what_a_run_changes(folder: Path) -> None:
    for name in ("here", "there"):
        (folder / name).mkdir()
        (folder / name / f"{name}.csv").write_text("1\n")
    assert Pipeline.from_yaml(write_spec(folder, OBJECTS)).run().ok
    changed = (
        OBJECTS.replace("old", "new")
        .replace("file://here", "file://there")
        .replace("skip_header: 1", "skip_header: 2")
        .replace("size: small", "size: large")
        .replace("plain: {}", "plain: {directory: true}")
        .replace("A: number", 'B: "varchar(9)", A: number')
    )
    pipeline = Pipeline.from_yaml(write_spec(folder, changed))
    planned = {step.name: step for step in pipeline.plan(compare=True)}
    shown = {name: str(step.changes) for name, step in planned.items() if step.changes is not None}
    assert shown == {
        "warehouses.w": "size: small -> large",
        "stages.s": f"url: file://{folder}/here -> file://{folder}/there; comment: old -> new",
        "stages.plain": "directory: false -> true",
        "file_formats.f": "skip_header: 1 -> 2",
        "tables.t": "B: none -> VARCHAR(9); comment: old -> new",
        "tags.owner": "comment: old -> new",
    }
    sent = [text.text for step in planned.values() if step.changes for text in step.statements]
    result = pipeline.run()
    assert {name: result.steps[name].message for name in shown} == shown
    assert sent == [
        "ALTER WAREHOUSE W SET WAREHOUSE_SIZE = 'LARGE'",
        f"ALTER STAGE S SET URL = 'file://{folder}/there'",
        "ALTER STAGE S SET COMMENT = 'new'",
        "ALTER STAGE PLAIN SET DIRECTORY = (ENABLE = TRUE)",
        "ALTER FILE FORMAT F SET SKIP_HEADER = 2",
        "ALTER TABLE T ADD COLUMN B VARCHAR(9)",
        "ALTER TABLE T SET COMMENT = 'new'",
        "ALTER TAG OWNER SET COMMENT = 'new'",
    ]
    assert [str(row[0]).rpartition("/")[2] for row in ask(pipeline, "LIST @s")] == ["there.csv"]
    assert all(step.decision and step.decision.skips for step in pipeline.plan(compare=True))


def test_plan_says_what_a_run_refuses(folder: Path) -> None:
    assert declaring(folder, "ID: number, AT: date").run().ok
    path = write_spec(folder, f"tables: {{prices: {{columns: {{ID: number, AT: timestamp_ntz}}}}}}\n{STEP}")
    done = CliRunner().invoke(main, ["plan", str(path)])
    assert done.exit_code == 0, done.output
    assert "AT: DATE -> TIMESTAMP_NTZ(9)" in done.output
    assert "REFUSED: PRICES does not match its declaration in the spec: AT is DATE" in done.output


@pytest.mark.parametrize("name", SAME)
def test_another_word_for_the_same_type_is_no_change(outcomes: dict[str, StepOutcome], name: str) -> None:
    assert outcomes[name].status.value in ("success", "reused")


def test_a_transform_with_a_wider_number_replaces_its_table(folder: Path) -> None:
    text = 'steps: {one: {type: transform, query: "SELECT 1::NUMBER(3,0) AS X", writes: one}}\n'
    pipeline = Pipeline.from_yaml(write_spec(folder, text))
    assert pipeline.run().ok
    write_spec(folder, text.replace("1::NUMBER(3,0)", "12345::NUMBER(5,0)"))
    result = pipeline.run()
    assert result.ok, result.steps["one"].message
    assert ask(pipeline, "SELECT X FROM ONE") == [(12345,)]
    assert ask(pipeline, "DESCRIBE TABLE ONE")[0][1] == "NUMBER(5,0)"


def test_the_advice_to_drop_an_internal_stage_says_that_its_files_are_lost(folder: Path) -> None:
    assert Pipeline.from_yaml(write_spec(folder, "stages: {s: {}}\n" + ONE)).run().ok
    write_spec(folder, "stages: {s: {url: file://there}}\n" + ONE)
    step = Pipeline.from_yaml(folder / "spec.yaml").run().steps["stages.s"]
    assert "DROP STAGE S, which deletes its files, and run again" in step.message + str(step.error)

"""Records of a served warehouse, as if it were an account, and their comparison with the embedded one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from snowflake.connector.errors import ProgrammingError

from snowpipe_ml import Pipeline
from snowpipe_ml.answers.compare import Difference, compare, replay
from snowpipe_ml.answers.format import LINES, Column, Failure, Record, Statement, read, write
from snowpipe_ml.answers.masking import Masking
from snowpipe_ml.answers.observer import Observer
from snowpipe_ml.cli.main import main
from tests.accounts import Account, account
from tests.conftest import ROOT

SPEC = """\
name: demo
targets:
  prod: {type: snowflake, connection: served, database: DEMO}
  local: {type: local}
default_target: local
stages: {raw: {}}
tables:
  people: {columns: {NAME: varchar(40), AGE: 'number(5,0)', BORN: date}, comment: canary-comment}
steps:
  fill: {type: transform, query: "SELECT 'canary-literal' AS WHO, 987654321 AS HOW FROM (SELECT 1)", writes: filled}
  typed:
    type: transform
    query: >
      SELECT WHO, COUNT(*) AS N, CURRENT_DATE() AS D, 1.25::NUMBER(10,2) AS P,
      PARSE_JSON('{"a": "canary-variant"}') AS V FROM {{ ref('filled') }} GROUP BY WHO
    writes: typed
  broken: {type: transform, query: "SELECT WHO::NUMBER AS X FROM {{ ref('filled') }}", writes: broken}
"""


class Recorded:
    """A spec, its record, and the same record with hashed names, both made by the command."""

    def __init__(self, folder: Path, served: Account) -> None:
        self.spec = folder / "spec.yaml"
        self.spec.write_text(SPEC)
        self.plain, self.hashed = folder / "plain.jsonl", folder / "hashed.jsonl"
        common = "record", self.spec, "--target", "prod", "--output"
        first = served.command(*common, self.plain, "--schema", "TRIAL")
        # It has another schema, and is a first run too.
        second = served.command(*common, self.hashed, "--hash-names", "--schema", "trial2")
        # The step `broken` fails.
        assert (first.returncode, second.returncode) == (1, 1), first.stdout + first.stderr + second.stderr
        assert f"errors in {self.plain}" in first.stdout
        self.schemas = {row[1] for row in served.ask("SHOW SCHEMAS IN DATABASE DEMO")}
        self.tables = {row[1] for row in served.ask("SHOW TABLES IN SCHEMA DEMO.PUBLIC")}

    def pipeline(self) -> Pipeline:
        return Pipeline.from_yaml(self.spec)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("recorded")
    with account(folder) as served:
        yield Recorded(folder, served)


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["record", *map(str, arguments)])


def test_a_record_has_metadata_and_no_values(made: Recorded) -> None:
    for path in (made.plain, made.hashed):
        text = path.read_text()
        for value in ("canary", "987654321", Account.token):
            assert value not in text
    record = read(made.plain)
    assert (record.header.pipeline, record.header.target_type) == ("demo", "snowflake")
    by_text = {s.statement: s for s in record.statements}
    broken = by_text["CREATE OR REPLACE TABLE BROKEN AS SELECT WHO::NUMBER AS X FROM FILLED"]
    assert broken.step == "broken"
    assert broken.error == Failure(
        number=100038, sqlstate="22018", message="Numeric value * is not recognized"
    )
    described = by_text["SELECT * FROM TYPED"]
    assert described.described
    assert [str(column) for column in described.columns][1:] == [
        "N FIXED(38, 0)",
        "D DATE",
        "P FIXED(10, 2)",
        "V VARIANT",
    ]
    created = by_text[
        "CREATE TABLE IF NOT EXISTS PEOPLE (NAME VARCHAR(40), AGE NUMBER(5, 0), BORN DATE) COMMENT = *"
    ]
    assert created.status == "Table PEOPLE successfully created."
    assert {end.step: end.status for end in record.steps}["broken"] == "failed"


def test_a_record_in_another_schema_has_the_names_of_the_target(made: Recorded) -> None:
    assert {"TRIAL", "TRIAL_RUNS", "TRIAL2", "TRIAL2_RUNS"} <= made.schemas
    assert not made.tables
    assert "SNOWPIPE_ML" not in made.schemas
    text = made.plain.read_text()
    assert "TRIAL" not in text
    assert "DEMO.SNOWPIPE_ML.EVENTS" in text


def test_hashed_names(made: Recorded) -> None:
    text = made.hashed.read_text().upper()
    for name in ("FILLED", "PEOPLE", "BORN", "TYPED", "BROKEN", '"DEMO"', "DEMO.", "STAGES.RAW", '"PROD"'):
        assert name not in text


@pytest.mark.parametrize("kind", ["plain", "hashed"])
def test_the_embedded_warehouse_answers_as_the_served_one(made: Recorded, kind: str) -> None:
    found = replay(made.pipeline(), read(getattr(made, kind)), row_counts=True)
    assert found.differences == ()
    assert (found.only_recorded, found.only_embedded) == ((), ())
    assert found.compared == len(read(getattr(made, kind)).statements) > 20


def planted(path: Path, to: Path) -> None:
    """Write a record whose account answers otherwise: another type, column, error and status."""
    record, changed = read(path), []
    for statement in record.statements:
        if statement.statement == "SELECT * FROM TYPED":
            columns = list(statement.columns)
            columns[1] = columns[1].model_copy(update={"precision": 18})
            columns[4] = Column(name="V", type="OBJECT", nullable=True)
            statement = statement.model_copy(update={"columns": (*columns, Column(name="MORE", type="DATE"))})
        elif statement.error is not None and statement.step == "broken":
            error = Failure(number=100039, sqlstate="22018", message="Numeric value * is not recognized")
            statement = statement.model_copy(update={"error": error})
        elif statement.statement.startswith("CREATE TABLE IF NOT EXISTS PEOPLE"):
            statement = statement.model_copy(update={"status": "PEOPLE already exists, statement succeeded."})
        changed.append(statement)
    extra = Statement(step="typed", statement="SHOW LOCKS")
    steps = [
        end.model_copy(update={"status": "failed"}) if end.step == "typed" else end for end in record.steps
    ]
    write(Record(header=record.header, statements=(*changed, extra), steps=tuple(steps)), to)


def test_planted_differences_are_found_and_told(made: Recorded, tmp_path: Path) -> None:
    planted(made.plain, tmp_path / "other.jsonl")
    done = command(made.spec, "--compare", tmp_path / "other.jsonl")
    assert done.exit_code == 1, done.output
    shown = done.output
    assert (
        "typed: SELECT * FROM TYPED\n  column: recorded N FIXED(18, 0)\n          embedded N FIXED(38, 0)\n"
        in shown
    )
    assert "recorded V OBJECT\n" in shown
    assert "recorded MORE DATE\n          embedded no column\n" in shown
    assert "recorded 100039 (22018): Numeric value * is not recognized\n" in shown
    assert "status: recorded PEOPLE already exists, statement succeeded." in shown
    assert "typed: the step\n  step: recorded failed\n        embedded success\n" in shown
    assert "only in the record: SHOW LOCKS\n" in shown
    assert shown.endswith(" statements compared, 6 differences\n")


def test_results_that_the_connector_makes_are_not_answers(session: Any, tmp_path: Path) -> None:
    (tmp_path / "canary.csv").write_text("a\n")
    observer = Observer()
    connection = session.connection
    observer.observe(connection)
    connection.cursor().execute("CREATE STAGE S")
    connection.cursor().execute(f"put 'file://{tmp_path}/canary.csv' @S/folder AUTO_COMPRESS = FALSE")
    with connection.cursor() as cursor, pytest.raises(ProgrammingError):
        cursor.execute("SELECT NOPE FROM ABSENT")
    created, put, failed = observer.statements(Masking())
    assert [column.name for column in created.columns] == ["status"]
    assert (put.statement, put.columns, put.rows) == ("put * @S/* AUTO_COMPRESS = FALSE", (), 1)
    assert failed.error is not None
    assert failed.error.number == 2003


def test_compare_matches_statements_of_one_text_in_their_order() -> None:
    def record(*statements: Statement) -> Record:
        header = LINES.validate_python(
            {"kind": "header", "version": 1, "pipeline": "p", "target": "t", "target_type": "local"}
            | {"snowflake": "1", "snowpipe_ml": "1", "recorded": "2026-11-28"}
        )
        return Record.model_validate({"header": header, "statements": statements, "steps": ()})

    def sent(text: str, number: int | None = None, step: str | None = "s") -> Statement:
        return Statement(statement=text, step=step, error=None if number is None else Failure(number=number))

    # In another order, once more on one side, and what existed before the run.
    no_schema, no_table = Failure(number=2003, message="Schema"), Failure(number=2003, message="Object")
    one = record(sent("A"), sent("B", 1), sent("A", 2), sent("C", 2003, None), sent("D", 2003))
    two = record(sent("B", 1), sent("A"), sent("A", 3), sent("A"), sent("C", None, None), sent("D"))
    assert not compare(
        record(Statement(statement="E", error=no_schema)), record(Statement(statement="E", error=no_table))
    ).differences
    found = compare(one, two)
    assert found.compared == 5
    assert found.only_embedded == (sent("A"),)
    assert found.differences == (
        Difference("s", "A", "error", "000002 (-): ", "000003 (-): "),
        Difference("s", "D", "error", "002003 (-): ", "no error"),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give either --output FILE, to make a record, or --compare FILE"),
        (("--output", "a", "--compare", "b"), "give either --output FILE"),
        (("--output", "a", "--row-counts"), "--row-counts belongs to --compare"),
        (("--compare", "a", "--hash-names"), "belong to --output"),
        (("--output", "a", "--schema", "a name"), "--schema: not a name: 'a name'"),
        (("--compare", "missing"), "cannot read the record missing"),
    ],
)
def test_wrong_options(made: Recorded, arguments: tuple[str, ...], message: str) -> None:
    done = command(made.spec, *arguments)
    assert (done.exit_code, message in done.output) == (2, True), done.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a record: its first line is not a header"),
        ('{"kind": "step", "step": "a", "status": "success"}\n', "its first line is not a header"),
        ("rows\n", "file.jsonl:1: not a line of a record: Invalid JSON"),
        (
            '{"kind":"header","version":2,"pipeline":"p","target":"t","target_type":"x","snowflake":"1",'
            '"snowpipe_ml":"1","recorded":"x"}\n',
            "has version 2 of the format, and this version of snowpipe-ml reads 1",
        ),
    ],
)
def test_files_that_are_no_records(made: Recorded, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "file.jsonl").write_text(text)
    done = command(made.spec, "--compare", tmp_path / "file.jsonl")
    assert (done.exit_code, message in done.output) == (2, True), done.output


def test_a_record_of_another_spec_is_refused(made: Recorded, tmp_path: Path) -> None:
    record = read(made.plain)
    other = [s.model_copy(update={"statement": "SHOW LOCKS"}) for s in record.statements]
    write(Record(header=record.header, statements=tuple(other), steps=()), tmp_path / "other.jsonl")
    done = command(made.spec, "--compare", tmp_path / "other.jsonl", "--select", "fill")
    assert done.exit_code == 2
    assert "no statement of the record is one of this spec" in done.output


def test_the_schema_of_the_format_is_written_down() -> None:
    written = json.loads((ROOT / "schemas" / "record.schema.json").read_text())
    assert written == LINES.json_schema(), "write LINES.json_schema() to schemas/record.schema.json"

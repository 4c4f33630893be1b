"""The explanations of errors: complete, and with examples that fail as they say."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import snowflake.connector.errors
from click.testing import CliRunner
from snowflake.snowpark import Session

import snowpipe_ml.local.core.errors
from snowpipe_ml.cli.main import main
from snowpipe_ml.errors import SnowpipeMLError, UsageError
from snowpipe_ml.ui.explained import Explained, errors_page, explain, explanations
from tests.conftest import ROOT

EXAMPLES = [one for one in explanations() if one.sql]


def numbers_raised() -> set[int]:
    """The numbers of Snowflake in calls that make errors, anywhere in the package."""

    def whole(node: ast.expr) -> Iterator[int]:
        # 0 stands for a number that is not documented.
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value:
            yield node.value

    found: set[int] = set()
    for path in Path(ROOT / "snowpipe_ml").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if "local" in path.parts and isinstance(node, ast.expr):
                found.update(
                    number for number in whole(node) if 100_001 <= number < 101_000
                )  # also of rejects
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if "error" in name.lower() and len(node.args) >= 2:
                    found.update(whole(node.args[0]))
                for keyword in node.keywords:
                    if keyword.arg == "errno":
                        found.update(whole(keyword.value))
    return found


def subclasses(cls: type) -> Iterator[type]:
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


def test_every_number_that_is_raised_is_explained() -> None:
    assert {int(one.code) for one in explanations() if one.kind == "number"} == numbers_raised()


def test_every_exception_is_explained() -> None:
    ours = {
        cls.__name__
        for cls in subclasses(SnowpipeMLError)
        if cls.__module__ in ("snowpipe_ml.errors", "snowpipe_ml.local.core.errors")
    }
    assert {one.code for one in explanations() if one.kind == "exception"} == ours


def test_the_exit_codes_are_those_of_the_help() -> None:
    text = CliRunner().invoke(main, ["--help"]).output
    for one in explanations():
        if one.kind == "exit code":
            assert f" {one.code} " in text


@pytest.fixture(scope="module")
def examples() -> Iterator[Session]:
    with snowpipe_ml.local_session() as session:
        yield session


@pytest.mark.parametrize("one", EXAMPLES, ids=lambda one: one.code)
def test_an_example_fails_with_its_code(examples: Session, one: Explained) -> None:
    assert one.sql is not None
    examples.sql("CREATE OR REPLACE SCHEMA EXAMPLE").collect()
    cursor = examples.connection.cursor()
    *before, last = [one.sql] if one.code == "000008" else one.sql.split("; ")
    for statement in before:
        cursor.execute(statement)
    try:
        with pytest.raises(snowflake.connector.errors.Error) as raised:
            cursor.execute(last).fetchall()
    finally:
        cursor.execute("ALTER SESSION UNSET STATEMENT_TIMEOUT_IN_SECONDS")
    assert raised.value.errno == int(one.code)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("2003", ["002003"]),
        ("002003", ["002003"]),
        ("lockederror", ["LockedError"]),
        ("2", ["2", "000002"]),
        ("ProgrammingError: 000904 (42000): invalid identifier 'X'", ["000904"]),
    ],
)
def test_a_code_is_found_as_it_is_written(text: str, codes: list[str]) -> None:
    assert [one.code for one in explain(text)] == codes


def test_an_unknown_code_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"no explanation of 'LokedError'; did you mean 'LockedError'\?"):
        explain("LokedError")


def test_the_command_prints_it() -> None:
    done = CliRunner().invoke(main, ["explain", "100051"])
    assert done.output == (
        "100051: division by zero\n"
        "  cause: The divisor is 0.\n"
        "  what to do: DIV0, DIV0NULL or NULLIF(x, 0).\n"
        "  example: SELECT 1 / 0\n"
    )
    assert "002003" in CliRunner().invoke(main, ["explain"]).output


def test_the_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "errors.md").read_text()
    assert page == errors_page(), "run `snowpipe-ml schema --errors docs/errors.md`"


def test_every_message_that_is_explained_is_one_of_init() -> None:
    texts = [
        node.value
        for name in ("own_csv", "csv_file", "scaffold")
        for node in ast.walk(ast.parse((ROOT / "snowpipe_ml" / "cli" / f"{name}.py").read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    messages = [one.code for one in explanations() if one.kind == "message"]
    assert [code for code in messages if not any(code in text for text in texts)] == []


@pytest.mark.parametrize(
    ("content", "options", "code"),
    [
        ("name,sold\na,1\n", [], "no column has dates or times such as"),
        ("day,sold\nmonday,1\n", ["--time", "day"], "has no dates or times such as"),
        ("day,sold\n2024-01-01,1\n", ["--value", "amount"], "in the header; "),
        ("day,sold\n2024-01-01,about 3\n", ["--value", "sold"], "is not numeric: "),
        ("year,month,sold\n2024,1,3\n2024,2,4\n", [], "the time is in several columns"),
        ("day\n2024-01-01\n", [], "it has fewer than two columns"),
        ("day,day\n2024-01-01,1\n", [], "the header has the column"),
        ("day,sold\n2024-01-01,1,2\n", [], " fields, the header has "),
        ("day,sold\n", [], " has no rows"),
    ],
)
def test_a_message_of_init_is_explained(tmp_path: Path, content: str, options: list[str], code: str) -> None:
    path = tmp_path / "sales.csv"
    path.write_text(content)
    done = CliRunner().invoke(main, ["init", str(tmp_path / "new"), "--csv", str(path), *options])
    assert done.exit_code == 2
    assert [one.code for one in explain(done.output)] == [code]

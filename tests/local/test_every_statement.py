"""Every statement handler: its case in tests/local/statement_cases gives the result that Snowflake documents.

A handler that is registered without a case here fails :func:`test_every_handler_has_a_case`.
https://docs.snowflake.com/en/sql-reference/sql-all
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector.errors import Error

import snowpipe_ml
import snowpipe_ml.local.statements.dispatch
from snowpipe_ml.local.statements.base import STATEMENTS
from tests.local.statement_cases import CASES
from tests.local.statement_cases.case import Case, Expected
from tests.local.statement_cases.files import FILES
from tests.local.statement_cases.forms import FORMS

MORE = {**FILES, **FORMS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files to upload."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "people.csv").write_text("1,Ada\n2,Bob\n")
    (folder / "bad.csv").write_text("1,Ada\nx,Bob\n3,Cy\n")
    (folder / "header.csv").write_text("id,born,name\n1,1815-12-10,Ada\n12,1912-06-23,Alan\n")
    return folder


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The connection of a session that all cases share."""
    session = snowpipe_ml.local_session(tmp_path_factory.mktemp("every") / "warehouse", share=False)
    yield session.connection
    session.close()


def check(connection: Any, statement: str, expected: Expected) -> None:
    cursor = connection.cursor()
    try:
        rows = cursor.execute(statement).fetchall()
    except Error as error:
        assert isinstance(expected, str), f"{statement}: {error}"
        assert re.search(expected, str(error)), f"{statement}: {error}"
        return
    columns = [column.name for column in cursor.description]
    if isinstance(expected, dict):
        assert set(expected) <= set(columns), statement
        shown = [tuple(row[columns.index(name)] for name in expected) for row in rows]
        assert shown == list(zip(*expected.values(), strict=True)), statement
    elif isinstance(expected, tuple):
        assert tuple(columns) == expected, statement
    else:
        assert rows == expected, statement


def prepare(connection: Any, folder: Path, schema: str, case: Case) -> list[tuple[str, Expected]]:
    """Run what comes before the statement, in a new schema; return what is to be checked."""
    drops = [f"DROP DATABASE {name}" for name in connection.storage.databases() if name != "LOCAL"]
    for text in ("ROLLBACK", *drops, "USE DATABASE local", f"CREATE SCHEMA {schema}", *case.before):
        connection.cursor().execute(text.replace("{folder}", str(folder)))
    checks = ((case.statement, case.expected), *case.then)
    return [(text.replace("{folder}", str(folder)), expected) for text, expected in checks]


def _schema(prefix: str, title: str) -> str:
    return prefix + re.sub(r"\W+", "_", title).upper()


def test_every_handler_has_a_case() -> None:
    assert set(CASES) == set(STATEMENTS)


@pytest.mark.parametrize("beginning", CASES)
def test_a_statement_has_the_documented_result(connection: Any, folder: Path, beginning: str) -> None:
    case = CASES[beginning]
    assert re.match(rf"{beginning}\b", case.statement)
    for text, expected in prepare(connection, folder, _schema("CASE_", beginning), case):
        check(connection, text, expected)


@pytest.mark.parametrize("title", MORE)
def test_another_form_has_the_documented_result(connection: Any, folder: Path, title: str) -> None:
    for text, expected in prepare(connection, folder, _schema("MORE_", title), MORE[title]):
        check(connection, text, expected)

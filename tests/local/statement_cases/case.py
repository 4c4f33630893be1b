"""A case: a statement, its result as Snowflake documents it, and the statements that several cases share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from unittest.mock import ANY

# A result: all rows (list), the values of some columns in all rows (dict), the names of all columns
# (tuple), or a regular expression for the error (str). ANY accepts all rows, for the next statement to check.
Expected = list[tuple[Any, ...]] | dict[str, list[Any]] | tuple[str, ...] | str


class Case(NamedTuple):
    """A statement and its results.

    Attributes:
        before: statements that create what the statement needs.
        statement: the statement.
        expected: its result.
        then: statements that show its effect, and their results.
    """

    before: Sequence[str]
    statement: str
    expected: Expected
    then: Sequence[tuple[str, Expected]] = ()


DONE: Expected = [("Statement executed successfully.",)]
GONE = "does not exist or not authorized"


def created(kind: str, name: str) -> Expected:
    return [(f"{kind} {name} successfully created.",)]


def dropped(name: str) -> Expected:
    return [(f"{name} successfully dropped.",)]


TABLE = "CREATE TABLE people (id INT, name VARCHAR)"
ROWS = "INSERT INTO people VALUES (1, 'Ada'), (2, 'Bob')"
PEOPLE: Expected = [(1, "Ada"), (2, "Bob")]
ALL_PEOPLE = "SELECT * FROM people ORDER BY id"
COUNT = "SELECT COUNT(*) FROM people"
STAGE = "CREATE STAGE files"
DYNAMIC = "CREATE DYNAMIC TABLE counted TARGET_LAG = '20 minutes' WAREHOUSE = wh AS SELECT COUNT(*) AS n FROM people"
PUT = "PUT 'file://{folder}/people.csv' @files"
PUT_BAD = "PUT 'file://{folder}/bad.csv' @files"
FUNCTION = "CREATE FUNCTION half(x FLOAT) RETURNS FLOAT AS 'x / 2'"
_PYTHON = (
    "RETURNS FLOAT LANGUAGE PYTHON RUNTIME_VERSION = '3.11' PACKAGES = ('snowflake-snowpark-python') "
    "HANDLER = 'run' AS 'def run(session, x): return x * 2'"
)
PROCEDURE = f"CREATE PROCEDURE twice(x FLOAT) {_PYTHON}"
DESCRIBED: Expected = {
    "name": ["ID", "NAME"],
    "type": ["NUMBER(38,0)", "VARCHAR(10)"],
    "kind": ["COLUMN", "COLUMN"],
    "null?": ["N", "Y"],
    "default": [None, "'none'"],
}
TYPED_TABLE = "CREATE TABLE typed (id INT NOT NULL, name VARCHAR(10) DEFAULT 'none')"
FILE_FORMAT = "CREATE FILE FORMAT lines TYPE = CSV SKIP_HEADER = 1"
PROPERTIES = ("property", "property_type", "property_value", "property_default")
SKIP_HEADER: tuple[str, Expected] = (
    'SELECT "property_type", "property_value", "property_default" FROM TABLE(RESULT_SCAN(LAST_QUERY_ID())) '
    "WHERE \"property\" = 'SKIP_HEADER'",
    [("Integer", "1", "0")],
)
# The URL of an internal stage is empty.
STAGE_PROPERTIES: Sequence[tuple[str, Expected]] = (
    (
        "SELECT * FROM TABLE(RESULT_SCAN(LAST_QUERY_ID())) WHERE \"property\" IN ('SKIP_HEADER', 'URL') ORDER BY 2",
        [
            ("STAGE_FILE_FORMAT", "SKIP_HEADER", "Integer", "1", "0"),
            ("STAGE_LOCATION", "URL", "String", "", ""),
        ],
    ),
)
FORMATTED_STAGE = "CREATE STAGE files FILE_FORMAT = (TYPE = CSV SKIP_HEADER = 1)"
FUNCTION_PROPERTIES: Sequence[tuple[str, Expected]] = (
    (
        'SELECT "value" FROM TABLE(RESULT_SCAN(LAST_QUERY_ID())) '
        "WHERE \"property\" IN ('signature', 'returns', 'language', 'body')",
        [("(X FLOAT)",), ("FLOAT",), ("SQL",), ("x / 2",)],
    ),
)
PROCEDURE_PROPERTIES: Sequence[tuple[str, Expected]] = (
    (
        'SELECT "value" FROM TABLE(RESULT_SCAN(LAST_QUERY_ID())) '
        "WHERE \"property\" IN ('signature', 'returns', 'language', 'null handling', 'execute as', 'handler')",
        [("(X FLOAT)",), ("FLOAT",), ("PYTHON",), ("CALLED ON NULL INPUT",), ("OWNER",), ("run",)],
    ),
)
LOADED: Expected = {
    "status": ["LOADED"],
    "rows_parsed": [2],
    "rows_loaded": [2],
    "errors_seen": [0],
    "first_error": [None],
}
LISTED: Expected = {"name": ["files/people.csv.gz"], "size": [ANY], "md5": [ANY], "last_modified": [ANY]}
SHOWN_TABLE: Expected = {
    "name": ["PEOPLE"],
    "kind": ["TABLE"],
    "database_name": ["LOCAL"],
    "schema_name": [ANY],
}
SHOWN_VIEW: Expected = {"name": ["NAMES"], "database_name": ["LOCAL"], "schema_name": [ANY]}
VIEW = "CREATE VIEW names AS SELECT name FROM people"
SHOWN_FUNCTION: Expected = {
    "name": ["HALF"],
    "is_builtin": ["N"],
    "is_aggregate": ["N"],
    "min_num_arguments": [1],
    "max_num_arguments": [1],
    "arguments": ["HALF(FLOAT) RETURN FLOAT"],
    "description": ["user-defined function"],
    "catalog_name": ["LOCAL"],
    "is_table_function": ["N"],
    "language": ["SQL"],
}
TERSE = ("created_on", "name", "kind", "database_name", "schema_name")

# Other forms of these statements, and functions that the modules of the statements register.

"""Every statement handler: one case each, with the result that Snowflake documents.

A handler that is registered without a case here fails :func:`test_every_handler_has_a_case`.
https://docs.snowflake.com/en/sql-reference/sql-all
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import ANY

import pytest
from snowflake.connector.errors import Error

import snowpipe_ml
import snowpipe_ml.local.statements.dispatch
from snowpipe_ml.local.statements.base import STATEMENTS

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

CASES: dict[str, Case] = {
    "ALTER DATABASE": Case(
        ["CREATE DATABASE altered"],
        "ALTER DATABASE altered SET DATA_RETENTION_TIME_IN_DAYS = 1",
        DONE,
        [
            ("ALTER DATABASE IF EXISTS nowhere SET COMMENT = 'x'", DONE),
            ("ALTER DATABASE nowhere SET COMMENT = 'x'", GONE),
        ],
    ),
    "ALTER FILE FORMAT": Case(
        [FILE_FORMAT],
        "ALTER FILE FORMAT lines SET TRIM_SPACE = TRUE COMMENT = 'x'",
        DONE,
        [
            ("SHOW FILE FORMATS", {"name": ["LINES"], "comment": ["x"]}),
            ("ALTER FILE FORMAT IF EXISTS nowhere SET TRIM_SPACE = TRUE", DONE),
            ("ALTER FILE FORMAT nowhere SET TRIM_SPACE = TRUE", GONE),
        ],
    ),
    "ALTER SCHEMA": Case(
        ["CREATE SCHEMA altered"],
        "ALTER SCHEMA altered SET COMMENT = 'x'",
        DONE,
        [
            ("ALTER SCHEMA IF EXISTS nowhere SET COMMENT = 'x'", DONE),
            ("ALTER SCHEMA nowhere SET COMMENT = 'x'", GONE),
        ],
    ),
    "ALTER SESSION": Case(
        [],
        "ALTER SESSION SET TIMEZONE = 'Asia/Tokyo'",
        DONE,
        [
            (
                "SELECT TO_VARCHAR('2024-07-01 00:00:00 +00:00'::TIMESTAMP_LTZ)",
                [("2024-07-01 09:00:00.000 +0900",)],
            ),
            ("ALTER SESSION SET TIMEZONE = 'America/Los_Angeles'", DONE),
        ],
    ),
    "ALTER STAGE": Case(
        [STAGE],
        "ALTER STAGE files SET COMMENT = 'monthly'",
        DONE,
        [
            ("SHOW STAGES", {"name": ["FILES"], "comment": ["monthly"]}),
            ("ALTER STAGE files SET DIRECTORY = (ENABLE = TRUE)", DONE),
            ("SHOW STAGES", {"directory_enabled": ["Y"], "comment": ["monthly"]}),
            ("ALTER STAGE files SET URL = 'file:///tmp'", "cannot set the URL of the internal stage FILES"),
            ("ALTER STAGE files SET STORAGE_INTEGRATION = i", "STORAGE_INTEGRATION of a stage"),
        ],
    ),
    # https://docs.snowflake.com/en/sql-reference/sql/alter-sequence: the next value has the old increment.
    "ALTER SEQUENCE": Case(
        ["CREATE SEQUENCE ids START = 10 INCREMENT = 5", "SELECT ids.NEXTVAL"],
        "ALTER SEQUENCE ids SET INCREMENT = 100 COMMENT = 'fast'",
        DONE,
        [
            ("SELECT ids.NEXTVAL", [(15,)]),
            ("SELECT ids.NEXTVAL", [(115,)]),
            ("SHOW SEQUENCES", {"comment": ["fast"]}),
            ("ALTER SEQUENCE ids UNSET COMMENT", DONE),
            ("SHOW SEQUENCES", {"comment": [""]}),
            ("ALTER SEQUENCE IF EXISTS nope SET INCREMENT 2", DONE),
            ("ALTER SEQUENCE nope SET INCREMENT 2", GONE),
        ],
    ),
    # https://docs.snowflake.com/en/sql-reference/sql/alter-dynamic-table
    "ALTER DYNAMIC TABLE": Case(
        [TABLE, DYNAMIC, ROWS],
        "ALTER DYNAMIC TABLE counted REFRESH",
        DONE,
        [
            ("SELECT * FROM counted", [(2,)]),
            ("ALTER DYNAMIC TABLE counted SUSPEND", DONE),
            ("ALTER DYNAMIC TABLE counted SET TARGET_LAG = '1 hours' WAREHOUSE = other COMMENT = 'c'", DONE),
            (
                "SHOW DYNAMIC TABLES",
                {
                    "scheduling_state": ["SUSPENDED"],
                    "target_lag": ["1 hour"],
                    "warehouse": ["OTHER"],
                    "comment": ["c"],
                },
            ),
            ("ALTER DYNAMIC TABLE counted RESUME", DONE),
            ("SHOW DYNAMIC TABLES", {"scheduling_state": ["RUNNING"]}),
            ("ALTER DYNAMIC TABLE counted SWAP WITH people", "does not support ALTER DYNAMIC TABLE ... SWAP"),
            ("ALTER DYNAMIC TABLE IF EXISTS nope REFRESH", DONE),
            ("ALTER DYNAMIC TABLE people REFRESH", GONE),
        ],
    ),
    # https://docs.snowflake.com/en/sql-reference/sql/create-dynamic-table
    "CREATE DYNAMIC TABLE": Case(
        [TABLE, ROWS],
        DYNAMIC,
        created("Dynamic table", "COUNTED"),
        [
            ("SELECT * FROM counted", [(2,)]),
            (DYNAMIC, "already exists"),
            ("SHOW TABLES LIKE 'counted'", {"is_dynamic": ["Y"]}),
            ("SHOW OBJECTS LIKE 'people'", {"is_dynamic": ["N"]}),
        ],
    ),
    "DESC DYNAMIC TABLE": Case(
        [TABLE, DYNAMIC], "DESC DYNAMIC TABLE counted", {"name": ["N"], "kind": ["COLUMN"]}
    ),
    "DESCRIBE DYNAMIC TABLE": Case(
        [TABLE, DYNAMIC],
        "DESCRIBE DYNAMIC TABLE counted",
        {"name": ["N"], "kind": ["COLUMN"]},
        [("DESCRIBE DYNAMIC TABLE people", GONE)],
    ),
    "DROP DYNAMIC TABLE": Case(
        [TABLE, DYNAMIC],
        "DROP DYNAMIC TABLE counted",
        dropped("COUNTED"),
        [("SHOW DYNAMIC TABLES", []), ("SELECT * FROM counted", GONE), ("DROP DYNAMIC TABLE people", GONE)],
    ),
    "SHOW DYNAMIC TABLES": Case(
        [TABLE, DYNAMIC],
        "SHOW DYNAMIC TABLES LIKE 'c%'",
        {
            "name": ["COUNTED"],
            "target_lag": ["20 minutes"],
            "refresh_mode": ["FULL"],
            "warehouse": ["WH"],
            "text": [ANY],
            "scheduling_state": ["RUNNING"],
        },
    ),
    # https://docs.snowflake.com/en/sql-reference/sql/alter-streamlit
    "ALTER STREAMLIT": Case(
        [STAGE, "CREATE STREAMLIT app FROM '@files/v1' MAIN_FILE = 'app.py' TITLE = 'Trips'"],
        "ALTER STREAMLIT app SET TITLE = 'Rides' COMMENT = 'of bikes'",
        DONE,
        [
            ("SHOW STREAMLITS", {"title": ["Rides"], "comment": ["of bikes"]}),
            ("ALTER STREAMLIT app UNSET TITLE", DONE),
            ("SHOW STREAMLITS", {"title": [None]}),
            ("ALTER STREAMLIT IF EXISTS nope SET TITLE = 'x'", DONE),
            ("ALTER STREAMLIT nope SET TITLE = 'x'", GONE),
        ],
    ),
    "ALTER TABLE": Case(
        [TABLE, ROWS],
        "ALTER TABLE people ADD COLUMN age INT DEFAULT 40",
        DONE,
        [("SELECT * FROM people ORDER BY id", [(1, "Ada", 40), (2, "Bob", 40)])],
    ),
    "ALTER TAG": Case(
        ["CREATE TAG kind COMMENT = 'stage of work'"],
        "ALTER TAG kind SET COMMENT = 'state of work'",
        DONE,
        [
            ("SHOW TAGS", {"name": ["KIND"], "comment": ["state of work"]}),
            ("ALTER TAG kind UNSET COMMENT", DONE),
            ("SHOW TAGS", {"comment": [""]}),
            ("ALTER TAG other SET COMMENT = 'x'", GONE),
        ],
    ),
    "ALTER TASK": Case(
        [TABLE, "CREATE TASK nightly SCHEDULE = '60 MINUTE' AS SELECT 1"],
        "ALTER TASK nightly RESUME",
        DONE,
        [("SHOW TASKS", {"name": ["NIGHTLY"], "state": ["started"]})],
    ),
    "ALTER USER": Case(
        ["CREATE USER alter_user"],
        "ALTER USER alter_user SET COMMENT = 'x' DEFAULT_ROLE = SYSADMIN",
        DONE,
        [
            ("SHOW USERS LIKE 'alter_user'", {"comment": ["x"], "default_role": ["SYSADMIN"]}),
            ("ALTER USER IF EXISTS nowhere SET COMMENT = 'x'", DONE),
            ("ALTER USER nowhere SET COMMENT = 'x'", GONE),
        ],
    ),
    "ALTER VIEW": Case(
        [TABLE, ROWS, VIEW],
        "ALTER VIEW names RENAME TO first_names",
        DONE,
        [("SELECT * FROM first_names ORDER BY 1", [("Ada",), ("Bob",)]), ("SELECT * FROM names", GONE)],
    ),
    "ALTER WAREHOUSE": Case(
        ["CREATE WAREHOUSE alter_warehouse"],
        "ALTER WAREHOUSE alter_warehouse SUSPEND",
        DONE,
        [
            (
                "SHOW WAREHOUSES LIKE 'alter_warehouse'",
                {"name": ["ALTER_WAREHOUSE"], "state": ["SUSPENDED"], "type": ["STANDARD"]},
            )
        ],
    ),
    "BEGIN": Case([TABLE], "BEGIN", DONE, [(ROWS, [(2,)]), ("ROLLBACK", DONE), (COUNT, [(0,)])]),
    "BEGIN TRANSACTION": Case(
        [TABLE], "BEGIN TRANSACTION", DONE, [(ROWS, [(2,)]), ("ROLLBACK", DONE), (COUNT, [(0,)])]
    ),
    "CALL": Case([PROCEDURE], "CALL twice(4)", {"TWICE": [8.0]}),
    "COMMENT": Case(
        [TABLE],
        "COMMENT ON TABLE people IS 'who'",
        DONE,
        [("SHOW TABLES", {"name": ["PEOPLE"], "comment": ["who"]})],
    ),
    "COMMIT": Case([TABLE, "BEGIN", ROWS], "COMMIT", DONE, [("ROLLBACK", DONE), (ALL_PEOPLE, PEOPLE)]),
    "COPY": Case([TABLE, STAGE, PUT], "COPY INTO people FROM @files", LOADED, [(ALL_PEOPLE, PEOPLE)]),
    "CREATE DATABASE": Case(
        [],
        "CREATE DATABASE created",
        created("Database", "CREATED"),
        [("SELECT CURRENT_DATABASE(), CURRENT_SCHEMA()", [("CREATED", "PUBLIC")])],
    ),
    "CREATE FILE FORMAT": Case(
        [],
        FILE_FORMAT,
        created("File format", "LINES"),
        [("SHOW FILE FORMATS", {"name": ["LINES"], "type": ["CSV"]})],
    ),
    "CREATE FUNCTION": Case(
        [],
        FUNCTION,
        created("Function", "HALF"),
        [("SELECT half(3)", [(1.5,)]), (FUNCTION, "already exists")],
    ),
    # Snowflake answers "Function" for a procedure too.
    "CREATE PROCEDURE": Case(
        [], PROCEDURE, created("Function", "TWICE"), [("SHOW PROCEDURES", {"name": ["TWICE"]})]
    ),
    "CREATE ROLE": Case(
        [],
        "CREATE ROLE create_role COMMENT = 'reads'",
        created("Role", "CREATE_ROLE"),
        [
            ("SHOW ROLES", ANY),
            (
                'SELECT "comment" FROM TABLE(RESULT_SCAN(LAST_QUERY_ID())) WHERE "name" = \'CREATE_ROLE\'',
                [("reads",)],
            ),
            ("CREATE ROLE create_role", "Object 'CREATE_ROLE' already exists"),
        ],
    ),
    "CREATE SCHEMA": Case(
        [],
        "CREATE SCHEMA created",
        created("Schema", "CREATED"),
        [("SELECT CURRENT_SCHEMA()", [("CREATED",)])],
    ),
    "CREATE SEQUENCE": Case(
        [],
        "CREATE SEQUENCE ids START = 10 INCREMENT = 5",
        created("Sequence", "IDS"),
        [("SELECT ids.NEXTVAL", [(10,)]), ("SELECT ids.NEXTVAL", [(15,)])],
    ),
    # https://docs.snowflake.com/en/sql-reference/sql/create-streamlit
    "CREATE STREAMLIT": Case(
        [STAGE],
        "CREATE STREAMLIT app FROM '@files/v1' MAIN_FILE = 'app.py' TITLE = 'Trips'",
        created("Streamlit", "APP"),
        [("SHOW STREAMLITS", {"name": ["APP"], "title": ["Trips"]})],
    ),
    "CREATE STAGE": Case(
        [], STAGE, created("Stage area", "FILES"), [("LIST @files", []), ("SHOW STAGES", {"name": ["FILES"]})]
    ),
    "ALTER STREAM": Case(
        [TABLE, "CREATE STREAM changes ON TABLE people"],
        "ALTER STREAM changes SET COMMENT = 'of people'",
        DONE,
        [("SHOW STREAMS", {"comment": ["of people"]})],
    ),
    "DESCRIBE STREAM": Case(
        [TABLE, "CREATE STREAM changes ON TABLE people APPEND_ONLY = TRUE COMMENT = 'new people'"],
        "DESCRIBE STREAM changes",
        {"name": ["CHANGES"], "mode": ["APPEND_ONLY"], "comment": ["new people"], "stale": ["false"]},
    ),
    "DESC STREAM": Case(
        [TABLE, "CREATE STREAM changes ON TABLE people"],
        "DESC STREAM changes",
        {"name": ["CHANGES"], "mode": ["DEFAULT"], "source_type": ["Table"]},
    ),
    "CREATE STREAM": Case(
        [TABLE],
        "CREATE STREAM changes ON TABLE people",
        created("Stream", "CHANGES"),
        [
            (ROWS, [(2,)]),
            (
                "SELECT id, METADATA$ACTION, METADATA$ISUPDATE FROM changes ORDER BY 1",
                [(1, "INSERT", False), (2, "INSERT", False)],
            ),
        ],
    ),
    "CREATE TABLE": Case([], TYPED_TABLE, created("Table", "TYPED"), [("DESCRIBE TABLE typed", DESCRIBED)]),
    "CREATE TAG": Case(
        [],
        "CREATE TAG kind ALLOWED_VALUES 'raw', 'final' COMMENT = 'stage of work'",
        created("Tag", "KIND"),
        [("SHOW TAGS", {"name": ["KIND"], "comment": ["stage of work"]})],
    ),
    # A new task is suspended.
    "CREATE TASK": Case(
        [],
        "CREATE TASK nightly SCHEDULE = '60 MINUTE' AS SELECT 1",
        created("Task", "NIGHTLY"),
        [("SHOW TASKS", {"name": ["NIGHTLY"], "state": ["suspended"], "definition": ["SELECT 1"]})],
    ),
    "CREATE USER": Case(
        [],
        "CREATE USER create_user TYPE = SERVICE RSA_PUBLIC_KEY = 'x'",
        created("User", "CREATE_USER"),
        [
            (
                "CREATE USER with_password TYPE = SERVICE PASSWORD = 'x'",
                "PASSWORD cannot be set on a user of type SERVICE",
            )
        ],
    ),
    "CREATE VIEW": Case(
        [TABLE, ROWS],
        VIEW,
        created("View", "NAMES"),
        [("SELECT name FROM names ORDER BY 1", [("Ada",), ("Bob",)])],
    ),
    "CREATE WAREHOUSE": Case(
        [],
        "CREATE WAREHOUSE create_warehouse INITIALLY_SUSPENDED = TRUE AUTO_SUSPEND = 60",
        created("Warehouse", "CREATE_WAREHOUSE"),
        [
            ("SELECT CURRENT_WAREHOUSE()", [("CREATE_WAREHOUSE",)]),
            ("SHOW WAREHOUSES LIKE 'create_warehouse'", {"state": ["SUSPENDED"], "auto_suspend": [60]}),
        ],
    ),
    "DESC": Case([], "DESC INTEGRATION nowhere", "does not support DESCRIBE INTEGRATION"),
    "DESC FILE FORMAT": Case([FILE_FORMAT], "DESC FILE FORMAT lines", PROPERTIES, [SKIP_HEADER]),
    "DESC FUNCTION": Case(
        [FUNCTION], "DESC FUNCTION half(FLOAT)", ("property", "value"), FUNCTION_PROPERTIES
    ),
    "DESC PROCEDURE": Case(
        [PROCEDURE], "DESC PROCEDURE twice(FLOAT)", ("property", "value"), PROCEDURE_PROPERTIES
    ),
    "DESC SEQUENCE": Case(
        ["CREATE SEQUENCE ids START = 10 INCREMENT = 5"],
        "DESC SEQUENCE ids",
        {"name": ["IDS"], "next_value": [10], "interval": [5]},
        [("DESC SEQUENCE nope", GONE)],
    ),
    "DESC STREAMLIT": Case(
        [STAGE, "CREATE STREAMLIT app FROM '@files/v1' MAIN_FILE = 'app.py' TITLE = 'Trips'"],
        "DESC STREAMLIT app",
        {"name": ["APP"], "title": ["Trips"], "root_location": ["@files/v1"], "main_file": ["app.py"]},
        [("DESC STREAMLIT nope", GONE)],
    ),
    "DESC STAGE": Case(
        [FORMATTED_STAGE], "DESC STAGE files", ("parent_property", *PROPERTIES), STAGE_PROPERTIES
    ),
    "DESC TABLE": Case([TYPED_TABLE], "DESC TABLE typed", DESCRIBED),
    "DESC TASK": Case(
        ["CREATE TASK nightly SCHEDULE = '60 MINUTE' COMMENT = 'every hour' AS SELECT 1"],
        "DESC TASK nightly",
        {"name": ["NIGHTLY"], "schedule": ["60 MINUTE"], "comment": ["every hour"], "state": ["suspended"]},
    ),
    "DESC VIEW": Case(
        [TABLE, VIEW],
        "DESC VIEW names",
        {"name": ["NAME"], "type": ["VARCHAR(16777216)"], "kind": ["COLUMN"], "null?": ["Y"]},
    ),
    "DESCRIBE": Case([], "DESCRIBE INTEGRATION nowhere", "does not support DESCRIBE INTEGRATION"),
    "DESCRIBE FILE FORMAT": Case([FILE_FORMAT], "DESCRIBE FILE FORMAT lines", PROPERTIES, [SKIP_HEADER]),
    "DECLARE": Case([], "DECLARE a INT DEFAULT 2; BEGIN RETURN a; END", {"anonymous block": [2]}),
    "DESCRIBE FUNCTION": Case(
        [FUNCTION], "DESCRIBE FUNCTION half(FLOAT)", ("property", "value"), FUNCTION_PROPERTIES
    ),
    "DESCRIBE PROCEDURE": Case(
        [PROCEDURE], "DESCRIBE PROCEDURE twice(FLOAT)", ("property", "value"), PROCEDURE_PROPERTIES
    ),
    "DESCRIBE SEQUENCE": Case(
        ["CREATE SEQUENCE ids START = 10 INCREMENT = 5"],
        "DESCRIBE SEQUENCE ids",
        {"name": ["IDS"], "next_value": [10], "interval": [5]},
        [("DESCRIBE SEQUENCE nope", GONE)],
    ),
    "DESCRIBE STREAMLIT": Case(
        [STAGE, "CREATE STREAMLIT app FROM '@files/v1' MAIN_FILE = 'app.py' TITLE = 'Trips'"],
        "DESCRIBE STREAMLIT app",
        {"name": ["APP"], "title": ["Trips"], "root_location": ["@files/v1"], "main_file": ["app.py"]},
        [("DESCRIBE STREAMLIT nope", GONE)],
    ),
    "DESCRIBE STAGE": Case(
        [FORMATTED_STAGE], "DESCRIBE STAGE files", ("parent_property", *PROPERTIES), STAGE_PROPERTIES
    ),
    "DESCRIBE TABLE": Case([TYPED_TABLE], "DESCRIBE TABLE typed", DESCRIBED),
    "DESCRIBE TASK": Case(
        ["CREATE TASK nightly SCHEDULE = '60 MINUTE' COMMENT = 'every hour' AS SELECT 1"],
        "DESCRIBE TASK nightly",
        {"name": ["NIGHTLY"], "schedule": ["60 MINUTE"], "comment": ["every hour"], "state": ["suspended"]},
    ),
    "DESCRIBE VIEW": Case(
        [TABLE, VIEW],
        "DESCRIBE VIEW names",
        {"name": ["NAME"], "type": ["VARCHAR(16777216)"], "kind": ["COLUMN"], "null?": ["Y"]},
    ),
    "UNDROP TABLE": Case(
        [TABLE, ROWS, "ALTER TABLE people SET DATA_RETENTION_TIME_IN_DAYS = 1", "DROP TABLE people"],
        "UNDROP TABLE people",
        [("Table PEOPLE successfully restored.",)],
        [
            (ALL_PEOPLE, PEOPLE),
            ("UNDROP TABLE people", "already exists"),
            ("UNDROP TABLE nobody", "was purged"),
        ],
    ),
    "UNDROP SCHEMA": Case(
        [
            "CREATE SCHEMA gone DATA_RETENTION_TIME_IN_DAYS = 1",
            "CREATE TABLE gone.t AS SELECT 1 AS a",
            "DROP SCHEMA gone",
        ],
        "UNDROP SCHEMA gone",
        [("Schema GONE successfully restored.",)],
        [("SELECT a FROM gone.t", [(1,)]), ("UNDROP SCHEMA gone", "already exists")],
    ),
    "UNDROP DATABASE": Case(
        [
            "CREATE DATABASE gone DATA_RETENTION_TIME_IN_DAYS = 1",
            "CREATE TABLE gone.public.t AS SELECT 1 AS a",
            "DROP DATABASE gone",
        ],
        "UNDROP DATABASE gone",
        [("Database GONE successfully restored.",)],
        [("SELECT a FROM gone.public.t", [(1,)]), ("UNDROP DATABASE gone", "already exists")],
    ),
    "DROP DATABASE": Case(
        ["CREATE DATABASE dropped"],
        "DROP DATABASE dropped",
        dropped("DROPPED"),
        [
            ("SELECT CURRENT_DATABASE()", [(None,)]),
            ("SHOW DATABASES LIKE 'dropped'", []),
            ("DROP DATABASE dropped", "Database 'DROPPED' does not exist or not authorized"),
        ],
    ),
    "DROP FILE FORMAT": Case(
        [FILE_FORMAT], "DROP FILE FORMAT lines", dropped("LINES"), [("SHOW FILE FORMATS", [])]
    ),
    "DROP FUNCTION": Case(
        [FUNCTION],
        "DROP FUNCTION half(FLOAT)",
        dropped("HALF"),
        [("SELECT half(3)", "Unknown function HALF"), ("SHOW USER FUNCTIONS", [])],
    ),
    "DROP PROCEDURE": Case(
        [PROCEDURE],
        "DROP PROCEDURE twice(FLOAT)",
        dropped("TWICE"),
        [("CALL twice(4)", "Unknown function"), ("SHOW PROCEDURES", [])],
    ),
    "DROP ROLE": Case(
        ["CREATE ROLE drop_role"],
        "DROP ROLE drop_role",
        dropped("DROP_ROLE"),
        [("DROP ROLE drop_role", "Role 'DROP_ROLE' does not exist or not authorized")],
    ),
    "DROP SCHEMA": Case(
        ["CREATE SCHEMA dropped", TABLE, STAGE, FUNCTION],
        "DROP SCHEMA dropped",
        dropped("DROPPED"),
        [
            ("SHOW SCHEMAS LIKE 'dropped'", []),
            ("USE SCHEMA dropped", GONE),
            ("SELECT * FROM dropped.people", GONE),
            ("LIST @dropped.files", GONE),
            ("SELECT dropped.half(3)", "Unknown user-defined function DROPPED.HALF"),
        ],
    ),
    "DROP SEQUENCE": Case(
        ["CREATE SEQUENCE ids"], "DROP SEQUENCE ids", dropped("IDS"), [("SHOW SEQUENCES", [])]
    ),
    "DROP STREAMLIT": Case(
        [STAGE, "CREATE STREAMLIT app FROM '@files/v1' MAIN_FILE = 'app.py' TITLE = 'Trips'"],
        "DROP STREAMLIT app",
        dropped("APP"),
        [("SHOW STREAMLITS", []), ("DROP STREAMLIT app", GONE)],
    ),
    "DROP STAGE": Case(
        [STAGE, PUT],
        "DROP STAGE files",
        dropped("FILES"),
        [
            ("LIST @files", GONE),
            ("SHOW STAGES", []),
            (STAGE, created("Stage area", "FILES")),
            ("LIST @files", []),
        ],
    ),
    # Dropping a stream leaves its table.
    "DROP STREAM": Case(
        [TABLE, ROWS, "CREATE STREAM changes ON TABLE people"],
        "DROP STREAM changes",
        dropped("CHANGES"),
        [("SELECT * FROM changes", GONE), ("SHOW STREAMS", []), (ALL_PEOPLE, PEOPLE)],
    ),
    "DROP TABLE": Case(
        [TABLE],
        "DROP TABLE people",
        dropped("PEOPLE"),
        [
            (COUNT, "Object 'PEOPLE' does not exist or not authorized"),
            (
                "DROP TABLE IF EXISTS people",
                [("Drop statement executed successfully (PEOPLE already dropped).",)],
            ),
        ],
    ),
    "DROP TAG": Case(
        [TABLE, "CREATE TAG kind", "ALTER TABLE people SET TAG kind = 'raw'"],
        "DROP TAG kind",
        dropped("KIND"),
        [("SHOW TAGS", []), ("ALTER TABLE people SET TAG kind = 'raw'", GONE)],
    ),
    "DROP TASK": Case(
        ["CREATE TASK nightly SCHEDULE = '60 MINUTE' AS SELECT 1"],
        "DROP TASK nightly",
        dropped("NIGHTLY"),
        [("SHOW TASKS", []), ("EXECUTE TASK nightly", GONE)],
    ),
    "DROP USER": Case(
        ["CREATE USER drop_user"],
        "DROP USER drop_user",
        dropped("DROP_USER"),
        [
            ("SHOW USERS LIKE 'drop_user'", []),
            ("DROP USER drop_user", GONE),
            ("SHOW GRANTS TO USER drop_user", GONE),
        ],
    ),
    "DROP VIEW": Case(
        [TABLE, ROWS, VIEW],
        "DROP VIEW names",
        dropped("NAMES"),
        [("SELECT * FROM names", GONE), (ALL_PEOPLE, PEOPLE)],
    ),
    "DROP WAREHOUSE": Case(
        ["CREATE WAREHOUSE drop_warehouse"],
        "DROP WAREHOUSE drop_warehouse",
        dropped("DROP_WAREHOUSE"),
        [("SHOW WAREHOUSES LIKE 'drop_warehouse'", []), ("USE WAREHOUSE drop_warehouse", "does not exist")],
    ),
    "EXECUTE IMMEDIATE FROM": Case(
        [
            TABLE,
            ROWS,
            STAGE,
            "COPY INTO @files/script.sql FROM (SELECT 'DELETE FROM people WHERE id = 1; SELECT COUNT(*) AS n FROM people;') "
            "FILE_FORMAT = (TYPE = CSV COMPRESSION = 'NONE') SINGLE = TRUE",
        ],
        "EXECUTE IMMEDIATE FROM @files/script.sql",
        {"N": [1]},
        [(COUNT, [(1,)])],
    ),
    "EXECUTE IMMEDIATE": Case(
        [TABLE, ROWS],
        "EXECUTE IMMEDIATE 'SELECT COUNT(*) AS n FROM people WHERE name = ''Ada'''",
        {"N": [1]},
        [
            ("EXECUTE IMMEDIATE $$INSERT INTO people VALUES (3, 'Cy')$$", {"number of rows inserted": [1]}),
            (COUNT, [(3,)]),
        ],
    ),
    "EXECUTE TASK": Case(
        [TABLE, "CREATE TASK nightly SCHEDULE = '60 MINUTE' AS INSERT INTO people VALUES (1, 'Ada')"],
        "EXECUTE TASK nightly",
        [("Task NIGHTLY is scheduled to run immediately.",)],
        [(ALL_PEOPLE, [(1, "Ada")])],
    ),
    # The plan itself is DuckDB's.
    "EXPLAIN": Case(
        [TABLE, ROWS],
        "EXPLAIN USING TEXT SELECT * FROM people",
        {"content": [ANY]},
        [("SELECT \"content\" ILIKE '%people%' FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()))", [(True,)])],
    ),
    "GET": Case(
        [STAGE, PUT],
        "GET @files/people 'file://{folder}/got'",
        {"file": ["people.csv.gz"], "size": [ANY], "status": ["DOWNLOADED"], "message": [""]},
        [
            (
                "PUT 'file://{folder}/got/people.csv.gz' @files/again",
                {"source": ["people.csv.gz"], "source_compression": ["GZIP"], "status": ["UPLOADED"]},
            ),
            ("SELECT $1, $2 FROM @files/again ORDER BY 1", [("1", "Ada"), ("2", "Bob")]),
        ],
    ),
    "GRANT": Case(
        ["CREATE ROLE grant_role"],
        "GRANT USAGE, MONITOR ON DATABASE local TO ROLE grant_role",
        DONE,
        [
            (
                "SHOW GRANTS TO ROLE grant_role",
                {
                    "privilege": ["MONITOR", "USAGE"],
                    "granted_on": ["DATABASE", "DATABASE"],
                    "name": ["LOCAL", "LOCAL"],
                    "granted_to": ["ROLE", "ROLE"],
                    "grantee_name": ["GRANT_ROLE", "GRANT_ROLE"],
                },
            )
        ],
    ),
    "LIST": Case([STAGE, PUT], "LIST @files", LISTED),
    "LS": Case([STAGE, PUT, PUT_BAD], "LS @files PATTERN = '.*people.*'", LISTED),
    "PUT": Case(
        [STAGE],
        PUT,
        {
            "source": ["people.csv"],
            "target": ["people.csv.gz"],
            "source_size": [12],
            "target_size": [ANY],
            "source_compression": ["NONE"],
            "target_compression": ["GZIP"],
            "status": ["UPLOADED"],
            "message": [""],
        },
        [
            ("SELECT $1, $2 FROM @files ORDER BY 1", [("1", "Ada"), ("2", "Bob")]),
            (PUT, {"status": ["SKIPPED"]}),
        ],
    ),
    "REMOVE": Case(
        [STAGE, PUT, PUT_BAD],
        "REMOVE @files/bad",
        {"name": ["files/bad.csv.gz"], "result": ["removed"]},
        [("LIST @files", LISTED)],
    ),
    "REVOKE": Case(
        ["CREATE ROLE revoke_role", "GRANT USAGE, MONITOR ON DATABASE local TO ROLE revoke_role"],
        "REVOKE MONITOR ON DATABASE local FROM ROLE revoke_role",
        DONE,
        [("SHOW GRANTS TO ROLE revoke_role", {"privilege": ["USAGE"], "name": ["LOCAL"]})],
    ),
    "RM": Case(
        [STAGE, PUT, PUT_BAD],
        "RM @files PATTERN = '.*bad.*'",
        {"name": ["files/bad.csv.gz"], "result": ["removed"]},
        [("LIST @files", LISTED)],
    ),
    "ROLLBACK": Case([TABLE, "BEGIN", ROWS], "ROLLBACK", DONE, [(COUNT, [(0,)])]),
    "SET": Case(
        [TABLE, ROWS], "SET wanted = 'Ada'", DONE, [("SELECT id FROM people WHERE name = $wanted", [(1,)])]
    ),
    "SHOW": Case([], "SHOW INTEGRATIONS", "does not support SHOW INTEGRATIONS"),
    "SHOW COLUMNS": Case(
        [TYPED_TABLE],
        "SHOW COLUMNS IN TABLE typed",
        {"null?": ["NOT_NULL", "true"], "kind": ["COLUMN", "COLUMN"], "default": ["", "'none'"]},
    ),
    "SHOW DATABASES": Case(
        ["CREATE DATABASE shown"],
        "SHOW DATABASES LIKE 'show%'",
        {"name": ["SHOWN"], "is_current": ["Y"], "owner": [ANY]},
    ),
    "SHOW FILE FORMATS": Case(
        [FILE_FORMAT],
        "SHOW FILE FORMATS",
        {
            "created_on": [ANY],
            "name": ["LINES"],
            "database_name": ["LOCAL"],
            "schema_name": ["CASE_SHOW_FILE_FORMATS"],
            "type": ["CSV"],
        },
    ),
    # Snowflake lists its own functions too.
    "SHOW FUNCTIONS": Case([FUNCTION], "SHOW FUNCTIONS LIKE 'half'", SHOWN_FUNCTION),
    "SHOW FUTURE GRANTS": Case(
        ["CREATE ROLE show_future", "GRANT SELECT ON FUTURE TABLES IN DATABASE local TO ROLE show_future"],
        "SHOW FUTURE GRANTS TO ROLE show_future",
        {
            "created_on": [ANY],
            "privilege": ["SELECT"],
            "grant_on": ["TABLE"],
            "name": ["LOCAL.<TABLE>"],
            "grant_to": ["ROLE"],
            "grantee_name": ["SHOW_FUTURE"],
        },
    ),
    "SHOW USERS": Case(
        ["CREATE USER show_users TYPE = SERVICE RSA_PUBLIC_KEY = 'x'"],
        "SHOW USERS LIKE 'show_users'",
        {
            "name": ["SHOW_USERS"],
            "created_on": [ANY],
            "type": ["SERVICE"],
            "has_password": ["false"],
            "has_rsa_public_key": ["true"],
        },
    ),
    "SHOW SHARES": Case([], "SHOW SHARES", {"kind": [], "owner_account": [], "name": []}),
    "SHOW GRANTS": Case(
        ["CREATE ROLE show_grants", "GRANT USAGE ON DATABASE local TO ROLE show_grants"],
        "SHOW GRANTS TO ROLE show_grants",
        {
            "created_on": [ANY],
            "privilege": ["USAGE"],
            "granted_on": ["DATABASE"],
            "name": ["LOCAL"],
            "granted_to": ["ROLE"],
            "grantee_name": ["SHOW_GRANTS"],
        },
    ),
    "SHOW OBJECTS": Case(
        [TABLE, ROWS, VIEW],
        "SHOW OBJECTS",
        {
            "name": ["NAMES", "PEOPLE"],
            "database_name": ["LOCAL", "LOCAL"],
            "schema_name": ["CASE_SHOW_OBJECTS", "CASE_SHOW_OBJECTS"],
            "kind": ["VIEW", "TABLE"],
            "rows": [ANY, 2],
        },
    ),
    "SHOW PARAMETERS": Case(
        ["ALTER SESSION SET QUERY_TAG = 'tests'"],
        "SHOW PARAMETERS LIKE 'query_tag'",
        {"key": ["QUERY_TAG"], "value": ["tests"], "default": [""], "level": ["SESSION"], "type": ["STRING"]},
        [
            ("ALTER SESSION UNSET QUERY_TAG", DONE),
            ("SHOW PARAMETERS LIKE 'query_tag'", {"value": [""]}),
            ("SHOW PARAMETERS LIKE 'data_retention%' IN ACCOUNT", {"value": ["1"], "type": ["NUMBER"]}),
            ("SHOW PARAMETERS LIKE 'week_start' IN USER", {"value": ["0"], "level": [""]}),
        ],
    ),
    "SHOW PROCEDURES": Case(
        [FUNCTION, PROCEDURE],
        "SHOW PROCEDURES",
        {
            "name": ["TWICE"],
            "schema_name": ["CASE_SHOW_PROCEDURES"],
            "min_num_arguments": [1],
            "arguments": ["TWICE(FLOAT) RETURN FLOAT"],
            "description": ["user-defined procedure"],
            "catalog_name": ["LOCAL"],
        },
    ),
    "SHOW ROLES": Case(
        ["CREATE ROLE show_role COMMENT = 'reads'"],
        "SHOW ROLES",
        ANY,
        [
            (
                'SELECT "name", "comment" FROM TABLE(RESULT_SCAN(LAST_QUERY_ID())) WHERE "name" = \'SHOW_ROLE\'',
                [("SHOW_ROLE", "reads")],
            )
        ],
    ),
    "SHOW SCHEMAS": Case(
        ["CREATE SCHEMA shown"], "SHOW SCHEMAS LIKE 'SHOWN'", {"name": ["SHOWN"], "database_name": ["LOCAL"]}
    ),
    "SHOW PRIMARY KEYS": Case(
        ["CREATE TABLE orders (id INT, line INT, code INT UNIQUE, PRIMARY KEY (id, line))"],
        "SHOW PRIMARY KEYS IN TABLE orders",
        {
            "table_name": ["ORDERS", "ORDERS"],
            "column_name": ["ID", "LINE"],
            "key_sequence": [1, 2],
            "rely": ["false", "false"],
        },
        [("SHOW PRIMARY KEYS IN nope", GONE)],
    ),
    "SHOW TRANSACTIONS": Case([], "SHOW TRANSACTIONS", []),
    "SHOW UNIQUE KEYS": Case(
        ["CREATE TABLE orders (id INT PRIMARY KEY, line INT, code INT UNIQUE)"],
        "SHOW UNIQUE KEYS",
        {"table_name": ["ORDERS"], "column_name": ["CODE"], "key_sequence": [1]},
    ),
    "SHOW VARIABLES": Case(
        ["SET (shown_number, shown_text) = (5, 'x')"],
        "SHOW VARIABLES LIKE 'shown%'",
        {"name": ["SHOWN_NUMBER", "SHOWN_TEXT"], "value": ["5", "x"], "type": ["fixed", "text"]},
        [("UNSET (shown_number, shown_text)", DONE), ("SHOW VARIABLES LIKE 'shown%'", [])],
    ),
    "SHOW SEQUENCES": Case(
        ["CREATE SEQUENCE ids START = 10 INCREMENT = 5"],
        "SHOW SEQUENCES",
        {
            "name": ["IDS"],
            "database_name": ["LOCAL"],
            "schema_name": ["CASE_SHOW_SEQUENCES"],
            "next_value": [10],
            "interval": [5],
        },
    ),
    "SHOW STREAMLITS": Case(
        [STAGE, "CREATE STREAMLIT app FROM '@files/v1' MAIN_FILE = 'app.py' TITLE = 'Trips'"],
        "SHOW STREAMLITS",
        {
            "name": ["APP"],
            "database_name": ["LOCAL"],
            "schema_name": ["CASE_SHOW_STREAMLITS"],
            "title": ["Trips"],
            "query_warehouse": [None],
            "owner_role_type": ["ROLE"],
        },
    ),
    "SHOW STAGES": Case(
        ["CREATE STAGE files COMMENT = 'monthly'"],
        "SHOW STAGES",
        {
            "created_on": [ANY],
            "name": ["FILES"],
            "database_name": ["LOCAL"],
            "schema_name": ["CASE_SHOW_STAGES"],
            "url": [""],
            "comment": ["monthly"],
            "type": ["INTERNAL"],
        },
    ),
    "SHOW STREAMS": Case(
        [
            TABLE,
            "CREATE STREAM added ON TABLE people APPEND_ONLY = TRUE",
            "CREATE STREAM changes ON TABLE people",
        ],
        "SHOW STREAMS",
        {
            "name": ["ADDED", "CHANGES"],
            "database_name": ["LOCAL", "LOCAL"],
            "schema_name": ["CASE_SHOW_STREAMS", "CASE_SHOW_STREAMS"],
            "table_name": ["LOCAL.CASE_SHOW_STREAMS.PEOPLE", "LOCAL.CASE_SHOW_STREAMS.PEOPLE"],
            "mode": ["APPEND_ONLY", "DEFAULT"],
        },
    ),
    "SHOW TABLES": Case(
        [TABLE, ROWS, VIEW],
        "SHOW TABLES",
        {
            "name": ["PEOPLE"],
            "database_name": ["LOCAL"],
            "schema_name": ["CASE_SHOW_TABLES"],
            "kind": ["TABLE"],
            "comment": [""],
            "rows": [2],
            "owner": [ANY],
        },
    ),
    "SHOW TAGS": Case(
        ["CREATE TAG kind ALLOWED_VALUES 'raw', 'final' COMMENT = 'stage of work'"],
        "SHOW TAGS",
        {
            "created_on": [ANY],
            "name": ["KIND"],
            "database_name": ["LOCAL"],
            "schema_name": ["CASE_SHOW_TAGS"],
            "comment": ["stage of work"],
            "allowed_values": [ANY],
        },
    ),
    "SHOW TASKS": Case(
        [
            "CREATE TASK first SCHEDULE = '60 MINUTE' AS SELECT 1",
            "CREATE TASK second AFTER first WHEN 1 = 1 AS SELECT 2",
        ],
        "SHOW TASKS",
        {
            "name": ["FIRST", "SECOND"],
            "database_name": ["LOCAL", "LOCAL"],
            "schema_name": ["CASE_SHOW_TASKS", "CASE_SHOW_TASKS"],
            "schedule": ["60 MINUTE", ANY],
            "predecessors": ["[]", '["LOCAL.CASE_SHOW_TASKS.FIRST"]'],
            "state": ["suspended", "suspended"],
            "definition": ["SELECT 1", "SELECT 2"],
            "condition": [None, "1 = 1"],
        },
    ),
    "SHOW TERSE DATABASES": Case(
        ["CREATE DATABASE terse"],
        "SHOW TERSE DATABASES LIKE 'terse'",
        {"created_on": [ANY], "name": ["TERSE"]},
    ),
    "SHOW TERSE OBJECTS": Case([TABLE], "SHOW TERSE OBJECTS", SHOWN_TABLE),
    "SHOW TERSE SCHEMAS": Case(
        ["CREATE SCHEMA terse"],
        "SHOW TERSE SCHEMAS LIKE 'terse'",
        {"created_on": [ANY], "name": ["TERSE"], "database_name": ["LOCAL"]},
    ),
    "SHOW TERSE TABLES": Case([TABLE, VIEW], "SHOW TERSE TABLES", SHOWN_TABLE),
    "SHOW TERSE VIEWS": Case([TABLE, VIEW], "SHOW TERSE VIEWS", SHOWN_VIEW),
    "SHOW USER FUNCTIONS": Case([FUNCTION, PROCEDURE], "SHOW USER FUNCTIONS", SHOWN_FUNCTION),
    "SHOW VIEWS": Case([TABLE, VIEW], "SHOW VIEWS", SHOWN_VIEW),
    "SHOW WAREHOUSES": Case(
        ["CREATE WAREHOUSE show_warehouse COMMENT = 'loads'"],
        "SHOW WAREHOUSES LIKE 'show_ware%'",
        {
            "name": ["SHOW_WAREHOUSE"],
            "state": ["STARTED"],
            "type": ["STANDARD"],
            "auto_suspend": [600],
            "comment": ["loads"],
            "created_on": [ANY],
        },
    ),
    "START TRANSACTION": Case(
        [TABLE], "START TRANSACTION", DONE, [(ROWS, [(2,)]), ("ROLLBACK", DONE), (COUNT, [(0,)])]
    ),
    # TRUNCATE deletes the load history too, so that the file is loaded again.
    "TRUNCATE": Case(
        [TABLE, STAGE, PUT, "COPY INTO people FROM @files"],
        "TRUNCATE TABLE people",
        DONE,
        [(COUNT, [(0,)]), ("COPY INTO people FROM @files", LOADED), (ALL_PEOPLE, PEOPLE)],
    ),
    "UNSET": Case(
        ["SET wanted = 1", "SELECT $wanted"], "UNSET wanted", DONE, [("SELECT $wanted", "(?i)wanted")]
    ),
    "USE": Case(
        ["CREATE DATABASE used", "CREATE SCHEMA other"],
        "USE SCHEMA public",
        DONE,
        [
            ("SELECT CURRENT_DATABASE(), CURRENT_SCHEMA()", [("USED", "PUBLIC")]),
            ("USE used.other", DONE),
            ("SELECT CURRENT_DATABASE(), CURRENT_SCHEMA()", [("USED", "OTHER")]),
            ("USE DATABASE nowhere", "does not exist"),
        ],
    ),
    "WITH": Case(
        [],
        f"WITH twice AS PROCEDURE (x FLOAT) {_PYTHON} CALL twice(4)",
        {"TWICE": [8.0]},
        [("SHOW PROCEDURES", [])],
    ),
}

TERSE = ("created_on", "name", "kind", "database_name", "schema_name")

# Other forms of these statements, and functions that the modules of the statements register.
MORE: dict[str, Case] = {
    "DROP SCHEMA drops its streams": Case(
        ["CREATE SCHEMA again", TABLE, "CREATE STREAM changes ON TABLE people", "DROP SCHEMA again"],
        "CREATE SCHEMA again",
        created("Schema", "AGAIN"),
        [("SHOW STREAMS", [])],
    ),
    "GET_DDL quotes names": Case(
        ['CREATE TABLE "two words" ("lower" INT)'],
        "SELECT GET_DDL('TABLE', '\"two words\"')",
        [('create or replace TABLE "two words" (\n\t"lower" NUMBER(38,0)\n);',)],
    ),
    "COPY INTO a stage from a table": Case(
        [TABLE, ROWS, STAGE],
        "COPY INTO @files/out/people FROM people FILE_FORMAT = (TYPE = CSV)",
        {"rows_unloaded": [2], "input_bytes": [ANY], "output_bytes": [ANY]},
        [
            ("LIST @files", {"name": ["files/out/people_0_0_0.csv.gz"]}),
            ("SELECT $1, $2 FROM @files/out ORDER BY 1", [("1", "Ada"), ("2", "Bob")]),
            (
                "COPY INTO @files/out/people FROM people FILE_FORMAT = (TYPE = CSV)",
                "Files already existing at the unload destination",
            ),
            ("TRUNCATE TABLE people", DONE),
            ("COPY INTO people FROM @files/out", LOADED),
            (ALL_PEOPLE, PEOPLE),
        ],
    ),
    "COPY INTO a stage from a query": Case(
        [TABLE, ROWS, STAGE],
        "COPY INTO @files/out.csv FROM (SELECT name, id * 10 AS tens FROM people ORDER BY id) "
        "FILE_FORMAT = (TYPE = CSV COMPRESSION = 'NONE') HEADER = TRUE SINGLE = TRUE DETAILED_OUTPUT = TRUE",
        {"FILE_NAME": ["out.csv"], "FILE_SIZE": [24], "ROW_COUNT": [2]},
        [
            ("LIST @files", {"name": ["files/out.csv"], "size": [24]}),
            (
                "SELECT $1, $2 FROM @files/out.csv ORDER BY METADATA$FILE_ROW_NUMBER",
                [("NAME", "TENS"), ("Ada", "10"), ("Bob", "20")],
            ),
        ],
    ),
    "COPY INTO a stage as Parquet": Case(
        [TABLE, ROWS, STAGE],
        "COPY INTO @files/people FROM people FILE_FORMAT = (TYPE = PARQUET) HEADER = TRUE",
        {"rows_unloaded": [2]},
        [
            ("LIST @files", {"name": ["files/people_0_0_0.snappy.parquet"]}),
            ("CREATE FILE FORMAT columns TYPE = PARQUET", created("File format", "COLUMNS")),
            (
                "SELECT $1:ID::INT, $1:NAME::VARCHAR FROM @files (FILE_FORMAT => 'columns') ORDER BY 1",
                PEOPLE,
            ),
        ],
    ),
    "COPY FILES": Case(
        [STAGE, PUT, PUT_BAD, "CREATE STAGE copies"],
        "COPY FILES INTO @copies FROM @files PATTERN = '.*people.*'",
        {"file": ["people.csv.gz"]},
        [("LIST @copies", {"name": ["copies/people.csv.gz"]})],
    ),
    "VALIDATION_MODE = RETURN_ERRORS": Case(
        [TABLE, STAGE, PUT, PUT_BAD],
        "COPY INTO people FROM @files VALIDATION_MODE = RETURN_ERRORS",
        {
            "ERROR": ["Numeric value 'x' is not recognized"],
            "LINE": [2],
            "CHARACTER": [1],
            "CATEGORY": ["conversion"],
            "CODE": [100038],
            "SQL_STATE": ["22018"],
            "COLUMN_NAME": ['"PEOPLE"["ID":1]'],
            "ROW_NUMBER": [2],
            "ROW_START_LINE": [2],
            "REJECTED_RECORD": ["x,Bob"],
        },
        [(COUNT, [(0,)]), ("COPY INTO people FROM @files/people", LOADED)],
    ),
    "VALIDATION_MODE = RETURN_ERRORS of valid files": Case(
        [TABLE, STAGE, PUT],
        "COPY INTO people FROM @files VALIDATION_MODE = RETURN_ERRORS",
        [],
        [(COUNT, [(0,)])],
    ),
    "VALIDATION_MODE = RETURN_n_ROWS": Case(
        [TABLE, STAGE, PUT],
        "COPY INTO people FROM @files VALIDATION_MODE = RETURN_1_ROWS",
        {"ID": [1], "NAME": ["Ada"]},
        [(COUNT, [(0,)])],
    ),
    # The first error ends the validation.
    "VALIDATION_MODE = RETURN_n_ROWS of a file with an error": Case(
        [TABLE, STAGE, PUT_BAD],
        "COPY INTO people FROM @files VALIDATION_MODE = RETURN_10_ROWS",
        "Numeric value 'x' is not recognized",
        [(COUNT, [(0,)])],
    ),
    "GET_DDL of a table": Case(
        [TYPED_TABLE],
        "SELECT GET_DDL('TABLE', 'typed')",
        [
            (
                "create or replace TABLE TYPED (\n\tID NUMBER(38,0) NOT NULL,\n"
                "\tNAME VARCHAR(10) DEFAULT 'none'\n);",
            )
        ],
    ),
    "GET_DDL of a function": Case(
        [FUNCTION],
        "SELECT GET_DDL('FUNCTION', 'half(FLOAT)')",
        [('CREATE OR REPLACE FUNCTION "HALF"("X" FLOAT)\nRETURNS FLOAT\nLANGUAGE SQL\nAS \'x / 2\';',)],
    ),
    "GET_DDL of a table that does not exist": Case([], "SELECT GET_DDL('TABLE', 'nowhere')", GONE),
    "INFER_SCHEMA of a CSV file": Case(
        [
            STAGE,
            "PUT 'file://{folder}/header.csv' @files",
            "CREATE FILE FORMAT named TYPE = CSV PARSE_HEADER = TRUE",
        ],
        "SELECT * FROM TABLE(INFER_SCHEMA(LOCATION => '@files', FILE_FORMAT => 'named'))",
        {
            "COLUMN_NAME": ["id", "born", "name"],
            "TYPE": ["NUMBER(2, 0)", "DATE", "TEXT"],
            "NULLABLE": [True, True, True],
            "EXPRESSION": ["$1::NUMBER(2, 0)", "$2::DATE", "$3::TEXT"],
            "ORDER_ID": [0, 1, 2],
        },
    ),
    "INFER_SCHEMA of a CSV file without a header": Case(
        [STAGE, PUT, "CREATE FILE FORMAT plain TYPE = CSV"],
        "SELECT * FROM TABLE(INFER_SCHEMA(LOCATION => '@files', FILE_FORMAT => 'plain'))",
        {"COLUMN_NAME": ["c1", "c2"], "TYPE": ["NUMBER(1, 0)", "TEXT"], "ORDER_ID": [0, 1]},
    ),
    "INFER_SCHEMA of a Parquet file": Case(
        [
            TABLE,
            ROWS,
            STAGE,
            "COPY INTO @files/people FROM people FILE_FORMAT = (TYPE = PARQUET) HEADER = TRUE",
            "CREATE FILE FORMAT columns TYPE = PARQUET",
        ],
        "SELECT * FROM TABLE(INFER_SCHEMA(LOCATION => '@files', FILE_FORMAT => 'columns'))",
        {
            "COLUMN_NAME": ["ID", "NAME"],
            "TYPE": ["NUMBER(38, 0)", "TEXT"],
            "NULLABLE": [True, True],
            "EXPRESSION": ["$1:ID::NUMBER(38, 0)", "$1:NAME::TEXT"],
            "ORDER_ID": [0, 1],
        },
    ),
    "EXECUTE IMMEDIATE of a block": Case(
        [], "EXECUTE IMMEDIATE 'BEGIN RETURN 1; END'", {"anonymous block": [1]}
    ),
    "EXECUTE IMMEDIATE FROM": Case(
        [
            "CREATE STAGE scripts FILE_FORMAT = (TYPE = CSV COMPRESSION = NONE)",
            "COPY INTO @scripts/one.sql FROM (SELECT 'SELECT 1 AS n') SINGLE = TRUE",
        ],
        "EXECUTE IMMEDIATE FROM @scripts/one.sql",
        {"N": [1]},
    ),
    "SHOW COLUMNS IN TABLE": Case(
        [TYPED_TABLE],
        "SHOW COLUMNS IN TABLE typed",
        {"table_name": ["TYPED", "TYPED"], "column_name": ["ID", "NAME"], "data_type": [ANY, ANY]},
    ),
    "SHOW COLUMNS without IN": Case([TYPED_TABLE], "SHOW COLUMNS LIKE 'id'", {"column_name": ["ID"]}),
    **{
        f"SHOW TERSE {kind}": Case([TABLE, VIEW], f"SHOW TERSE {kind}", TERSE)
        for kind in ("DATABASES", "OBJECTS", "SCHEMAS", "TABLES", "VIEWS")
    },
    "SHOW TABLES has the creation time": Case(
        [TABLE],
        "SHOW TABLES",
        {"name": ["PEOPLE"]},
        [('SELECT "created_on" IS NOT NULL FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()))', [(True,)])],
    ),
    "SHOW SCHEMAS lists INFORMATION_SCHEMA": Case(
        [], "SHOW SCHEMAS LIKE 'information_schema'", {"name": ["INFORMATION_SCHEMA"]}
    ),
    "SHOW TABLES STARTS WITH": Case([TABLE], "SHOW TABLES STARTS WITH 'PEO'", {"name": ["PEOPLE"]}),
    "SHOW SCHEMAS LIMIT": Case([], "SHOW SCHEMAS LIMIT 1", {"database_name": [ANY]}),
    "ALTER SCHEMA SET COMMENT": Case(
        ["CREATE SCHEMA noted"],
        "ALTER SCHEMA noted SET COMMENT = 'monthly'",
        DONE,
        [("SHOW SCHEMAS LIKE 'noted'", {"comment": ["monthly"]})],
    ),
    "ALTER DATABASE SET COMMENT": Case(
        ["CREATE DATABASE noted"],
        "ALTER DATABASE noted SET COMMENT = 'monthly'",
        DONE,
        [("SHOW DATABASES LIKE 'noted'", {"comment": ["monthly"]})],
    ),
    "SHOW VIEWS has the text": Case([TABLE, VIEW], "SHOW VIEWS", {"name": ["NAMES"], "text": [VIEW]}),
    "SHOW SEQUENCES shows the next value": Case(
        ["CREATE SEQUENCE ids START = 10 INCREMENT = 5", "SELECT ids.NEXTVAL"],
        "SHOW SEQUENCES",
        {"name": ["IDS"], "next_value": [15]},
    ),
    "ALTER TABLE adds several columns": Case(
        [TABLE, ROWS],
        "ALTER TABLE people ADD COLUMN age INT DEFAULT 40, city VARCHAR(5)",
        DONE,
        [
            ("SELECT age, city FROM people", [(40, None), (40, None)]),
            ("ALTER TABLE people ADD COLUMN age INT", "column 'AGE' already exists"),
            ("ALTER TABLE people ADD COLUMN IF NOT EXISTS age INT, zip INT", DONE),
            ("ALTER TABLE people DROP COLUMN age, city", DONE),
            ("ALTER TABLE people DROP COLUMN IF EXISTS age, zip", DONE),
            (ALL_PEOPLE, PEOPLE),
            ("ALTER TABLE people DROP COLUMN age", "invalid identifier 'AGE'"),
        ],
    ),
    "ALTER TABLE changes keys": Case(
        [TABLE],
        "ALTER TABLE people ADD CONSTRAINT k PRIMARY KEY (id)",
        DONE,
        [
            ("ALTER TABLE people ADD PRIMARY KEY (id)", "primary key already exists"),
            ("ALTER TABLE people ADD UNIQUE (name)", DONE),
            ("ALTER TABLE people ADD UNIQUE (nope)", "invalid identifier 'NOPE'"),
            ("DESCRIBE TABLE people", {"primary key": ["Y", "N"], "unique key": ["N", "Y"]}),
            ("ALTER TABLE people DROP PRIMARY KEY", DONE),
            ("ALTER TABLE people DROP UNIQUE (name)", DONE),
            ("DESCRIBE TABLE people", {"primary key": ["N", "N"], "unique key": ["N", "N"]}),
            ("ALTER TABLE people DROP CONSTRAINT k", "does not support DROP CONSTRAINT"),
        ],
    ),
    "ALTER TABLE swaps names": Case(
        [
            TABLE,
            ROWS,
            "CREATE TABLE others (id INT, name VARCHAR(3))",
            "INSERT INTO others VALUES (9, 'Zoe')",
        ],
        "ALTER TABLE people SWAP WITH others",
        DONE,
        [
            (ALL_PEOPLE, [(9, "Zoe")]),
            ("DESCRIBE TABLE people", {"type": ["NUMBER(38,0)", "VARCHAR(3)"]}),
            ("SELECT * FROM others ORDER BY id", PEOPLE),
            ("ALTER TABLE people SWAP WITH nope", GONE),
        ],
    ),
    "ALTER TABLE clusters": Case(
        ["CREATE TABLE days (d DATE, n INT) CLUSTER BY (TO_DATE(d), n) COMMENT = 'x'"],
        "ALTER TABLE days CLUSTER BY (YEAR(d))",
        DONE,
        [
            ("SHOW TABLES", {"cluster_by": ["LINEAR(YEAR(d))"]}),
            ("ALTER TABLE days DROP CLUSTERING KEY", DONE),
            ("SHOW TABLES", {"cluster_by": [""]}),
            ("ALTER TABLE days UNSET COMMENT", DONE),
        ],
    ),
    "CREATE TABLE with the name of a stream": Case(
        [TABLE, "CREATE STREAM changes ON TABLE people"],
        "CREATE OR REPLACE TABLE changes (id INT)",
        "'CHANGES' already exists as STREAM",
        [
            ("CREATE VIEW changes AS SELECT 1 AS a", "already exists as STREAM"),
            ("CREATE STREAM people ON TABLE people", "already exists as TABLE"),
        ],
    ),
    "GET_DDL of a clustered table": Case(
        ["CREATE TABLE days (d DATE, n INT) CLUSTER BY (d, n)"],
        "SELECT GET_DDL('TABLE', 'days')",
        [("create or replace TABLE DAYS cluster by (d, n)(\n\tD DATE,\n\tN NUMBER(38,0)\n);",)],
    ),
    "GET_DDL of a view with comments": Case(
        ["CREATE VIEW commented (a COMMENT 'first', b) AS SELECT 1, 2"],
        "SELECT GET_DDL('VIEW', 'commented')",
        [("create or replace view COMMENTED(\n\tA COMMENT 'first',\n\tB\n) AS SELECT 1, 2;",)],
    ),
    "SHOW COLUMNS of the current schema": Case(
        [TABLE], "SHOW COLUMNS IN SCHEMA LIKE 'id'", {"table_name": ["PEOPLE"], "column_name": ["ID"]}
    ),
    "SHOW ROLES LIKE": Case(
        ["CREATE ROLE first_role", "CREATE ROLE second_role"],
        "SHOW ROLES LIKE 'first_role'",
        {"name": ["FIRST_ROLE"]},
    ),
    "SHOW GRANTS qualifies names": Case(
        [TABLE, "CREATE ROLE reader", "GRANT SELECT ON TABLE people TO ROLE reader"],
        "SHOW GRANTS TO ROLE reader",
        {"privilege": ["SELECT"], "name": ["LOCAL.MORE_SHOW_GRANTS_QUALIFIES_NAMES.PEOPLE"]},
    ),
    "SHOW GRANTS ON": Case(
        [TABLE, "CREATE ROLE owner_role", "GRANT SELECT ON TABLE people TO ROLE owner_role"],
        "SHOW GRANTS ON TABLE people",
        (
            "created_on",
            "privilege",
            "granted_on",
            "name",
            "granted_to",
            "grantee_name",
            "grant_option",
            "granted_by",
        ),
    ),
    "GRANT of a role": Case(
        ["CREATE ROLE inner_role", "CREATE ROLE outer_role"], "GRANT ROLE inner_role TO ROLE outer_role", DONE
    ),
    "GRANT to a role that does not exist": Case(
        [], "GRANT USAGE ON DATABASE local TO ROLE nobody", "Role 'NOBODY' does not exist or not authorized"
    ),
    "USE ROLE of a role that does not exist": Case([], "USE ROLE nobody", "does not exist"),
    "SHOW WAREHOUSES shows the size": Case(
        ["CREATE WAREHOUSE sized WAREHOUSE_SIZE = XSMALL"],
        "SHOW WAREHOUSES LIKE 'sized'",
        {"size": ["X-Small"]},
    ),
    "SHOW WAREHOUSES shows AUTO_SUSPEND = 0": Case(
        ["CREATE WAREHOUSE sleepless AUTO_SUSPEND = 0"],
        "SHOW WAREHOUSES LIKE 'sleepless'",
        {"auto_suspend": [0]},
    ),
    "DROP WAREHOUSE of the current warehouse": Case(
        ["CREATE WAREHOUSE current_one"],
        "DROP WAREHOUSE current_one",
        dropped("CURRENT_ONE"),
        [("SELECT CURRENT_WAREHOUSE()", [(None,)])],
    ),
    "SHOW PARAMETERS of a parameter that was not set": Case(
        [],
        "SHOW PARAMETERS LIKE 'autocommit'",
        {"key": ["AUTOCOMMIT"], "value": ["true"], "default": ["true"]},
    ),
    "ALTER SESSION UNSET TIMEZONE": Case(
        ["ALTER SESSION SET TIMEZONE = 'Asia/Tokyo'"],
        "ALTER SESSION UNSET TIMEZONE",
        DONE,
        [
            (
                "SELECT TO_VARCHAR('2024-07-01 00:00:00 +00:00'::TIMESTAMP_LTZ)",
                [("2024-06-30 17:00:00.000 -0700",)],
            )
        ],
    ),
    "SET of an expression": Case([], "SET three = 1 + 2", DONE, [("SELECT $three", [(3,)])]),
    "SET of several variables": Case([], "SET (one, two) = (1, 2)", DONE, [("SELECT $one + $two", [(3,)])]),
    "UNSET of several variables": Case(["SET one = 1", "SET two = 2"], "UNSET (one, two)", DONE),
    "The message for an unknown variable": Case(
        [], "SELECT $unknown", r"Session variable '\$UNKNOWN' does not exist"
    ),
    "COMMENT ON STAGE": Case(
        [STAGE], "COMMENT ON STAGE files IS 'monthly'", DONE, [("SHOW STAGES", {"comment": ["monthly"]})]
    ),
    "ALTER TABLE SET COMMENT": Case(
        [TABLE], "ALTER TABLE people SET COMMENT = 'who'", DONE, [("SHOW TABLES", {"comment": ["who"]})]
    ),
    "COMMENT IF EXISTS": Case([], "COMMENT IF EXISTS ON TABLE nowhere IS 'x'", DONE),
    "ALTER TASK IF EXISTS": Case([], "ALTER TASK IF EXISTS nowhere SUSPEND", DONE),
    "CREATE TABLE keeps the comments of columns": Case(
        ["CREATE TABLE noted (id INT COMMENT 'the key')"], "DESCRIBE TABLE noted", {"comment": ["the key"]}
    ),
    "DESCRIBE FUNCTION shows Snowflake's types": Case(
        ["CREATE FUNCTION next(x INT) RETURNS INT AS 'x + 1'"],
        "DESCRIBE FUNCTION next(INT)",
        ("property", "value"),
        [
            (
                'SELECT "value" FROM TABLE(RESULT_SCAN(LAST_QUERY_ID())) WHERE "property" = \'returns\'',
                [("NUMBER(38,0)",)],
            )
        ],
    ),
    "SHOW FUNCTIONS shows Snowflake's types": Case(
        ["CREATE FUNCTION next(x INT) RETURNS INT AS 'x + 1'"],
        "SHOW USER FUNCTIONS",
        {"arguments": ["NEXT(NUMBER) RETURN NUMBER"]},
    ),
    "COPY INTO a stage with COMPRESSION = NONE": Case(
        [TABLE, ROWS, STAGE],
        "COPY INTO @files/people FROM people FILE_FORMAT = (TYPE = CSV COMPRESSION = NONE)",
        {"rows_unloaded": [2]},
        [("LIST @files", {"name": ["files/people_0_0_0.csv"], "size": [12]})],
    ),
    "GET_DDL of a primary key": Case(
        ["CREATE TABLE keyed (id INT, PRIMARY KEY (id))"],
        "SELECT GET_DDL('TABLE', 'keyed')",
        [("create or replace TABLE KEYED (\n\tID NUMBER(38,0) NOT NULL,\n\tprimary key (ID)\n);",)],
    ),
    "GET_DDL of a view": Case(
        [TABLE, VIEW, "CREATE TABLE shown AS SELECT GET_DDL('TABLE', 'names') AS ddl"],
        "SELECT ddl LIKE 'create or replace view NAMES%' FROM shown",
        [(True,)],
    ),
    "SELECT NEXTVAL names its column": Case(["CREATE SEQUENCE ids"], "SELECT ids.NEXTVAL", ("NEXTVAL",)),
}


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

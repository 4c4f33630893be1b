"""Cases of CREATE."""

from __future__ import annotations

from unittest.mock import ANY

from tests.local.statement_cases.case import (
    DESCRIBED,
    DYNAMIC,
    FILE_FORMAT,
    FUNCTION,
    PROCEDURE,
    ROWS,
    STAGE,
    TABLE,
    TYPED_TABLE,
    VIEW,
    Case,
    created,
)

CREATE: dict[str, Case] = {
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
}

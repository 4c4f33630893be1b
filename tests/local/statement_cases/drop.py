"""Cases of DROP and UNDROP."""

from __future__ import annotations

from tests.local.statement_cases.case import (
    ALL_PEOPLE,
    COUNT,
    DYNAMIC,
    FILE_FORMAT,
    FUNCTION,
    GONE,
    PEOPLE,
    PROCEDURE,
    PUT,
    ROWS,
    STAGE,
    TABLE,
    VIEW,
    Case,
    created,
    dropped,
)

DROP: dict[str, Case] = {
    "DROP DYNAMIC TABLE": Case(
        [TABLE, DYNAMIC],
        "DROP DYNAMIC TABLE counted",
        dropped("COUNTED"),
        [("SHOW DYNAMIC TABLES", []), ("SELECT * FROM counted", GONE), ("DROP DYNAMIC TABLE people", GONE)],
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
}

"""Cases of ALTER."""

from __future__ import annotations

from tests.local.statement_cases.case import DONE, DYNAMIC, FILE_FORMAT, GONE, ROWS, STAGE, TABLE, VIEW, Case

ALTER: dict[str, Case] = {
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
    "ALTER STREAM": Case(
        [TABLE, "CREATE STREAM changes ON TABLE people"],
        "ALTER STREAM changes SET COMMENT = 'of people'",
        DONE,
        [("SHOW STREAMS", {"comment": ["of people"]})],
    ),
}

"""Cases of DESCRIBE and DESC."""

from __future__ import annotations

from tests.local.statement_cases.case import (
    DESCRIBED,
    DYNAMIC,
    FILE_FORMAT,
    FORMATTED_STAGE,
    FUNCTION,
    FUNCTION_PROPERTIES,
    GONE,
    PROCEDURE,
    PROCEDURE_PROPERTIES,
    PROPERTIES,
    SKIP_HEADER,
    STAGE,
    STAGE_PROPERTIES,
    TABLE,
    TYPED_TABLE,
    VIEW,
    Case,
)

DESCRIBE: dict[str, Case] = {
    "DESC DYNAMIC TABLE": Case(
        [TABLE, DYNAMIC], "DESC DYNAMIC TABLE counted", {"name": ["N"], "kind": ["COLUMN"]}
    ),
    "DESCRIBE DYNAMIC TABLE": Case(
        [TABLE, DYNAMIC],
        "DESCRIBE DYNAMIC TABLE counted",
        {"name": ["N"], "kind": ["COLUMN"]},
        [("DESCRIBE DYNAMIC TABLE people", GONE)],
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
}

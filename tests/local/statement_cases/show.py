"""Cases of SHOW."""

from __future__ import annotations

from unittest.mock import ANY

from tests.local.statement_cases.case import (
    DONE,
    DYNAMIC,
    FILE_FORMAT,
    FUNCTION,
    GONE,
    PROCEDURE,
    ROWS,
    SHOWN_FUNCTION,
    SHOWN_TABLE,
    SHOWN_VIEW,
    STAGE,
    TABLE,
    TYPED_TABLE,
    VIEW,
    Case,
)

SHOW: dict[str, Case] = {
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
}

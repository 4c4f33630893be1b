"""Cases of other forms of statements: options, clauses and functions that read the catalog."""

from __future__ import annotations

from unittest.mock import ANY

from tests.local.statement_cases.case import (
    ALL_PEOPLE,
    DONE,
    FUNCTION,
    GONE,
    PEOPLE,
    ROWS,
    STAGE,
    TABLE,
    TERSE,
    TYPED_TABLE,
    VIEW,
    Case,
    created,
    dropped,
)

FORMS: dict[str, Case] = {
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

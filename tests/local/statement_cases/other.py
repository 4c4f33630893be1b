"""Cases of transactions, sessions, stages, grants and all other statements."""

from __future__ import annotations

from unittest.mock import ANY

from tests.local.statement_cases.case import (
    _PYTHON,
    ALL_PEOPLE,
    COUNT,
    DONE,
    LISTED,
    LOADED,
    PEOPLE,
    PROCEDURE,
    PUT,
    PUT_BAD,
    ROWS,
    STAGE,
    TABLE,
    Case,
)

OTHER: dict[str, Case] = {
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
    "DECLARE": Case([], "DECLARE a INT DEFAULT 2; BEGIN RETURN a; END", {"anonymous block": [2]}),
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

"""A strict warehouse lets a role do what its privileges allow, and refuses the rest as an account does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector.errors import ProgrammingError

from snowpipe_ml import local

BEFORE = (
    "CREATE DATABASE D",
    "CREATE SCHEMA D.S",
    "CREATE WAREHOUSE W",
    "CREATE TABLE D.S.T (X INT)",
    "CREATE VIEW D.S.V AS SELECT X FROM D.S.T",
    "CREATE STAGE D.S.ST",
    "CREATE FILE FORMAT D.S.F TYPE = CSV",
    "CREATE TAG D.S.G",
    "CREATE SEQUENCE D.S.Q",
    "CREATE FUNCTION D.S.FN(A INT) RETURNS INT AS 'A + 1'",
    "CREATE TASK D.S.K WAREHOUSE = W SCHEDULE = '5 MINUTE' AS SELECT 1",
    "CREATE DYNAMIC TABLE D.S.DT TARGET_LAG = '1 day' WAREHOUSE = W AS SELECT X FROM D.S.T",
    "CREATE ROLE R",
    "CREATE ROLE PARENT",
    "GRANT ROLE R TO ROLE PARENT",
    "GRANT USAGE ON DATABASE D TO ROLE R",
    "GRANT USAGE ON SCHEMA D.S TO ROLE R",
    "GRANT USAGE ON WAREHOUSE W TO ROLE R",
    "USE WAREHOUSE W",
    "USE SCHEMA D.S",
)


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    opened = local.connect(tmp_path_factory.mktemp("account") / "w", "OTHER", "PUBLIC")
    opened.storage.strict = True
    opened.session.role = "ACCOUNTADMIN"
    for statement in BEFORE:
        opened.cursor().execute(statement)
    yield opened
    opened.close()


@pytest.fixture
def run(connection: Any) -> Iterator[Callable[[str], Any]]:
    """Run a statement as the role R, or as the administrator if it begins with a star."""

    def execute(text: str) -> Any:
        connection.session.role = "ACCOUNTADMIN" if text.startswith("*") else "R"
        return connection.cursor().execute(text.removeprefix("*")).fetchall()

    execute("*USE SCHEMA D.S")
    execute("*USE WAREHOUSE W")
    yield execute
    connection.session.role = "ACCOUNTADMIN"


# A statement, the privilege that it needs, and the error of a role without it.
NEEDS = (
    ("SELECT X FROM T", "SELECT ON TABLE D.S.T", "Object 'D.S.T' does not exist or not authorized"),
    ("SELECT X FROM V", "SELECT ON VIEW D.S.V", "Object 'D.S.V' does not exist or not authorized"),
    ("INSERT INTO T VALUES (1)", "INSERT ON TABLE D.S.T", "Object 'D.S.T' does not exist or not authorized"),
    ("DELETE FROM T", "DELETE ON TABLE D.S.T", "Object 'D.S.T' does not exist or not authorized"),
    ("UPDATE T SET X = 1", "UPDATE ON TABLE D.S.T", "Object 'D.S.T' does not exist or not authorized"),
    ("TRUNCATE TABLE T", "TRUNCATE ON TABLE D.S.T", "Object 'D.S.T' does not exist or not authorized"),
    ("LIST @ST", "READ ON STAGE D.S.ST", "Stage 'D.S.ST' does not exist or not authorized"),
    ("REMOVE @ST", "WRITE ON STAGE D.S.ST", "Stage 'D.S.ST' does not exist or not authorized"),
    (
        "SELECT FN(1)",
        "USAGE ON FUNCTION D.S.FN(NUMBER)",
        "Function 'D.S.FN' does not exist or not authorized",
    ),
    ("DESCRIBE TABLE T", "SELECT ON TABLE D.S.T", "Object 'D.S.T' does not exist or not authorized"),
    (
        "CREATE TABLE N1 (X INT)",
        "CREATE TABLE ON SCHEMA D.S",
        "Insufficient privileges to operate on schema 'S'",
    ),
    ("CREATE VIEW N2 AS SELECT 1 AS X", "CREATE VIEW ON SCHEMA D.S", "operate on schema 'S'"),
    ("CREATE STAGE N3", "CREATE STAGE ON SCHEMA D.S", "operate on schema 'S'"),
    ("CREATE FILE FORMAT N4 TYPE = CSV", "CREATE FILE FORMAT ON SCHEMA D.S", "operate on schema 'S'"),
    ("CREATE TAG N5", "CREATE TAG ON SCHEMA D.S", "operate on schema 'S'"),
    ("CREATE FUNCTION N6() RETURNS INT AS '1'", "CREATE FUNCTION ON SCHEMA D.S", "operate on schema 'S'"),
    ("CREATE SEQUENCE N7", "CREATE SEQUENCE ON SCHEMA D.S", "operate on schema 'S'"),
    ("CREATE TASK N8 WAREHOUSE = W AS SELECT 1", "CREATE TASK ON SCHEMA D.S", "operate on schema 'S'"),
    ("EXECUTE TASK K", "OPERATE ON TASK D.S.K", "Task 'D.S.K' does not exist or not authorized"),
    (
        "CREATE DYNAMIC TABLE N9 TARGET_LAG = '1 day' WAREHOUSE = W AS SELECT 1 AS X",
        "CREATE DYNAMIC TABLE ON SCHEMA D.S",
        "operate on schema 'S'",
    ),
    (
        "SELECT X FROM DT",
        "SELECT ON DYNAMIC TABLE D.S.DT",
        "Object 'D.S.DT' does not exist or not authorized",
    ),
    # Its rows are read with the privileges of its owner.
    (
        "ALTER DYNAMIC TABLE DT REFRESH",
        "OPERATE ON DYNAMIC TABLE D.S.DT",
        "Dynamic table 'D.S.DT' does not exist or not authorized",
    ),
    ("CREATE SCHEMA D.NEW", "CREATE SCHEMA ON DATABASE D", "operate on database 'D'"),
    ("CREATE DATABASE NEW", "CREATE DATABASE ON ACCOUNT", "operate on account 'LOCAL'"),
    ("CREATE WAREHOUSE NEW", "CREATE WAREHOUSE ON ACCOUNT", "operate on account 'LOCAL'"),
    ("CREATE ROLE NEW", "CREATE ROLE ON ACCOUNT", "operate on account 'LOCAL'"),
    ("ALTER WAREHOUSE W SET AUTO_SUSPEND = 60", "MODIFY ON WAREHOUSE W", "operate on warehouse 'W'"),
    ("ALTER WAREHOUSE W SUSPEND", "OPERATE ON WAREHOUSE W", "operate on warehouse 'W'"),
)


@pytest.mark.parametrize(("statement", "privilege", "message"), NEEDS, ids=[case[0] for case in NEEDS])
def test_a_statement_needs_its_privilege(
    run: Callable[[str], Any], statement: str, privilege: str, message: str
) -> None:
    with pytest.raises(ProgrammingError, match="(?s)" + message.replace(".", r"\.")) as raised:
        run(statement)
    assert raised.value.errno == (2003 if "authorized" in message else 3001)
    run(f"*GRANT {privilege} TO ROLE R")
    run(statement)
    run(f"*REVOKE {privilege} FROM ROLE R")
    if statement.startswith("CREATE"):
        run(
            f"*DROP {statement.removeprefix('CREATE ').split(' TYPE')[0].split(' TARGET')[0].split(' WAREHOUSE =')[0].split(' AS ')[0].split(' RETURNS')[0].split(' (')[0]}"
        )


def test_objects_belong_to_the_role_that_creates_them(run: Callable[[str], Any]) -> None:
    run("*GRANT CREATE TABLE, CREATE VIEW ON SCHEMA D.S TO ROLE R")
    run("CREATE TABLE MINE AS SELECT 1 AS X")
    run("INSERT INTO MINE VALUES (2)")
    run("CREATE OR REPLACE TABLE MINE (X INT)")
    run("ALTER TABLE MINE ADD COLUMN Y INT")
    run("CREATE VIEW MY_VIEW AS SELECT X FROM MINE")
    run("DROP VIEW MY_VIEW")
    run("DROP TABLE MINE")
    for statement in ("ALTER TABLE T ADD COLUMN Y INT", "CREATE OR REPLACE TABLE T (X INT)", "DROP TABLE T"):
        with pytest.raises(ProgrammingError, match=r"'D\.S\.T' does not exist or not authorized"):
            run(statement)
    run("*GRANT SELECT ON TABLE T TO ROLE R")
    with pytest.raises(ProgrammingError, match="Insufficient privileges to operate on table 'T'"):
        run("DROP TABLE T")
    run("*REVOKE SELECT ON TABLE T FROM ROLE R")
    run("*REVOKE CREATE TABLE, CREATE VIEW ON SCHEMA D.S FROM ROLE R")


def test_a_view_is_read_with_its_own_privilege_and_a_temporary_table_needs_none(
    run: Callable[[str], Any],
) -> None:
    run("*GRANT SELECT ON VIEW V TO ROLE R")
    run("SELECT X FROM V")
    run("CREATE TEMPORARY TABLE FOR_NOW AS SELECT X FROM V")
    run("INSERT INTO FOR_NOW VALUES (1)")
    run("WITH C AS (SELECT X FROM FOR_NOW) SELECT X FROM C")
    run("DROP TABLE FOR_NOW")
    run("*REVOKE SELECT ON VIEW V FROM ROLE R")


def test_merge_and_copy_need_what_they_do(run: Callable[[str], Any]) -> None:
    merge = "MERGE INTO T USING V ON T.X = V.X WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (X) VALUES (V.X)"
    given = ["INSERT ON TABLE T", "DELETE ON TABLE T", "SELECT ON TABLE T", "SELECT ON VIEW V"]
    copy = "COPY INTO T FROM @ST FILE_FORMAT = (FORMAT_NAME = 'F')"
    for statement, privileges in (
        (merge, given),
        (copy, ["INSERT ON TABLE T", "READ ON STAGE ST", "USAGE ON FILE FORMAT F"]),
        ("COPY INTO @ST/x/ FROM T", ["SELECT ON TABLE T", "WRITE ON STAGE ST"]),
        (
            "INSERT OVERWRITE INTO T SELECT X FROM V",
            ["INSERT ON TABLE T", "DELETE ON TABLE T", "SELECT ON VIEW V"],
        ),
    ):
        for privilege in privileges:
            run(f"*GRANT {privilege} TO ROLE R")
        run(statement)
        for privilege in privileges:
            run(f"*REVOKE {privilege} FROM ROLE R")
            with pytest.raises(ProgrammingError, match="not authorized|Insufficient"):
                run(statement)
            run(f"*GRANT {privilege} TO ROLE R")
        for privilege in privileges:
            run(f"*REVOKE {privilege} FROM ROLE R")


def test_without_usage_of_the_place_an_object_is_not_there(run: Callable[[str], Any]) -> None:
    run("*GRANT SELECT ON TABLE T TO ROLE R")
    for place in ("DATABASE D", "SCHEMA D.S"):
        run(f"*REVOKE USAGE ON {place} FROM ROLE R")
        with pytest.raises(ProgrammingError, match="does not exist or not authorized"):
            run("SELECT X FROM D.S.T")
        with pytest.raises(
            ProgrammingError, match="does not exist, or operation cannot be performed|not authorized"
        ):
            run(f"USE {place}")
        run(f"*GRANT USAGE ON {place} TO ROLE R")
    run("SELECT X FROM D.S.T")
    run("*REVOKE SELECT ON TABLE T FROM ROLE R")


def test_roles_inherit_and_grants_need_ownership(run: Callable[[str], Any], connection: Any) -> None:
    run("*GRANT SELECT ON TABLE T TO ROLE R")
    connection.session.role = "PARENT"
    connection.cursor().execute("SELECT X FROM D.S.T")
    with pytest.raises(ProgrammingError, match="Insufficient privileges to operate on table 'T'"):
        run("GRANT SELECT ON TABLE T TO ROLE PARENT")
    run("*GRANT SELECT ON TABLE T TO ROLE R WITH GRANT OPTION")
    run("GRANT SELECT ON TABLE T TO ROLE PARENT")
    run("*REVOKE SELECT ON TABLE T FROM ROLE PARENT")
    run("*REVOKE SELECT ON TABLE T FROM ROLE R")


def test_a_task_is_resumed_with_execute_task(run: Callable[[str], Any]) -> None:
    run("*GRANT OPERATE ON TASK K TO ROLE R")
    with pytest.raises(ProgrammingError, match="Insufficient privileges to operate on account"):
        run("ALTER TASK K RESUME")
    run("*GRANT EXECUTE TASK ON ACCOUNT TO ROLE R")
    run("ALTER TASK K RESUME")
    run("ALTER TASK K SUSPEND")
    run("*GRANT CREATE TASK ON SCHEMA D.S TO ROLE R")
    with pytest.raises(ProgrammingError, match="Insufficient privileges to operate on account"):
        run("CREATE TASK SERVERLESS SCHEDULE = '5 MINUTE' AS SELECT 1")
    run("*GRANT EXECUTE MANAGED TASK ON ACCOUNT TO ROLE R")
    run("CREATE TASK SERVERLESS SCHEDULE = '5 MINUTE' AS SELECT 1")


def test_a_warehouse_that_is_not_strict_checks_nothing(tmp_path: Path) -> None:
    opened = local.connect(tmp_path / "w", "D", "PUBLIC")
    opened.cursor().execute("CREATE ROLE NOBODY")
    opened.cursor().execute("USE ROLE NOBODY")
    opened.cursor().execute("CREATE TABLE T (X INT)")
    assert opened.cursor().execute("SELECT COUNT(*) FROM T").fetchall() == [(0,)]
    opened.close()

"""What becomes of privileges, tags and comments when objects are replaced, renamed, dropped and created."""

from __future__ import annotations

import pytest
from snowflake.snowpark.exceptions import SnowparkSQLException

FUNCTION = (
    "FUNCTION F (A NUMBER){} RETURNS NUMBER LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'f' "
    "AS 'def f(a): return a'"
)
PROCEDURE = (
    "PROCEDURE P (A NUMBER){} RETURNS NUMBER LANGUAGE PYTHON RUNTIME_VERSION = '3.11' HANDLER = 'f' "
    "PACKAGES = ('snowflake-snowpark-python') AS 'def f(session, a): return a'"
)


@pytest.fixture
def ask(query):
    """A function that runs a statement, and the roles READER and WRITER."""
    for role in ("READER", "WRITER"):
        query(f"CREATE ROLE {role}")
    return query


def granted(ask, on: str) -> list[tuple[str, str]]:
    """Return (privilege, role) of the privileges on an object."""
    return sorted((row[1], row[5]) for row in ask(f"SHOW GRANTS ON {on}"))


@pytest.mark.parametrize(
    ("create", "on", "privilege"),
    [
        ("TABLE T {}AS SELECT 1 A", "TABLE T", "SELECT"),
        ("VIEW T {}AS SELECT 1 A", "VIEW T", "SELECT"),
        ("TABLE T (A NUMBER) {}", "TABLE T", "INSERT"),
        (FUNCTION, "FUNCTION F(NUMBER)", "USAGE"),
        (PROCEDURE, "PROCEDURE P(NUMBER)", "USAGE"),
    ],
)
def test_a_replaced_object_loses_its_grants_unless_they_are_copied(ask, create, on, privilege):
    ask(f"CREATE {create.format('')}")
    ask(f"GRANT {privilege} ON {on} TO ROLE READER")
    ask(f"CREATE OR REPLACE {create.format(' COPY GRANTS ')}")
    assert granted(ask, on) == [(privilege, "READER")]
    ask(f"CREATE OR REPLACE {create.format('')}")
    assert granted(ask, on) == []


@pytest.mark.parametrize(
    ("create", "on", "privilege"),
    [
        ("STAGE S", "STAGE S", "READ"),
        ("FILE FORMAT S TYPE = CSV", "FILE FORMAT S", "USAGE"),
        ("SEQUENCE S", "SEQUENCE S", "USAGE"),
    ],
)
def test_a_replaced_object_without_copy_grants_loses_its_grants(ask, create, on, privilege):
    ask(f"CREATE {create}")
    ask(f"GRANT {privilege} ON {on} TO ROLE READER")
    ask(f"CREATE {create.replace(' S', ' IF NOT EXISTS S', 1)}")
    assert granted(ask, on) == [(privilege, "READER")]
    ask(f"CREATE OR REPLACE {create}")
    assert granted(ask, on) == []


@pytest.mark.parametrize("kind", ["TABLE", "VIEW"])
def test_a_dropped_object_loses_its_grants_and_a_renamed_one_keeps_them(ask, kind):
    ask(f"CREATE {kind} T AS SELECT 1 A")
    ask(f"GRANT SELECT ON {kind} T TO ROLE READER")
    ask(f"ALTER {kind} T RENAME TO U")
    assert granted(ask, f"{kind} U") == [("SELECT", "READER")]
    ask(f"DROP {kind} U")
    ask(f"CREATE {kind} U AS SELECT 1 A")
    assert granted(ask, f"{kind} U") == []


def test_a_dropped_function_and_overloads(ask):
    ask(f"CREATE {FUNCTION.format('')}")
    ask(f"CREATE {FUNCTION.format('').replace('A NUMBER', 'A VARCHAR')}")
    ask("GRANT USAGE ON FUNCTION F(INT) TO ROLE READER")
    ask("GRANT USAGE ON FUNCTION F(VARCHAR) TO ROLE WRITER")
    assert granted(ask, "FUNCTION F(NUMBER)") == [("USAGE", "READER")]
    ask("DROP FUNCTION F(NUMBER)")
    ask(f"CREATE {FUNCTION.format('')}")
    assert granted(ask, "FUNCTION F(NUMBER)") == []
    assert granted(ask, "FUNCTION F(VARCHAR)") == [("USAGE", "WRITER")]


def test_a_dropped_schema_and_database_lose_all_grants(ask):
    ask("CREATE DATABASE D")
    ask("CREATE SCHEMA D.S")
    ask("CREATE TABLE D.S.T (A NUMBER)")
    for what in ("DATABASE D", "SCHEMA D.S"):
        ask(f"GRANT USAGE ON {what} TO ROLE READER")
    ask("GRANT SELECT ON TABLE D.S.T TO ROLE READER")
    ask("GRANT SELECT ON FUTURE TABLES IN SCHEMA D.S TO ROLE READER")
    ask("DROP SCHEMA D.S")
    assert [row[3] for row in ask("SHOW GRANTS TO ROLE READER")] == ["D"]
    assert ask("SHOW FUTURE GRANTS TO ROLE READER") == []
    ask("DROP DATABASE D")
    assert ask("SHOW GRANTS TO ROLE READER") == []


def test_future_grants_are_for_new_objects_and_for_those_that_do_not_copy_grants(ask):
    ask("GRANT SELECT ON FUTURE TABLES IN SCHEMA PUBLIC TO ROLE READER")
    shown = ask("SHOW FUTURE GRANTS IN SCHEMA PUBLIC")
    assert [row[1:4] for row in shown] == [("SELECT", "TABLE", f"{shown[0][3].split('.')[0]}.PUBLIC.<TABLE>")]
    ask("CREATE TABLE T (A NUMBER)")
    assert granted(ask, "TABLE T") == [("SELECT", "READER")]
    ask("REVOKE SELECT ON TABLE T FROM ROLE READER")
    ask("GRANT INSERT ON TABLE T TO ROLE WRITER")
    ask("CREATE OR REPLACE TABLE T (A NUMBER) COPY GRANTS")
    assert granted(ask, "TABLE T") == [("INSERT", "WRITER")]
    ask("CREATE OR REPLACE TABLE T (A NUMBER)")
    assert granted(ask, "TABLE T") == [("SELECT", "READER")]
    ask("GRANT USAGE ON FUTURE FUNCTIONS IN SCHEMA PUBLIC TO ROLE READER")
    ask(f"CREATE {FUNCTION.format('')}")
    ask("REVOKE USAGE ON FUNCTION F(NUMBER) FROM ROLE READER")
    ask(f"CREATE OR REPLACE {FUNCTION.format(' COPY GRANTS')}")
    assert granted(ask, "FUNCTION F(NUMBER)") == [("USAGE", "READER")]  # functions always get them


def test_future_grants_of_a_schema_replace_those_of_its_database(ask, session):
    database = session.get_current_database().strip('"')
    ask(f"GRANT SELECT ON FUTURE TABLES IN DATABASE {database} TO ROLE READER")
    ask("CREATE TABLE T (A NUMBER)")
    assert granted(ask, "TABLE T") == [("SELECT", "READER")]
    ask("GRANT INSERT ON FUTURE TABLES IN SCHEMA PUBLIC TO ROLE WRITER")
    ask("CREATE TABLE U (A NUMBER)")
    assert granted(ask, "TABLE U") == [("INSERT", "WRITER")]


def test_a_grant_on_all_objects_is_for_those_that_are_there(ask):
    ask("CREATE TABLE T (A NUMBER)")
    ask("CREATE TABLE U (A NUMBER)")
    ask(f"CREATE {FUNCTION.format('')}")
    ask("GRANT SELECT ON ALL TABLES IN SCHEMA PUBLIC TO ROLE READER")
    ask("GRANT USAGE ON ALL FUNCTIONS IN SCHEMA PUBLIC TO ROLE READER")
    assert granted(ask, "TABLE T") == granted(ask, "TABLE U") == [("SELECT", "READER")]
    assert granted(ask, "FUNCTION F(NUMBER)") == [("USAGE", "READER")]
    ask("CREATE TABLE V (A NUMBER)")
    assert granted(ask, "TABLE V") == []


def test_a_grant_on_what_does_not_exist_is_an_error(ask):
    for on in (
        "TABLE NONE",
        "VIEW NONE",
        "STAGE NONE",
        "FUNCTION NONE(NUMBER)",
        "FILE FORMAT NONE",
        "SCHEMA NONE",
    ):
        with pytest.raises(SnowparkSQLException, match="does not exist"):
            ask(f"GRANT USAGE ON {on} TO ROLE READER")
    with pytest.raises(SnowparkSQLException, match="ALL PIPES"):
        ask("GRANT OPERATE ON ALL PIPES IN SCHEMA PUBLIC TO ROLE READER")


def test_a_clone_has_the_grants_of_its_source_only_if_it_replaces_nothing(ask):
    ask("CREATE TABLE T (A NUMBER)")
    ask("GRANT SELECT ON TABLE T TO ROLE READER")
    ask("CREATE TABLE U CLONE T")
    assert granted(ask, "TABLE U") == []
    ask("GRANT INSERT ON TABLE U TO ROLE WRITER")
    ask("CREATE OR REPLACE TABLE U CLONE T COPY GRANTS")
    assert granted(ask, "TABLE U") == [("INSERT", "WRITER")]
    ask("CREATE TABLE V CLONE T COPY GRANTS")
    assert granted(ask, "TABLE V") == [("SELECT", "READER")]


@pytest.fixture
def tagged(ask):
    """A function that returns the tags of T and of its columns A and B."""
    ask("CREATE TAG COST")

    def tags() -> list[str | None]:
        return [
            ask(f"SELECT SYSTEM$GET_TAG('COST', '{name}', '{domain}')")[0][0]
            for name, domain in (("T", "TABLE"), ("T.A", "COLUMN"), ("T.B", "COLUMN"))
        ]

    return tags


@pytest.mark.parametrize("kind", ["TABLE", "VIEW"])
def test_tags_are_lost_unless_they_are_copied(ask, tagged, kind):
    ask(f"CREATE {kind} T AS SELECT 1 A, 2 B")
    ask(f"ALTER {kind} T SET TAG COST = 'x'")
    ask(f"ALTER {kind} T MODIFY COLUMN A SET TAG COST = 'a'")
    ask(f"ALTER {kind} T MODIFY COLUMN B SET TAG COST = 'b'")
    ask(f"CREATE OR REPLACE {kind} T COPY GRANTS COPY TAGS AS SELECT 2 B, 1 A")
    assert tagged() == ["x", "a", "b"]
    ask(f"CREATE OR REPLACE {kind} T COPY = (TAGS) AS SELECT 1 A")
    assert tagged() == ["x", "a", None]
    ask(f"CREATE OR REPLACE {kind} T COPY TAGS WITH TAG (COST = 'new') AS SELECT 1 A, 2 B")
    assert tagged() == ["x", "a", None]  # the tag of the replaced object takes precedence
    ask(f"CREATE OR REPLACE {kind} T COPY GRANTS AS SELECT 1 A, 2 B")
    assert tagged() == [None, None, None]


@pytest.mark.parametrize("kind", ["TABLE", "VIEW"])
def test_comments_are_lost_unless_they_are_copied_or_said_again(ask, kind):
    def comments() -> tuple[str, dict[str, str]]:
        described = {row[0]: row[9] for row in ask(f"DESCRIBE {kind} T")}
        (shown,) = ask("SHOW OBJECTS LIKE 'T'")
        return shown[5], described

    ask(f"CREATE {kind} T AS SELECT 1 A, 2 B")
    ask(f"COMMENT ON {kind} T IS 'whole'")
    ask("COMMENT ON COLUMN T.A IS 'first'")
    ask(f"CREATE OR REPLACE {kind} T COPY = (COMMENTS, TAGS, GRANTS) AS SELECT 1 A, 3 C")
    assert comments() == ("whole", {"A": "first", "C": None})
    ask(f"CREATE OR REPLACE {kind} T COPY = (COMMENTS) COMMENT = 'said' AS SELECT 1 A")
    assert comments() == ("said", {"A": "first"})
    ask(f"CREATE OR REPLACE {kind} T COPY GRANTS COPY TAGS AS SELECT 1 A")
    assert comments() == ("", {"A": None})


def test_the_columns_of_a_view_may_have_comments(ask):
    ask("CREATE VIEW V (A COMMENT 'the first', B) COPY GRANTS COMMENT = 'it''s' AS SELECT 1, 2")
    assert {row[0]: row[9] for row in ask("DESCRIBE VIEW V")} == {"A": "the first", "B": None}


def test_a_file_format_is_altered(ask):
    def shown() -> tuple[str, dict[str, str]]:
        (row,) = ask("SHOW FILE FORMATS LIKE 'F'")
        return row[6], {row[0]: row[2] for row in ask("DESCRIBE FILE FORMAT F")}

    ask("CREATE FILE FORMAT F TYPE = CSV SKIP_HEADER = 1 FIELD_DELIMITER = ';' COMMENT = 'mine'")
    ask("GRANT USAGE ON FILE FORMAT F TO ROLE READER")
    ask("ALTER FILE FORMAT F SET SKIP_HEADER = 2")
    comment, options = shown()
    assert (comment, options["SKIP_HEADER"], options["FIELD_DELIMITER"]) == ("mine", "2", ";")
    ask("CREATE OR ALTER FILE FORMAT F TYPE = CSV SKIP_HEADER = 3")
    comment, options = shown()
    assert (comment, options["SKIP_HEADER"], options["FIELD_DELIMITER"]) == ("", "3", ",")
    assert granted(ask, "FILE FORMAT F") == [("USAGE", "READER")]
    with pytest.raises(SnowparkSQLException, match="type"):
        ask("ALTER FILE FORMAT F SET TYPE = JSON")
    with pytest.raises(SnowparkSQLException, match="invalid property"):
        ask("ALTER FILE FORMAT F SET STRIP_OUTER_ARRAY = TRUE")
    with pytest.raises(SnowparkSQLException, match="does not exist"):
        ask("ALTER FILE FORMAT NONE SET SKIP_HEADER = 1")
    ask("ALTER FILE FORMAT IF EXISTS NONE SET SKIP_HEADER = 1")
    ask("ALTER FILE FORMAT F RENAME TO G")
    assert granted(ask, "FILE FORMAT G") == [("USAGE", "READER")]


def test_the_grant_option(ask):
    def options() -> list[tuple[str, str]]:
        return [(row[1], row[6]) for row in ask("SHOW GRANTS TO ROLE READER")]

    ask("CREATE TABLE T (A NUMBER)")
    ask("GRANT SELECT ON TABLE T TO ROLE READER WITH GRANT OPTION")
    assert options() == [("SELECT", "true")]
    ask("REVOKE GRANT OPTION FOR SELECT ON TABLE T FROM ROLE READER")
    assert options() == [("SELECT", "false")]
    ask("GRANT DATABASE ROLE SNOWFLAKE.PYPI_REPOSITORY_USER TO ROLE READER")
    assert [(row[1], row[2], row[3]) for row in ask("SHOW GRANTS TO ROLE READER")] == [
        ("SELECT", "TABLE", "LOCAL.PUBLIC.T"),
        ("USAGE", "DATABASE_ROLE", "SNOWFLAKE.PYPI_REPOSITORY_USER"),
    ]

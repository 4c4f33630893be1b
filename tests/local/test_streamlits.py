"""Streamlit objects: kept, shown, described, changed and dropped, as the documentation says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from snowflake.snowpark.exceptions import SnowparkSQLException

Query = Callable[[str], list[tuple[Any, ...]]]


def test_an_application_is_created_shown_described_and_dropped(session: Any, query: Query) -> None:
    query("CREATE STAGE code")
    (created,) = query(
        "CREATE STREAMLIT app FROM '@code/v1' MAIN_FILE = 'streamlit_app.py' QUERY_WAREHOUSE = My_wh "
        "TITLE = 'it''s' COMMENT = 'c'"
    )
    assert created == ("Streamlit APP successfully created.",)
    (shown,) = session.sql("SHOW STREAMLITS LIKE 'ap%' IN SCHEMA PUBLIC").collect()
    assert [
        shown[name]
        for name in ("name", "database_name", "schema_name", "title", "comment", "query_warehouse")
    ] == [
        "APP",
        "LOCAL",
        "PUBLIC",
        "it's",
        "c",
        "MY_WH",
    ]
    (described,) = session.sql("DESCRIBE STREAMLIT app").collect()
    assert (described["root_location"], described["main_file"]) == ("@code/v1", "streamlit_app.py")
    assert described["url_id"] == shown["url_id"]
    assert query("DROP STREAMLIT app") == [("APP successfully dropped.",)]
    assert query("SHOW STREAMLITS") == []
    with pytest.raises(SnowparkSQLException, match=r"Streamlit 'LOCAL\.PUBLIC\.APP' does not exist"):
        query("DROP STREAMLIT app")
    query("DROP STREAMLIT IF EXISTS app")


def test_an_application_is_replaced_altered_and_renamed(session: Any, query: Query) -> None:
    query("CREATE STAGE code")
    query("CREATE STREAMLIT app ROOT_LOCATION = '@code' MAIN_FILE = 'a.py' QUERY_WAREHOUSE = \"My wh\"")
    with pytest.raises(SnowparkSQLException, match="already exists"):
        query("CREATE STREAMLIT app FROM '@code'")
    query("CREATE STREAMLIT IF NOT EXISTS app FROM '@code/other'")
    query("ALTER STREAMLIT app SET TITLE = 't' COMMENT = 'c'")
    query("ALTER STREAMLIT app UNSET COMMENT")
    query("GRANT USAGE ON STREAMLIT app TO ROLE SYSADMIN")
    query("ALTER STREAMLIT app RENAME TO other")
    (shown,) = session.sql("SHOW STREAMLITS").collect()
    assert [shown[name] for name in ("name", "title", "comment", "query_warehouse")] == [
        "OTHER",
        "t",
        None,
        "My wh",
    ]
    assert [row["name"] for row in session.sql("SHOW GRANTS ON STREAMLIT other").collect()] == [
        "LOCAL.PUBLIC.OTHER"
    ]
    query("CREATE OR REPLACE STREAMLIT other FROM @code/v2")
    (described,) = session.sql("DESC STREAMLIT other").collect()
    assert (described["root_location"], described["title"]) == ("@code/v2", None)
    query("DROP SCHEMA PUBLIC")
    query("CREATE SCHEMA PUBLIC")
    assert query("SHOW STREAMLITS") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CREATE STREAMLIT a FROM '@nowhere/v1'", r"Stage 'LOCAL\.PUBLIC\.NOWHERE' does not exist"),
        ("CREATE STREAMLIT a FROM 'code/v1'", "is not a location on a stage"),
        ("CREATE STREAMLIT a FROM '@code' COLOUR = 'red'", "invalid property 'COLOUR' for 'STREAMLIT'"),
        ("CREATE STREAMLIT a FROM '@code' MAIN_FILE = 'b/c.py'", "must be a file name, not a path"),
        (
            "CREATE STREAMLIT a ROOT_LOCATION = '@code' RUNTIME_NAME = 'SYSTEM$ST_CONTAINER_RUNTIME_PY3_11'",
            "ROOT_LOCATION is not supported for container runtimes",
        ),
        ("ALTER STREAMLIT a SET TITLE = 't'", r"Streamlit 'LOCAL\.PUBLIC\.A' does not exist"),
        ("DESCRIBE STREAMLIT a", r"Streamlit 'LOCAL\.PUBLIC\.A' does not exist"),
    ],
)
def test_mistakes_are_refused(query: Query, text: str, message: str) -> None:
    query("CREATE STAGE code")
    with pytest.raises(SnowparkSQLException, match=message):
        query(text)


def test_a_container_runtime_takes_a_path(session: Any, query: Query) -> None:
    query("CREATE STAGE code")
    query(
        "CREATE STREAMLIT a FROM '@code' MAIN_FILE = 'src/app.py' RUNTIME_NAME = 'SYSTEM$ST_CONTAINER_RUNTIME_PY3_11' "
        "COMPUTE_POOL = pool QUERY_WAREHOUSE = wh EXTERNAL_ACCESS_INTEGRATIONS = (pypi)"
    )
    (described,) = session.sql("DESCRIBE STREAMLIT a").collect()
    assert (described["compute_pool"], described["runtime_name"]) == (
        "POOL",
        "SYSTEM$ST_CONTAINER_RUNTIME_PY3_11",
    )

"""Dynamic tables: refreshed by statements, and changed by nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from snowflake.snowpark.exceptions import SnowparkSQLException

from snowpipe_ml.local.statements import dynamic_tables

Query = Callable[[str], list[tuple[Any, ...]]]

MADE = "CREATE DYNAMIC TABLE counts TARGET_LAG = '20 minutes' WAREHOUSE = wh REFRESH_MODE = {} AS {}"


@pytest.fixture
def counts(query: Query) -> Query:
    query("CREATE TABLE t (a INT, b VARCHAR(5))")
    query("INSERT INTO t VALUES (1, 'x')")
    query(
        MADE.format(
            "AUTO INITIALIZE = ON_CREATE CLUSTER BY (a) COMMENT = 'c'",
            "SELECT a, COUNT(*) AS n FROM t GROUP BY a",
        )
    )
    return query


def test_a_refresh_computes_the_dynamic_tables_that_it_reads_first(counts: Query) -> None:
    counts(
        "CREATE DYNAMIC TABLE total TARGET_LAG = DOWNSTREAM WAREHOUSE = wh AS SELECT SUM(n) AS n FROM counts"
    )
    counts("INSERT INTO t VALUES (2, 'y'), (2, 'z')")
    assert counts("SELECT n FROM total") == [(1,)]
    counts("CREATE SCHEMA other")  # the names of the query are those of the schema in which it was created
    counts("ALTER DYNAMIC TABLE public.total REFRESH")
    assert counts("SELECT CURRENT_SCHEMA(), n FROM public.total") == [("OTHER", 3)]
    assert counts("SELECT * FROM public.counts ORDER BY a") == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO counts VALUES (1, 2)",
        "INSERT OVERWRITE INTO counts SELECT 1, 2",
        "UPDATE counts SET n = 1",
        "DELETE FROM counts",
        "MERGE INTO counts USING t ON counts.a = t.a WHEN MATCHED THEN DELETE",
        "TRUNCATE TABLE counts",
        "ALTER TABLE counts ADD COLUMN x INT",
        "DROP TABLE counts",
        "CREATE OR REPLACE TABLE counts (a INT)",
    ],
)
def test_only_a_refresh_changes_it(counts: Query, statement: str) -> None:
    with pytest.raises(SnowparkSQLException, match=r"dynamic table 'LOCAL\.PUBLIC\.COUNTS'"):
        counts(statement)
    assert counts("SELECT * FROM counts") == [(1, 1)]
    assert len(counts("SHOW DYNAMIC TABLES")) == 1


def test_show_has_the_columns_and_states_of_snowflake(counts: Query) -> None:
    """https://docs.snowflake.com/en/sql-reference/sql/show-dynamic-tables"""
    counts("INSERT INTO t VALUES (2, 'y')")
    counts("ALTER DYNAMIC TABLE counts REFRESH")
    counts("ALTER DYNAMIC TABLE counts SUSPEND")
    counts("SHOW DYNAMIC TABLES")
    shown = counts(
        'SELECT "rows", "cluster_by", "target_lag", "scheduler", "refresh_mode", "scheduling_state", '
        '"last_suspended_on" IS NOT NULL, "is_clone", "comment" FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()))'
    )
    assert shown == [
        (2, "LINEAR(a)", "20 minutes", None, "FULL", "SUSPENDED", True, "false", "c"),
    ]
    counts("ALTER DYNAMIC TABLE counts RESUME")
    counts("SHOW DYNAMIC TABLES")
    assert counts('SELECT "scheduling_state" FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()))') == [("RUNNING",)]


def test_get_ddl_and_the_tags_of_a_replaced_one(counts: Query) -> None:
    assert counts("SELECT GET_DDL('DYNAMIC_TABLE', 'counts')") == [
        (
            "create or replace dynamic table COUNTS(\n\tA,\n\tN\n) target_lag = '20 minutes' refresh_mode = FULL "
            "initialize = ON_CREATE warehouse = WH\n as SELECT a, COUNT(*) AS n FROM t GROUP BY a;",
        )
    ]
    counts("CREATE TAG who")
    counts("ALTER DYNAMIC TABLE counts SET TAG who = 'us'")
    replaced = MADE.replace("CREATE", "CREATE OR REPLACE")
    counts(replaced.format("AUTO COPY GRANTS COPY TAGS", "SELECT a FROM t"))
    assert counts("SELECT SYSTEM$GET_TAG('who', 'counts', 'TABLE')") == [("us",)]
    counts(replaced.format("AUTO COPY GRANTS", "SELECT a FROM t"))
    assert counts("SELECT SYSTEM$GET_TAG('who', 'counts', 'TABLE')") == [(None,)]


def test_it_is_created_whole_or_not_at_all(counts: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("the process ends here")

    monkeypatch.setattr(dynamic_tables, "keep_options", fail)
    with pytest.raises(Exception, match="ends here"):
        counts("CREATE DYNAMIC TABLE x TARGET_LAG = '1 day' WAREHOUSE = wh AS SELECT 1 AS a")
    with pytest.raises(SnowparkSQLException, match="does not exist"):
        counts("SELECT * FROM x")
    with pytest.raises(Exception, match="ends here"):
        counts("CREATE OR REPLACE DYNAMIC TABLE counts TARGET_LAG = '1 day' WAREHOUSE = wh AS SELECT 1 AS a")
    assert counts("SELECT * FROM counts") == [(1, 1)]


def test_a_failed_refresh_leaves_its_rows(counts: Query) -> None:
    counts("ALTER TABLE t DROP COLUMN a")
    with pytest.raises(SnowparkSQLException, match="invalid identifier"):
        counts("ALTER DYNAMIC TABLE counts REFRESH")
    assert counts("SELECT * FROM counts") == [(1, 1)]
    with pytest.raises(SnowparkSQLException, match="invalid identifier"):
        counts(
            "CREATE OR REPLACE DYNAMIC TABLE counts TARGET_LAG = '1 day' WAREHOUSE = wh AS SELECT a FROM t"
        )
    assert counts("SELECT * FROM counts") == [(1, 1)]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "CREATE DYNAMIC TABLE x TARGET_LAG = '5 seconds' WAREHOUSE = wh AS SELECT 1 AS a",
            "at least 60 seconds",
        ),
        (
            "CREATE DYNAMIC TABLE x TARGET_LAG = 'often' WAREHOUSE = wh AS SELECT 1 AS a",
            "invalid value 'often'",
        ),
        ("CREATE DYNAMIC TABLE x WAREHOUSE = wh AS SELECT 1 AS a", "TARGET_LAG"),
        ("CREATE DYNAMIC TABLE x TARGET_LAG = '1 day' AS SELECT 1 AS a", "WAREHOUSE"),
        (MADE.format("SOMETIMES", "SELECT 1 AS a").replace("counts", "x"), "REFRESH_MODE"),
        (MADE.format("FULL INITIALIZE = ON_SCHEDULE", "SELECT 1 AS a").replace("counts", "x"), "ON_SCHEDULE"),
        (
            MADE.format("FULL", "SELECT 1 AS a").replace(
                "DYNAMIC TABLE counts", "OR REPLACE DYNAMIC TABLE t"
            ),
            "is a TABLE",
        ),
        ("CREATE DYNAMIC TABLE x (a INT) TARGET_LAG = '1 day' WAREHOUSE = wh AS SELECT 1", "list of columns"),
        (
            "CREATE OR ALTER DYNAMIC TABLE x TARGET_LAG = '1 day' WAREHOUSE = wh AS SELECT 1 AS a",
            "CREATE OR ALTER",
        ),
    ],
)
def test_what_is_not_possible_is_refused(counts: Query, statement: str, message: str) -> None:
    with pytest.raises(SnowparkSQLException, match=message):
        counts(statement)

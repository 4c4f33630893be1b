from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml.plugins import RunContext
from snowpipe_ml.sql import QualifiedName, Sql
from snowpipe_ml.steps.data.publish import (
    publish_functions,
    publish_table,
    publish_view,
    replace_table,
    replace_view,
)
from tests.recorder import Recorder

T = QualifiedName.of("T")


@pytest.fixture
def ctx(session: Any, tmp_path: Path) -> RunContext:
    return RunContext(
        base_dir=tmp_path, cache_dir=tmp_path, target="local", scope={}, opened=session, run=None
    )


def test_the_same_columns_are_overwritten_in_place(ctx: RunContext, query: Any) -> None:
    assert publish_table(ctx, T, Sql("SELECT 1 AS A, 'x' AS B")) == 1
    query("CREATE TAG m")
    query("ALTER TABLE t SET TAG m = 'kept'")
    assert publish_table(ctx, T, Sql("SELECT A + 1 AS A, B FROM T UNION ALL SELECT 7, 'y'")) == 2
    assert query("SELECT A FROM T ORDER BY A") == [(2,), (7,)]
    assert query("SELECT SYSTEM$GET_TAG('m', 't', 'table')") == [("kept",)]


def test_other_columns_replace_the_table(ctx: RunContext, query: Any) -> None:
    publish_table(ctx, T, Sql("SELECT 1 AS A"))
    assert publish_table(ctx, T, Sql("SELECT 1 AS A, 2 AS B")) == 1
    assert publish_table(ctx, T, Sql("SELECT 'text' AS A, 2 AS B")) == 1
    assert query("SELECT * FROM T") == [("text", 2)]


def test_a_failure_leaves_the_table_as_it_was(ctx: RunContext, query: Any) -> None:
    publish_table(ctx, T, Sql("SELECT 1 AS A"))
    with pytest.raises(Exception, match="Numeric value 'x' is not recognized"):
        publish_table(ctx, T, Sql("SELECT 'x'::INT AS A"))
    assert query("SELECT * FROM T") == [(1,)]


def test_the_statements_that_replace_are_as_snowflake_documents_them(ctx: RunContext, query: Any) -> None:
    query("CREATE ROLE READER")
    for kind, name in (("TABLE", "T"), ("VIEW", "V"), ("TABLE", "C")):
        query(f"CREATE {kind} {name} AS SELECT 1 AS A, 2 AS B")
        query(f"COMMENT ON {kind} {name} IS 'it''s'")
        query(f"COMMENT ON COLUMN {name}.A IS 'first'")
    function = (
        "CREATE OR REPLACE FUNCTION F (X {}) COPY GRANTS RETURNS NUMBER LANGUAGE PYTHON "
        "RUNTIME_VERSION = '3.11' HANDLER = 'f' AS 'def f(x): return 1'"
    )
    query(function.format("NUMBER"))
    query(function.format("VARCHAR"))
    query("COMMENT ON FUNCTION F(NUMBER) IS 'ours'")
    recorder = Recorder(ctx.session)
    publish_table(ctx, T, Sql("SELECT 1 AS A, 3 AS C"))
    publish_view(ctx, QualifiedName.of("V"), Sql("SELECT 1 AS A, 3 AS C"))
    replace_table(ctx, QualifiedName.of("C"), Sql("CLONE T"), ctx.shown(QualifiedName.of("C")))
    publish_functions(ctx, QualifiedName.of("F"), [Sql(function.format("VARCHAR"))])
    changes = [text for text in recorder.statements if text.startswith(("CREATE", "COMMENT"))]
    assert changes == [
        "CREATE OR REPLACE TABLE T COPY GRANTS COPY TAGS COMMENT = 'it''s' AS SELECT 1 AS A, 3 AS C",
        "COMMENT ON COLUMN T.A IS 'first'",
        "CREATE OR REPLACE VIEW V (A COMMENT 'first', C) COPY GRANTS COPY TAGS COMMENT = 'it''s' "
        "AS SELECT 1 AS A, 3 AS C",
        "CREATE OR REPLACE TABLE C CLONE T COPY GRANTS COPY TAGS COMMENT = 'it''s'",
        "COMMENT ON COLUMN C.A IS 'first'",
        function.format("VARCHAR"),
        "COMMENT ON FUNCTION F (NUMBER) IS 'ours'",
    ]


def test_what_is_new_gets_the_privileges_on_future_objects(ctx: RunContext, query: Any) -> None:
    query("CREATE ROLE READER")
    for kind in ("TABLES", "VIEWS"):
        query(f"GRANT SELECT ON FUTURE {kind} IN SCHEMA PUBLIC TO ROLE READER")
    publish_table(ctx, T, Sql("SELECT 1 AS A"))
    publish_view(ctx, QualifiedName.of("V"), Sql("SELECT 1 AS A"))
    assert [(row[1], row[3].split(".")[-1]) for row in query("SHOW GRANTS TO ROLE READER")] == [
        ("SELECT", "T"),
        ("SELECT", "V"),
    ]


def test_a_view_is_replaced_only_if_it_differs(ctx: RunContext, query: Any) -> None:
    name = QualifiedName.of("V")
    query("CREATE TABLE BASE (A NUMBER(5), B VARCHAR(3), C TIMESTAMP_LTZ(3), D TIME(0), E VARIANT)")
    star, text = Sql("SELECT * FROM BASE"), Sql("-- why\nSELECT 'x' AS T, A / 3 AS N, D FROM BASE")
    replaced = []
    for view, change in (
        (star, "COMMENT ON COLUMN V.A IS 'kept'"),
        (star, "INSERT INTO BASE (A) VALUES (1)"),
        (star, "SELECT 1"),
        (text, "SELECT 1"),
        (text, "CREATE OR REPLACE VIEW V (A, B, C) AS -- why\nSELECT 'x' AS T, A / 3 AS N, D FROM BASE"),
        (text, "SELECT 1"),
        (Sql("SELECT 'x' AS T, A / 3 AS N, D FROM BASE"), "SELECT 1"),
    ):
        recorder = Recorder(ctx.opened)
        publish_view(ctx, name, view)
        replaced.append(any(text.startswith("CREATE OR REPLACE VIEW") for text in recorder.statements))
        ctx.opened.connection.listeners.clear()
        query(change)
    assert replaced == [True, False, False, True, False, True, True]
    query("ALTER TABLE BASE DROP COLUMN D")
    publish_view(ctx, name, Sql("SELECT A FROM BASE"))
    assert query("SELECT A FROM V") == [(1,)]


def test_a_view_of_a_source_does_not_replace_a_table(ctx: RunContext, query: Any) -> None:
    query("CREATE TABLE V (A NUMBER)")
    name = QualifiedName.of("V")
    with pytest.raises(Exception, match="is a TABLE and cannot be replaced by a VIEW"):
        replace_view(ctx, name, Sql("SELECT 1 AS A"), ctx.shown(name))

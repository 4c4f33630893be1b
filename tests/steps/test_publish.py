from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml.plugins import RunContext
from snowpipe_ml.sql import QualifiedName, Sql
from snowpipe_ml.steps.data.publish import publish_table

T = QualifiedName.of("T")


@pytest.fixture
def ctx(session: Any, tmp_path: Path) -> RunContext:
    return RunContext(
        base_dir=tmp_path, cache_dir=tmp_path, target="local", scope={}, session=session, run=None
    )  # type: ignore[arg-type]


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

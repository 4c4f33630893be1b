"""CREATE TABLE ... USING TEMPLATE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet


def test_a_table_has_the_columns_of_a_file(query: Any, tmp_path: Path) -> None:
    (tmp_path / "trips.csv").write_text("id,Name\n1,a\n22,b\n", encoding="utf-8")
    query("CREATE STAGE s")
    query(f"PUT file://{tmp_path / 'trips.csv'} @s")
    query("CREATE FILE FORMAT f TYPE = CSV PARSE_HEADER = TRUE")
    query(
        "CREATE TABLE t USING TEMPLATE (SELECT ARRAY_AGG(OBJECT_CONSTRUCT(*)) WITHIN GROUP (ORDER BY order_id) "
        "FROM TABLE(INFER_SCHEMA(LOCATION => '@s', FILE_FORMAT => 'f')))"
    )
    assert [row[:2] for row in query("DESCRIBE TABLE t")] == [
        ("id", "NUMBER(2,0)"),
        ("Name", "VARCHAR(16777216)"),
    ]


@pytest.mark.parametrize(
    "query_text", ["SELECT 1", "SELECT [1]", "SELECT []", "SELECT [{'COLUMN_NAME': 'a'}]"]
)
def test_a_query_that_describes_no_columns_is_refused(query: Any, query_text: str) -> None:
    with pytest.raises(Exception, match="USING TEMPLATE needs"):
        query(f"CREATE TABLE t USING TEMPLATE ({query_text})")


def test_nested_columns_of_a_file_are_variants(session: Any, query: Any, tmp_path: Path) -> None:
    nested = pa.table({"o": [{"city": "Rome"}], "a": [[1, 2]], "n": [1]})
    parquet.write_table(nested, tmp_path / "x.parquet")
    query("CREATE STAGE s")
    query(f"PUT file://{tmp_path / 'x.parquet'} @s AUTO_COMPRESS = FALSE")
    query("CREATE FILE FORMAT f TYPE = PARQUET")
    inferred = "INFER_SCHEMA(LOCATION => '@s', FILE_FORMAT => 'f', INFER_NESTED_TYPES => {})"
    assert query(f"SELECT COLUMN_NAME, TYPE FROM TABLE({inferred.format('FALSE')})") == [
        ("o", "VARIANT"),
        ("a", "VARIANT"),
        ("n", "NUMBER(38, 0)"),
    ]
    with pytest.raises(Exception, match="does not support INFER_SCHEMA with INFER_NESTED_TYPES = TRUE"):
        query(f"SELECT * FROM TABLE({inferred.format('TRUE')})")
    frame = session.create_dataframe(nested.to_pandas())
    assert [field.datatype.simple_string() for field in frame.schema] == [
        "variant",
        "variant",
        "bigint",
    ]
    city, second = frame['"o"']["city"].cast("string"), frame['"a"'][1].cast("int")
    assert frame.select(city, second).collect() == [("Rome", 2)]

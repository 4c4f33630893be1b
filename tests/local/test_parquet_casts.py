"""COPY of a Parquet file casts its columns by their types in the file, which is as fast as DuckDB's own load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from snowpipe_ml.local.core.duck import Duck


def test_known_types_need_no_conversion_through_other_types(
    query: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pa.table({"N": pa.array([1, None, 3], pa.int32()), "NAME": ["a", "b", None]})
    pq.write_table(table, tmp_path / "rows.parquet")
    query("CREATE TABLE loaded (n NUMBER, name VARCHAR)")
    query("CREATE STAGE files")
    query(f"PUT 'file://{tmp_path}/rows.parquet' @files AUTO_COMPRESS = FALSE")
    texts: list[str] = []
    execute = Duck.execute

    def recorded(self: Duck, text: str, *arguments: Any) -> Any:
        texts.append(text)
        return execute(self, text, *arguments)

    monkeypatch.setattr(Duck, "execute", recorded)
    query(
        "COPY INTO loaded FROM @files FILE_FORMAT = (TYPE = PARQUET) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
    )
    monkeypatch.undo()
    assert query("SELECT * FROM loaded ORDER BY name") == [(1, "a"), (None, "b"), (3, None)]
    (insert,) = (text for text in texts if 'INTO "' in text and '"LOADED"' in text)
    assert 'CAST("$N" AS BIGINT)' in insert
    assert "DECIMAL" not in insert
    assert "sf_text" not in insert.lower()

"""Run a DuckDB query and return its columns and rows."""

from __future__ import annotations

import pyarrow as pa

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import Column


def select(session: Session, sql_text: str) -> tuple[list[Column], pa.Table]:
    """Run a DuckDB query and return its columns and rows."""
    relation = session.duck.query(sql_text)
    if relation is None:
        return [], pa.table({})
    names = (name.rstrip(errors.TWIN) for name in relation.columns)
    columns = [Column(name, str(kind)) for name, kind in zip(names, relation.types, strict=True)]
    # Column names may repeat, so the columns of the table are named by position.
    table = relation.to_arrow_table()
    return columns, table.rename_columns([str(i) for i in range(table.num_columns)])

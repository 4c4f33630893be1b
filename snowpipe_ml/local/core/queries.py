"""Run a DuckDB query and return its columns and rows."""

from __future__ import annotations

import pyarrow as pa

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import Column


def select(session: Session, sql_text: str) -> tuple[list[Column], pa.Table]:
    """Run a DuckDB query and return its columns and rows."""
    described, table = session.duck.fetch(sql_text)
    columns = [Column(name.rstrip(errors.TWIN), kind) for name, kind in described]
    # Column names may repeat, so the columns of the table are named by position.
    return columns, table.rename_columns([str(i) for i in range(table.num_columns)])

"""Column definitions from a query: CREATE TABLE ... USING TEMPLATE.

https://docs.snowflake.com/en/sql-reference/sql/create-table
"""

from __future__ import annotations

import json
from collections.abc import Callable

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import quoted
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.core.types import python_values


def template_columns(query: str, run: Callable[[str], Result]) -> str:
    """Return the definitions of the columns that a query describes, usually one of INFER_SCHEMA.

    Args:
        query: it returns one ARRAY of objects with the keys COLUMN_NAME, TYPE and NULLABLE.
        run: runs a query.

    Raises:
        ProgrammingError: the query returns something else.
    """
    result = run(query)
    if len(result.columns) != 1 or result.table.num_rows != 1:
        raise errors.compilation("USING TEMPLATE needs a query that returns one ARRAY")
    (value,) = python_values(result.columns[0], result.table.column(0))
    described = json.loads(value) if isinstance(value, str) else None
    if not isinstance(described, list) or not described:
        raise errors.compilation("USING TEMPLATE needs the columns of at least one file")
    return ", ".join(_definition(column) for column in described)


def _definition(column: object) -> str:
    if not isinstance(column, dict) or not {"COLUMN_NAME", "TYPE"} <= column.keys():
        raise errors.compilation("USING TEMPLATE needs objects with the keys COLUMN_NAME and TYPE")
    required = "" if column.get("NULLABLE", True) else " NOT NULL"
    return f"{quoted(str(column['COLUMN_NAME']))} {column['TYPE']}{required}"

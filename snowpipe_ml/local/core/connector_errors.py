"""The only place that converts DuckDB's errors to errors of Snowflake's connector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from snowpipe_ml.local.core import duckdb_errors, errors

if TYPE_CHECKING:
    from snowflake.connector.errors import ProgrammingError


@contextmanager
def connector_errors(carried: Callable[[Exception], ProgrammingError | None]) -> Iterator[None]:
    """Raise errors of a statement as the connector's.

    Args:
        carried: returns the original error, such as that of a Python function, if DuckDB only passed it on.

    Raises:
        ProgrammingError: as Snowflake would raise it.
        UnsupportedError: Snowflake may support the statement, but the embedded warehouse does not.
    """
    try:
        yield
    except duckdb.Error as raised:
        raise carried(raised) or duckdb_errors.translate(raised) from raised
    except NotImplementedError as raised:  # raised by sqlglot
        raise errors.UnsupportedError(str(raised) or "this use of a function") from raised

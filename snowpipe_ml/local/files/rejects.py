"""The rows that DuckDB's CSV reader rejects, with Snowflake's messages and error codes.

They stay in DuckDB, because there may be millions of them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from snowpipe_ml.local.catalog.load_history import SYNTAX_CODES, Loaded, Rejected
from snowpipe_ml.local.core.duck import Duck
from snowpipe_ml.local.core.names import Name, literal
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import TIMESTAMP_TZ, Column
from snowpipe_ml.local.files.conversions import NUMBER
from snowpipe_ml.local.files.copy import Copy
from snowpipe_ml.local.files.csv import MAX_LINE
from snowpipe_ml.local.files.csv_columns import Reading

# Bytes of a file that one task of DuckDB's parallel reader scans.
TASK = 4 * MAX_LINE
# Messages end with: Could not convert string "value" to 'TYPE'. Regular expressions are many times slower.
_REST = "substr(error_message, position('Could not convert string ' IN error_message) + 26)"
_VALUE = f"left({_REST}, length({_REST}) - position(' ot ' IN reverse({_REST})) - 4)"
_WIDTH = "'Expected Number of Columns: (\\d+) Found: (\\d+)'"
_LENGTH_KIND = "LINE SIZE OVER MAXIMUM"
_WIDTH_KINDS = "('TOO MANY COLUMNS', 'MISSING COLUMNS')"


class Rejects:
    """The tables in which DuckDB's reader stores the rejected rows of one COPY.

    Args:
        duck: the DuckDB connection of the session, in the transaction of the COPY.
    """

    def __init__(self, duck: Duck) -> None:
        self.duck = duck
        self._passes: list[Name] = []

    def arguments(self, kinds: str = "true") -> list[str]:
        """Return the arguments with which another pass of the reader stores its rejects.

        Args:
            kinds: a condition on the rejects to keep; others are ignored.
        """
        suffix = uuid.uuid4().hex
        scans, table = f"_scans_{suffix}", f"_errors_{suffix}"
        self._passes.append((scans, table, kinds))
        return [
            "store_rejects = true",
            f"rejects_scan = '{scans}'",
            f"rejects_table = '{table}'",
            "rejects_limit = 0",
        ]

    def add(self, other: Rejects) -> None:
        """Add the rejects of other passes."""
        self._passes += other._passes

    @property
    def rows(self) -> str:
        """A query in parentheses that returns all rejects of all passes."""
        parts = [
            f"SELECT ({number}::BIGINT << 48) + e.rowid AS id, file_path, line, line_byte_position, "
            "byte_position - line_byte_position + 1 AS place, column_idx, column_name, error_type::VARCHAR AS error_type, "
            f"csv_line, error_message FROM {table} e JOIN {scans} "
            f"USING (scan_id, file_id) WHERE {kinds}"
            for number, (scans, table, kinds) in enumerate(self._passes)
        ]
        return f"({' UNION ALL '.join(parts)})"

    @property
    def firsts(self) -> str:
        """A query in parentheses that returns the first reject of each row."""
        return f"(SELECT * FROM {self.rows} WHERE id IN (SELECT arg_min(id, column_idx) FROM {self.rows} GROUP BY file_path, line))"

    @property
    def any(self) -> bool:
        """Return whether a row was rejected."""
        return any(
            self.duck.execute(f"SELECT 1 FROM {table} WHERE {kinds} LIMIT 1").fetchall()
            for _, table, kinds in self._passes
        )

    def need_records(self, *, strict_width: bool) -> bool:
        """Return whether a row was rejected that is only read, or described as Snowflake does, record by record.

        Args:
            strict_width: whether a row with another number of fields is an error.
        """
        kinds = f"('{_LENGTH_KIND}')" if strict_width else f"('{_LENGTH_KIND}', {_WIDTH_KINDS[1:]}"
        row = self.duck.execute(f"SELECT 1 FROM {self.rows} WHERE error_type IN {kinds} LIMIT 1").fetchone()
        return row is not None

    def hide_rows(self) -> bool:
        """Return whether the rejects may have ended a parallel scan early, so that later rows were not read.

        DuckDB takes a task of the scan that finds no valid row for the last one.
        """
        # Consecutive rejects, with at most blank lines between them, are one run.
        row = self.duck.execute(f"""
            SELECT max(extent) FROM (SELECT max(line_byte_position) - min(line_byte_position) AS extent FROM (
              SELECT file_path, line_byte_position, sum(CASE WHEN line - before > 1
                AND line_byte_position - start > strlen(record) + 2 * (line - before) THEN 1 ELSE 0 END)
                OVER (PARTITION BY file_path ORDER BY line) AS run
              FROM (SELECT file_path, line, line_byte_position, lag(line) OVER following AS before,
                      lag(line_byte_position) OVER following AS start, lag(csv_line) OVER following AS record
                    FROM {self.firsts}
                    WINDOW following AS (PARTITION BY file_path ORDER BY line)))
            GROUP BY file_path, run)""").fetchone()
        # A task starts and ends within a line, so it may be up to two lines shorter than its size.
        return row is not None and row[0] is not None and int(row[0]) >= TASK - 3 * MAX_LINE

    def drop(self) -> None:
        """Drop the tables and forget the rejects."""
        for scans, table, _ in self._passes:
            self.duck.execute(f"DROP TABLE IF EXISTS {scans}")
            self.duck.execute(f"DROP TABLE IF EXISTS {table}")
        self._passes.clear()


def has_known_values(rejects: Rejects, columns: Sequence[Column], reading: Reading) -> bool:
    """Return whether a value was rejected that Snowflake reads with AUTO, such as ``04/05/2013`` and ``yes``."""
    auto = [column for column in columns if column.name not in reading.formatted]
    truths = _names(column for column in auto if column.duckdb == "BOOLEAN")
    times = _names(column for column in auto if column.duckdb.startswith(("DATE", "TIME")))
    zoned = _names(column for column in auto if column.duckdb == TIMESTAMP_TZ)
    row = rejects.duck.execute(f"""
        SELECT value FROM (SELECT column_name, trim({_VALUE}) AS value FROM (
          SELECT DISTINCT column_name, error_message FROM {rejects.rows} WHERE error_type = 'CAST'))
        WHERE CASE WHEN column_name IN {truths} THEN lower(value) IN ('on', 'off', 'yes', 'no', 'y', 'n')
          WHEN column_name IN {times} THEN _MACROS.main.sf_try_timestamp(value) IS NOT NULL
          WHEN column_name IN {zoned} THEN _MACROS.main.sf_try_timestamp(left(value, 10)) IS NOT NULL END LIMIT 1
        """).fetchone()
    return row is not None


def count_rejects(
    session: Session,
    copy: Copy,
    columns: Sequence[Column],
    done: Sequence[Loaded],
    rejects: Rejects,
    query_id: str,
) -> None:
    """Record the number of rejects of each file and the first one; keep all unless the COPY aborts."""
    duck = session.duck
    table = f"_rejected_{uuid.uuid4().hex}"
    duck.execute(f"CREATE TEMP TABLE {table} AS {_described(copy, columns, rejects)}")
    by_path = {str(loaded.file.path): loaded for loaded in done}
    for path, count, first in duck.execute(
        f"SELECT path, count(*), arg_min([line::VARCHAR, place::VARCHAR, column_name, error, code::VARCHAR, record], line) "
        f"FROM {table} GROUP BY path"
    ).fetchall():
        line, place, column, message, code, record = first
        by_path[path].errors = count
        by_path[path].first = Rejected(int(line), int(place), column, message, int(code), record)
    if copy.on_error != "ABORT_STATEMENT":
        duck.execute(
            f"INSERT INTO {session.catalog(copy.target[0], 'COPY_ERRORS')} SELECT ?, ?, ?, error, label, line, place, "
            f"NULL, CASE WHEN code IN {SYNTAX_CODES} THEN 'parsing' ELSE 'conversion' END, code, '22018', column_name, "
            f"line, line, record FROM {table} JOIN (SELECT unnest(?) AS path, unnest(?) AS label) USING (path)",
            [query_id, *copy.target[1:], list(by_path), [loaded.file.label for loaded in done]],
        )
        for loaded in done:
            loaded.kept = True
    duck.execute(f"DROP TABLE {table}")


def _described(copy: Copy, columns: Sequence[Column], rejects: Rejects) -> str:
    """Return a query of the first reject of each row, with Snowflake's message and error code."""
    target = copy.target[2]
    times = _names(
        column
        for column in columns
        if column.duckdb.startswith(("DATE", "TIME")) or column.duckdb == TIMESTAMP_TZ
    )
    dates = _names(column for column in columns if column.duckdb == "DATE")
    truths = _names(column for column in columns if column.duckdb == "BOOLEAN")
    too_large = f"column_name NOT IN {times} AND column_name NOT IN {truths} AND regexp_full_match({_VALUE}, {literal(NUMBER)})"
    in_table, in_file = (
        f"regexp_replace(regexp_extract(error_message, {_WIDTH}, {n}), '(.+)', ' (\\1)')" for n in (1, 2)
    )
    return f"""
        SELECT file_path AS path, line, coalesce(place, 1) AS place,
          CASE WHEN error_type IN {_WIDTH_KINDS} OR coalesce(column_name, '') = '' THEN {literal(f'"{target}"[')}
          ELSE {literal(f'"{target}"["')} || column_name || '":' END || greatest(coalesce(column_idx, 1), 1) || ']'
            AS column_name,
          CASE WHEN error_type = 'CAST' THEN CASE WHEN column_name IN {dates} THEN 'Date'
              WHEN column_name IN {times} THEN 'Timestamp'
              WHEN column_name IN {truths} THEN 'Boolean value' ELSE 'Numeric value' END
              || ' ''' || {_VALUE} || CASE WHEN {too_large} THEN ''' is out of range'
              ELSE ''' is not recognized' END
            WHEN error_type IN {_WIDTH_KINDS} THEN 'Number of columns in file' || {in_file}
              || ' does not match that of the corresponding table' || {in_table}
              || ', use file format option error_on_column_count_mismatch=false to ignore this error'
            WHEN error_type = 'UNQUOTED VALUE'
              THEN 'Found character after the closing quote instead of field delimiter'
            WHEN error_type IN ('INVALID ENCODING', 'INVALID UNICODE') THEN 'Invalid UTF8 detected'
            ELSE split_part(error_message, chr(10), 1) END AS error,
          CASE WHEN error_type = 'CAST' THEN CASE WHEN column_name IN {dates} THEN 100040
              WHEN column_name IN {times} THEN 100035
              WHEN column_name IN {truths} THEN 100037 WHEN {too_large} THEN 100039 ELSE 100038 END
            WHEN error_type IN {_WIDTH_KINDS} THEN 100080 WHEN error_type = 'UNQUOTED VALUE' THEN 100016
            WHEN error_type IN ('INVALID ENCODING', 'INVALID UNICODE') THEN 100144 ELSE 100000 END AS code,
          coalesce(csv_line, '') AS record
        FROM {rejects.firsts}"""


def _names(columns: Iterable[Column]) -> str:
    """Return column names as a list for IN, with an extra empty name, because the list must not be empty."""
    return "(" + ", ".join(literal(name) for name in ["", *(column.name for column in columns)]) + ")"

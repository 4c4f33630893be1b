"""The load history of COPY: the files that each table has loaded, and the rejected rows."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from snowpipe_ml.local.catalog.stages import MissingFilesError, StagedFile
from snowpipe_ml.local.catalog.versions import note_change
from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.queries import select
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.core.values import Row

# Error codes of rows that cannot be parsed; the other codes are conversion errors.
SYNTAX_CODES = (100080, 100016, 100144, 100068, 100082)
# How long load metadata is kept: https://docs.snowflake.com/en/user-guide/data-load-considerations-load
_MEMORY_DAYS = 64


@dataclass
class Rejected:
    """A row that could not be loaded."""

    line: int
    character: int
    column: str | None
    message: str
    code: int
    record: str

    @property
    def category(self) -> str:
        """The category of the error: "parsing" for a row, "conversion" for a value."""
        return "parsing" if self.code in SYNTAX_CODES else "conversion"


@dataclass
class Loaded:
    """The result of loading one file.

    Attributes:
        file: the file.
        loaded: the number of loaded rows.
        skipped: the number of valid rows in a file that was skipped.
        errors: the number of rejected rows.
        first: the first rejected row.
        kept: whether the rejected rows are already stored in COPY_ERRORS.
    """

    file: StagedFile
    loaded: int = 0
    skipped: int = 0
    errors: int = 0
    first: Rejected | None = None
    kept: bool = False

    @classmethod
    def unreadable(cls, file: StagedFile, message: str, code: int) -> Loaded:
        """Return the result for a file that could not be read at all."""
        return cls(file, errors=1, first=Rejected(1, 1, None, message, code, ""))

    @property
    def parsed(self) -> int:
        """The number of rows in the file."""
        return self.loaded + self.skipped + self.errors

    @property
    def status(self) -> str:
        """The load status, in Snowflake's terms."""
        if not self.errors:
            return "LOADED"
        return "PARTIALLY_LOADED" if self.loaded else "LOAD_FAILED"

    def row(self, limit: int) -> Row:
        """Return the file's row in the result of COPY."""
        first = self.first
        return (
            self.file.label,
            self.status,
            self.parsed,
            self.loaded,
            limit,
            self.errors,
            first and first.message,
            first and first.line,
            first and first.character,
            first and first.column,
        )


def remembered(session: Session, target: Name) -> dict[str, str]:
    """Map each file that the table has loaded in the last 64 days to the MD5 of its content."""
    found = session.duck.execute(
        f"SELECT file, etag FROM {session.catalog(target[0], 'LOADS')} WHERE schema_name = ? AND table_name = ? "
        f"AND status <> 'LOAD_FAILED' AND loaded_at > current_timestamp - INTERVAL {_MEMORY_DAYS} DAY ORDER BY loaded_at",
        list(target[1:]),
    ).fetchall()
    return dict(found)


def remember(session: Session, target: Name, done: list[Loaded], query_id: str) -> None:
    """Record the files that a COPY has loaded or rejected, in the transaction of the COPY."""
    if any(item.loaded for item in done):
        note_change(session, target, sum(item.loaded for item in done))
    loads = session.catalog(target[0], "LOADS")
    for item in done:
        session.duck.execute(
            f"INSERT INTO {loads} (schema_name, table_name, file, etag, status, row_count, row_parsed, error_count, first_error) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                *target[1:],
                item.file.label,
                item.file.md5,
                item.status,
                item.loaded,
                item.parsed,
                item.errors,
                item.first and item.first.message,
            ],
        )
    keep_failures(session, target, done, query_id)


def keep_failures(session: Session, target: Name, done: list[Loaded], query_id: str) -> None:
    """Store the first error of each file whose rejected rows were not already stored during loading."""
    for item in done:
        if item.first is not None and not item.kept:
            _keep(session, target, query_id, item.file.label, item.first)


def keep_missing(session: Session, target: Name, raised: MissingFilesError, query_id: str) -> None:
    """Store the error of each listed file that does not exist."""
    for name in raised.names:
        rejected = Rejected(1, 1, None, str(raised.raw_msg), raised.errno or 0, "")
        _keep(session, target, query_id, name, rejected)


def _keep(session: Session, target: Name, query_id: str, file: str, r: Rejected) -> None:
    session.duck.execute(
        f"INSERT INTO {session.catalog(target[0], 'COPY_ERRORS')} VALUES ({', '.join('?' * 15)})",
        [
            query_id,
            *target[1:],
            r.message,
            file,
            r.line,
            r.character,
            None,
            r.category,
            r.code,
            "22018",
            r.column,
            r.line,
            r.line,
            r.record,
        ],
    )


def forget_loads(session: Session, name: Name) -> None:
    """Delete the load history of a table. TRUNCATE, replacing and dropping do so, DELETE does not."""
    for table in ("LOADS", "COPY_ERRORS", "COPY_FAILURES"):
        session.duck.execute(
            f"DELETE FROM {session.catalog(name[0], table)} WHERE schema_name = ? AND table_name = ?",
            list(name[1:]),
        )
    forget_rejects(session, name[0])


def forget_rejects(session: Session, database: str) -> None:
    """Delete the rejected records of a database whose table is forgotten."""
    failures, records = session.catalog(database, "COPY_FAILURES"), session.catalog(database, "COPY_REJECTS")
    session.duck.execute(f"DELETE FROM {records} WHERE failure NOT IN (SELECT id FROM {failures})")


def rejected(session: Session, name: Name, query_id: str | None) -> tuple[list[Column], pa.Table]:
    """Return the rows that a COPY into a table rejected; by default the session's last statement."""
    table = session.catalog(name[0], "COPY_ERRORS")
    if query_id is None:
        query_id = session.last_query_ids[-1] if session.last_query_ids else ""
    failures, records = session.catalog(name[0], "COPY_FAILURES"), session.catalog(name[0], "COPY_REJECTS")
    literals = ["'" + text.replace("'", "''") + "'" for text in (name[1], name[2], query_id)]
    return select(
        session,
        'SELECT error AS "ERROR", file AS "FILE", line AS "LINE", "character" AS "CHARACTER", byte_offset AS "BYTE_OFFSET", '
        'category AS "CATEGORY", code AS "CODE", sql_state AS "SQL_STATE", column_name AS "COLUMN_NAME", '
        'row_number AS "ROW_NUMBER", row_start_line AS "ROW_START_LINE", rejected_record AS "REJECTED_RECORD" '
        f"FROM (SELECT * FROM {table} UNION ALL {_unpacked(failures, records)}) "
        f"WHERE schema_name = {literals[0]} AND table_name = {literals[1]} "
        f"AND query_id = {literals[2]} ORDER BY file, line",
    )


def _unpacked(failures: str, records: str) -> str:
    """Return a query of the rejected records of COPY_REJECTS in the columns of COPY_ERRORS.

    There may be millions of them, so they are stored without what follows from the record and from the reason for
    which it was rejected.
    """
    before = "list_sum(list_transform(fields[:position], lambda field: length(field)))"
    return (
        "SELECT query_id, schema_name, table_name, "
        "CASE WHEN suffix IS NULL THEN prefix ELSE concat(prefix, fields[position + 1], suffix) END, file, line, "
        f"CASE WHEN position > 0 THEN {before} + position * length(delimiter) + 1 ELSE 1 END, NULL, "
        f"CASE WHEN code IN {SYNTAX_CODES} THEN 'parsing' ELSE 'conversion' END, code, '22018', column_name, line, line, "
        "record FROM (SELECT *, string_split(record, delimiter) AS fields "
        f"FROM {failures} JOIN {records} ON failure = id)"
    )

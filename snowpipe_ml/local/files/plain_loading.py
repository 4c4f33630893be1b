"""Load delimited files of which many records are rejected, with the conversions and the errors of Snowflake.

DuckDB's reader is slow to reject a record. Here it only splits the records into texts, which are then converted
all together; the rejected ones are those that have no value.
"""

from __future__ import annotations

import dataclasses
import secrets
import uuid
from collections.abc import Sequence

from snowpipe_ml.local.catalog.load_history import Loaded, Rejected
from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core.names import literal
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.files.conversions import conversion, failures
from snowpipe_ml.local.files.copy import Copy
from snowpipe_ml.local.files.csv import CsvFormat
from snowpipe_ml.local.files.rejects import Rejects


@dataclasses.dataclass(frozen=True)
class _Failure:
    """A reason for which a record is rejected.

    Attributes:
        column: the position of the column.
        code: the number of the error.
        prefix: its message up to the text of the field.
        suffix: the rest of the message; None if it does not quote the field.
    """

    column: int
    code: int
    prefix: str
    suffix: str | None


def load_plain(
    session: Session, copy: Copy, columns: Sequence[Column], fmt: CsvFormat, file: StagedFile, query_id: str
) -> Loaded | None:
    """Load a file that has no quotes, and whose spaces are kept, with ON_ERROR = CONTINUE.

    Returns:
        What was loaded; None, and nothing is loaded, if a record does not have a field for each column.
    """
    table = _Converted(session, copy, columns, fmt)
    try:
        return table.load(query_id, file) if table.read(file) else None
    finally:
        session.duck.execute(f"DROP TABLE IF EXISTS {table.name}")


class _Converted:
    """The records of a file in a temporary table: the fields as text, their values, and why one has none."""

    def __init__(self, session: Session, copy: Copy, columns: Sequence[Column], fmt: CsvFormat) -> None:
        self._session, self._copy, self._columns, self._fmt = session, copy, columns, fmt
        self.name = f"_converted_{uuid.uuid4().hex}"
        # DuckDB keeps the order of the records, so their numbers need not be stored. Counting them while they are
        # read would bind the reader to one thread.
        self._line = ""
        self._failures: list[_Failure] = []
        self._values: list[str] = []

    def read(self, file: StagedFile) -> bool:
        """Read and convert the records of a file; return False if one has another width."""
        # As they are in the file: a record is the text of its fields.
        fmt = dataclasses.replace(self._fmt, quote="", null_if=("\0",), empty_as_null=False)
        count = len(self._columns)
        rejects = Rejects(self._session.duck)
        fields = [(f"r{n}", "VARCHAR") for n in range(count)]
        source = fmt.read_csv([file.path], fields, rejects.arguments())
        found = [
            conversion(self._fmt, self._copy, column, self._text(n)) for n, column in enumerate(self._columns)
        ]
        # A text is stored once: its value follows from the field.
        stored = [n for n, column in enumerate(self._columns) if column.duckdb != "VARCHAR"]
        self._values = [f"v{n}" if n in stored else each.value for n, each in enumerate(found)]
        reasons = []
        for n, each in enumerate(found):
            for condition, code, prefix, suffix in failures(each, self._text(n), self._values[n]):
                self._failures.append(_Failure(n, code, prefix, suffix))
                reasons.append(f"WHEN {condition} THEN {len(self._failures)}")
        failure = f"CASE {' '.join(reasons)} ELSE 0 END" if reasons else "0"
        values = "".join(f", {found[n].value} AS v{n}" for n in stored)
        self._session.duck.execute(
            f"CREATE TEMP TABLE {self.name} AS SELECT *, ({failure})::UTINYINT AS failure "
            f"FROM (SELECT *{values} FROM {source})"
        )
        odd = rejects.any
        rejects.drop()
        # In a transaction, the ids of new rows do not begin with 0.
        first = self._session.duck.execute(f"SELECT coalesce(min(rowid), 0) FROM {self.name}").fetchone()
        self._line = f"rowid - {first[0] if first else 0} + {fmt.skip + 1}"
        return not odd

    def _text(self, place: int) -> str:
        """The expression of a field as a text, NULL if NULL_IF or EMPTY_FIELD_AS_NULL says so."""
        nulls = [*self._fmt.null_if, *([""] if self._fmt.empty_as_null else [])]
        listed = ", ".join(literal(null) for null in nulls)
        return f"(CASE WHEN r{place} NOT IN ({listed}) THEN r{place} END)" if nulls else f"r{place}"

    def load(self, query_id: str, file: StagedFile) -> Loaded:
        """Insert the records that have values, and keep the others for VALIDATE."""
        loaded = Loaded(file, 0, errors=self._rejected())
        if loaded.errors:
            loaded.first = self._first()
            self._keep(query_id, file)
            loaded.kept = True
        values = ", ".join(self._values)
        row = self._session.duck.execute(
            f"INSERT INTO {self._copy.into(list(self._columns))} SELECT {values} FROM {self.name} WHERE failure = 0"
        ).fetchone()
        loaded.loaded = int(row[0]) if row else 0
        return loaded

    def _rejected(self) -> int:
        row = self._session.duck.execute(f"SELECT count(*) FROM {self.name} WHERE failure <> 0").fetchone()
        return int(row[0]) if row else 0

    def _first(self) -> Rejected:
        marked = literal(self._fmt.delimiter)
        fields = ", ".join(f"r{n}" for n in range(len(self._columns)))
        row = self._session.duck.execute(
            f"SELECT {self._line}, failure, concat_ws({marked}, {fields}), {fields} FROM {self.name} "
            "WHERE failure <> 0 ORDER BY rowid LIMIT 1"
        ).fetchone()
        assert row is not None
        line, number, record, *texts = row
        failure = self._failures[number - 1]
        place = 1 + sum(len(text) + len(self._fmt.delimiter) for text in texts[: failure.column])
        message = failure.prefix
        if failure.suffix is not None:
            message += f"{texts[failure.column]}{failure.suffix}"
        return Rejected(line, place, self._named(failure), message, failure.code, record)

    def _named(self, failure: _Failure) -> str:
        """The column of a failure as errors name it."""
        column = self._columns[failure.column]
        return f'"{self._copy.target[2]}"["{column.name}":{failure.column + 1}]'

    def _keep(self, query_id: str, file: StagedFile) -> None:
        """Keep the rejected records for VALIDATE; see :func:`~snowpipe_ml.local.catalog.load_history.rejected`."""
        duck, target = self._session.duck, self._copy.target
        base = secrets.randbits(62)  # ids are not reused, also in other sessions
        duck.executemany(
            f"INSERT INTO {self._session.catalog(target[0], 'COPY_FAILURES')} VALUES ({', '.join('?' * 11)})",
            [
                [
                    base + number,
                    query_id,
                    *target[1:],
                    file.label,
                    self._fmt.delimiter,
                    failure.column,
                    failure.code,
                    self._named(failure),
                    failure.prefix,
                    failure.suffix,
                ]
                for number, failure in enumerate(self._failures, 1)
            ],
        )
        fields = ", ".join(f"r{n}" for n in range(len(self._columns)))
        duck.execute(
            f"INSERT INTO {self._session.catalog(target[0], 'COPY_REJECTS')} "
            f"SELECT {base} + failure, {self._line}, concat_ws({literal(self._fmt.delimiter)}, {fields}) "
            f"FROM {self.name} WHERE failure <> 0"
        )

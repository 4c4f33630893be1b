"""Load delimited files record by record, with the conversions and the errors of Snowflake."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

import pyarrow as pa

from snowpipe_ml.local.catalog.load_history import SYNTAX_CODES, Loaded, Rejected
from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import literal
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.files.conversions import conversion, failures
from snowpipe_ml.local.files.copy import Copy
from snowpipe_ml.local.files.csv import CsvFormat
from snowpipe_ml.local.files.records import Record, read_records

# How many records, and characters of them, are converted at once.
_BATCH = 20_000
_BATCH_TEXT = 2**22


def load_records(
    session: Session,
    copy: Copy,
    columns: Sequence[Column],
    fmt: CsvFormat,
    file: StagedFile,
    query_id: str,
    positions: Sequence[int | None] | None = None,
) -> Loaded:
    """Load one file; the caller aborts the COPY or undoes the rows if the errors are too many.

    Args:
        session: the session, in the transaction of the COPY.
        copy: the COPY.
        columns: the columns of the table that it loads.
        fmt: the format of the file.
        file: the file.
        query_id: the id under which rejected rows are kept.
        positions: the place of each column's field in the records, None for a column without a field; by
            default the fields are those of the columns.
    """
    table = _Staged(session, copy, columns, fmt)
    try:
        for batch in _batches(read_records(fmt, file)):
            table.add(batch, positions)
        return table.load(query_id, file)
    finally:
        table.drop()


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record.text)
        if len(batch) == _BATCH or size > _BATCH_TEXT:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _Staged:
    """The records of a file in temporary tables: first as text, then with their values and errors."""

    def __init__(
        self,
        session: Session,
        copy: Copy,
        columns: Sequence[Column],
        fmt: CsvFormat,
    ) -> None:
        self._session, self._copy, self._columns, self._fmt = session, copy, columns, fmt
        suffix = uuid.uuid4().hex
        self._texts, self._values = f"_texts_{suffix}", f"_values_{suffix}"
        listed = ", ".join(f"x{n} VARCHAR" for n in range(len(columns)))
        session.duck.execute(
            f"CREATE TEMP TABLE {self._texts} (line BIGINT, place BIGINT, record VARCHAR, code INTEGER, "
            f"error VARCHAR, failing INTEGER, {listed})"
        )

    def load(self, query_id: str, file: StagedFile) -> Loaded:
        """Insert the records that can be loaded, unless others abort the COPY; keep those others."""
        self.check()
        loaded = Loaded(file, 0, errors=self.rejected())
        if loaded.errors:
            loaded.first = self.first()
            if self._copy.on_error == "ABORT_STATEMENT":
                return loaded
            self.keep(query_id, file)
            loaded.kept = True
        loaded.loaded = self.insert()
        return loaded

    def add(self, batch: Sequence[Record], positions: Sequence[int | None] | None) -> None:
        """Add records."""
        for record in batch:
            if not record.code:
                self._fit(record, positions)
        arrays = [
            pa.array([record.line for record in batch], pa.int64()),
            pa.array([record.place for record in batch], pa.int64()),
            pa.array([_printable(record.text) for record in batch], pa.string()),
            pa.array([record.code for record in batch], pa.int32()),
            pa.array([record.message for record in batch], pa.string()),
            pa.array([len(record.fields) if record.code else 0 for record in batch], pa.int32()),
        ]
        arrays += [
            pa.array([None if record.code else record.fields[n] for record in batch], pa.string())
            for n in range(len(self._columns))
        ]
        name = f"_batch_{uuid.uuid4().hex}"
        names = ["line", "place", "record", "code", "error", "failing"]
        names += [f"x{n}" for n in range(len(self._columns))]
        self._session.duck.register(name, pa.table(arrays, names=names))
        try:
            self._session.duck.execute(f"INSERT INTO {self._texts} SELECT * FROM {name}")
        finally:
            self._session.duck.unregister(name)

    def _fit(self, record: Record, positions: Sequence[int | None] | None) -> None:
        """Give a record one field for each column, or the error of its width."""
        wanted = len(self._columns)
        if not record.fields:  # a blank line
            if wanted > 1:
                record.code, record.fields = 100068, [None]
                record.message = f"End of record reached while expected to parse column '{self._named(1)}'"
                return
            record.fields = [None if self._fmt.empty_as_null or "" in self._fmt.null_if else ""]
        if positions is not None:
            fields = record.fields
            record.fields = [
                fields[place] if place is not None and place < len(fields) else None for place in positions
            ]
            return
        found = len(record.fields)
        if found == wanted:
            return
        if self._fmt.strict_width and (found > wanted or not self._fmt.pads):
            record.code, record.fields = 100080, []
            record.message = (
                f"Number of columns in file ({found}) does not match that of the corresponding table ({wanted}), "
                "use file format option error_on_column_count_mismatch=false to ignore this error"
            )
            return
        record.fields = [*record.fields[:wanted], *([None] * (wanted - found))]

    def _named(self, place: int) -> str:
        return f'"{self._copy.target[2]}"["{self._columns[place].name}":{place + 1}]'

    def check(self) -> None:
        """Convert the texts to values, and find the first column of each record that cannot be loaded."""
        found = [conversion(self._fmt, self._copy, column, f"x{n}") for n, column in enumerate(self._columns)]
        values = ", ".join(f"{each.value} AS v{n}" for n, each in enumerate(found))
        listed = ", ".join(["line", "place", "record", "code", "error", "failing"])
        duck = self._session.duck
        duck.execute(
            f"CREATE TEMP TABLE {self._values} AS SELECT {listed}, {values}, "
            f"{', '.join(f'x{n}' for n in range(len(found)))} FROM {self._texts}"
        )
        for n, each in enumerate(found):
            for condition, code, prefix, suffix in failures(each, f"x{n}", f"v{n}"):
                message = literal(prefix)
                if suffix is not None:
                    message = f"{message} || x{n} || {literal(suffix)}"
                duck.execute(
                    f"UPDATE {self._values} SET code = {code}, error = {message}, failing = {n + 1} "
                    f"WHERE code = 0 AND {condition}"
                )

    def rejected(self) -> int:
        """Return the number of records that cannot be loaded."""
        row = self._session.duck.execute(f"SELECT count(*) FROM {self._values} WHERE code <> 0").fetchone()
        return int(row[0]) if row else 0

    def first(self) -> Rejected:
        """Return the first record that cannot be loaded."""
        row = self._session.duck.execute(
            f"SELECT line, place, {self._column()}, error, code, record FROM {self._values} WHERE code <> 0 "
            "ORDER BY line LIMIT 1"
        ).fetchone()
        assert row is not None
        line, place, column, error, code, record = row
        return Rejected(line, place, column, error, code, record)

    def _column(self) -> str:
        """An expression of the column as errors name it."""
        target = literal(f'"{self._copy.target[2]}"[')
        names = ", ".join(literal(f'"{column.name}":') for column in self._columns)
        return (
            f"{target} || CASE WHEN failing > 0 THEN [{names}][failing] ELSE '' END || "
            "greatest(failing, 1)::VARCHAR || ']'"
        )

    def keep(self, query_id: str, file: StagedFile) -> None:
        """Keep the rejected records for VALIDATE."""
        target = self._copy.target
        self._session.duck.execute(
            f"INSERT INTO {self._session.catalog(target[0], 'COPY_ERRORS')} SELECT ?, ?, ?, error, ?, line, "
            f"place, NULL, "
            f"CASE WHEN code IN {SYNTAX_CODES} THEN 'parsing' ELSE 'conversion' END, code, "
            f"'22018', {self._column()}, line, line, record FROM {self._values} WHERE code <> 0",
            [query_id, *target[1:], file.label],
        )

    def insert(self) -> int:
        """Insert the others into the table; return their number."""
        values = ", ".join(f"v{n}" for n in range(len(self._columns)))
        row = self._session.duck.execute(
            f"INSERT INTO {self._copy.into(list(self._columns))} SELECT {values} FROM {self._values} "
            "WHERE code = 0 ORDER BY line"
        ).fetchone()
        return int(row[0]) if row else 0

    def drop(self) -> None:
        """Drop the tables; a failed statement has undone them already."""
        for table in (self._texts, self._values):
            try:
                self._session.duck.execute(f"DROP TABLE IF EXISTS {table}")
            except errors.UnsupportedError:
                return


def _printable(text: str) -> str:
    """Return a text that Arrow can hold: bytes that are not UTF-8 were read as lone surrogates."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

"""Load delimited files: in groups where DuckDB reads them as Snowflake does, the others by record."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from snowpipe_ml.local.catalog.load_history import Loaded
from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core import connector, errors
from snowpipe_ml.local.core.names import literal, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import Column, cut_fractions
from snowpipe_ml.local.files.copy import Copy
from snowpipe_ml.local.files.csv import CsvFormat
from snowpipe_ml.local.files.csv_columns import Reading, reading_of
from snowpipe_ml.local.files.formats.delimited import header
from snowpipe_ml.local.files.irregular import Findings, examine
from snowpipe_ml.local.files.load_errors import NeedsRecordsError, abort
from snowpipe_ml.local.files.plain_loading import load_plain
from snowpipe_ml.local.files.record_loading import load_records
from snowpipe_ml.local.files.rejects import TASK, Rejects, count_rejects, has_known_values

# The number of rows that are examined to classify a file.
_SAMPLE = 2000
_VECTOR = 2048  # DuckDB's
_CHUNK = 2**22


def load_text(
    session: Session,
    copy: Copy,
    columns: list[Column],
    fmt: CsvFormat,
    files: list[StagedFile],
    failed: dict[str, Loaded],
    query_id: str,
    by_record: bool,
) -> list[Loaded]:
    """Load delimited files: those that DuckDB reads as Snowflake does in groups, the others by record."""
    damaged = failed if copy.on_error == "ABORT_STATEMENT" else failed | _damaged(fmt, files)
    files = [file for file in files if file.relative not in damaged]
    by_record = by_record or (
        session.in_transaction
        and copy.on_error != "ABORT_STATEMENT"
        and any(not column.nullable or column.length is not None for column in columns)
    )
    done: list[Loaded] = []
    for group, irregular in _groups(session, copy, columns, fmt, files, by_record):
        loaded = None if irregular else _load_delimited(session, copy, columns, fmt, group, query_id)
        if loaded is None:
            loaded = [_load_by_record(session, copy, columns, fmt, file, query_id) for file in group]
        done += loaded
    return sorted([*done, *damaged.values()], key=lambda loaded: loaded.file.relative) if damaged else done


def _load_by_record(
    session: Session, copy: Copy, columns: list[Column], fmt: CsvFormat, file: StagedFile, query_id: str
) -> Loaded:
    undo, _ = _undo_of(session, copy)
    positions: list[int | None] | None = None
    if fmt.parse_header:
        names = _folded(copy, header(fmt, file))
        wanted = _folded(copy, [column.name for column in columns])
        positions = [names.index(name) if name in names else None for name in wanted]
        fmt = fmt.after_header()
    loaded = load_records(session, copy, columns, fmt, file, query_id, positions)
    return _settled(copy, [loaded], undo)[0]


def _folded(copy: Copy, names: Sequence[str]) -> list[str]:
    return [name if copy.match == "CASE_SENSITIVE" else name.upper() for name in names]


def _undo_of(session: Session, copy: Copy) -> tuple[Callable[[], None], str]:
    """Return a function that deletes the rows that are inserted from now on, and the condition that selects them."""
    # Within the transaction they are the last rows of the table.
    ((last,),) = session.duck.execute(
        f"SELECT coalesce(max(rowid), -1) FROM {quoted(*copy.target)}"
    ).fetchall()

    added = f"rowid > {last}"

    def undo() -> None:
        session.duck.execute(f"DELETE FROM {quoted(*copy.target)} WHERE {added}")

    return undo, added


def _settled(copy: Copy, done: list[Loaded], undo: Callable[[], None]) -> list[Loaded]:
    """Abort the COPY or skip the file, as ON_ERROR says for rejected rows."""
    if copy.on_error == "ABORT_STATEMENT":
        for loaded in done:
            if loaded.first is not None:
                abort(loaded.file, loaded.first)
    # SKIP_FILE loads files one by one.
    if copy.on_error.startswith("SKIP_FILE") and done[0].loaded and copy.skips(done[0]):
        undo()
        done[0].skipped, done[0].loaded = done[0].loaded, 0
    return done


def _damaged(fmt: CsvFormat, files: Sequence[StagedFile]) -> dict[str, Loaded]:
    """Return the files whose compression does not match their format, each with the reason."""
    found: dict[str, Loaded] = {}
    for file in files:
        try:
            fmt.is_gzip(file.path)
        except errors.UnsupportedError:
            raise
        except connector.ProgrammingError as raised:
            found[file.relative] = Loaded.unreadable(file, str(raised.raw_msg), raised.errno or 100081)
    return found


def _groups(
    session: Session,
    copy: Copy,
    columns: list[Column],
    fmt: CsvFormat,
    files: Sequence[StagedFile],
    by_record: bool,
) -> Iterator[tuple[list[StagedFile], bool]]:
    """Yield consecutive files for one call of the reader each, and whether they must be read by record.

    Compressed files are apart and empty ones alone. SKIP_FILE needs each file alone.
    """
    groups: list[tuple[list[StagedFile], bool]] = []
    last: tuple[bool, bool, bool] | None = None
    single = copy.on_error not in ("ABORT_STATEMENT", "CONTINUE")
    findings: list[Findings] = [Findings(True)] * len(files)
    if not (by_record or fmt.parse_header or any(column.duckdb == "BLOB" for column in columns)):
        findings = _examined(fmt, files, columns)
    for file, found in zip(files, findings, strict=True):
        irregular = found.irregular or _has_odd_values(session, columns, fmt, file, found.odd)
        empty = not irregular and fmt.width(file.path) == 0
        key = (irregular, empty, not irregular and fmt.is_gzip(file.path))
        if key == last and not empty and not irregular and not single:
            groups[-1][0].append(file)
        else:
            groups.append(([file], irregular))
        last = key
    yield from groups


def _examined(fmt: CsvFormat, files: Sequence[StagedFile], columns: Sequence[Column]) -> list[Findings]:
    """Examine files, several at a time."""

    def of(file: StagedFile) -> Findings:
        return examine(fmt, file.path, columns)

    if len(files) == 1:
        return [of(files[0])]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        try:
            return list(threads.map(of, files))
        except RuntimeError:  # the interpreter is ending, and starts no more threads
            return [of(file) for file in files]


def _has_odd_values(
    session: Session, columns: Sequence[Column], fmt: CsvFormat, file: StagedFile, condition: str | None
) -> bool:
    if condition is None:
        return False
    # Rows that cannot be read are rejected when the file is loaded.
    names = [(column.name, "VARCHAR") for column in columns]
    source = fmt.read_csv([file.path], names, ["ignore_errors = true"])
    return bool(session.duck.execute(f"SELECT 1 FROM {source} WHERE {condition} LIMIT 1").fetchone())


def _load_delimited(
    session: Session,
    copy: Copy,
    columns: list[Column],
    fmt: CsvFormat,
    files: list[StagedFile],
    query_id: str,
) -> list[Loaded] | None:
    """Load a group of delimited files in one statement, so that DuckDB reads several at once.

    Returns:
        What was loaded; None, and nothing is loaded, if the files must be read by record.
    """
    if fmt.width(files[0].path) == 0:
        return [Loaded(file) for file in files]
    reading = reading_of(fmt, columns)
    rejects = Rejects(session.duck)
    undo, added = _undo_of(session, copy)
    if (
        copy.on_error == "CONTINUE"
        and not reading.formatted
        and _is_mostly_rejected(session, columns, fmt, files)
    ):
        plain = [load_plain(session, copy, columns, fmt, file, query_id) for file in files]
        found = [loaded for loaded in plain if loaded is not None]
        if len(found) == len(files):
            return found
        undo()
    done = _insert(session, copy, columns, fmt, reading, files, rejects)
    if _has_special_times(session, copy, columns, reading, added):
        undo()
        rejects.drop()
        return None
    if not rejects.any:
        rejects.drop()
        return done
    if (
        copy.on_error != "ABORT_STATEMENT"
        and any(file.path.stat().st_size > TASK for file in files)
        and rejects.hide_rows()
    ):
        undo()
        rejects.drop()
        done = _insert(session, copy, columns, fmt, reading, files, rejects, parallel=False)
    if has_known_values(rejects, columns, reading) or rejects.need_records(strict_width=fmt.strict_width):
        undo()
        rejects.drop()
        return None
    count_rejects(session, copy, columns, done, rejects, query_id)
    rejects.drop()
    return _settled(copy, done, undo)


def _is_mostly_rejected(
    session: Session, columns: Sequence[Column], fmt: CsvFormat, files: Sequence[StagedFile]
) -> bool:
    """Return whether many of the first rows cannot be converted: DuckDB's reader is slow to reject rows."""
    if fmt.trim:
        return False
    names = [(f"x{n}", "VARCHAR") for n in range(len(columns))]
    bad = " OR ".join(
        f"(x{n} IS NOT NULL AND TRY_CAST(x{n} AS {column.duckdb}) IS NULL)"
        for n, column in enumerate(columns)
        if column.duckdb not in ("VARCHAR", "JSON") and not column.duckdb.startswith("STRUCT")
    )
    if not bad:
        return False
    source = fmt.read_csv([files[0].path], names, ["ignore_errors = true"])
    row = session.duck.execute(
        f"SELECT count(*) FILTER ({bad}) FROM (SELECT * FROM {source} LIMIT {_SAMPLE})"
    ).fetchone()
    many = row is not None and int(row[0]) > _SAMPLE // 10
    return many and not (fmt.quote and any(_has_quotes(fmt, file) for file in files))


def _has_quotes(fmt: CsvFormat, file: StagedFile) -> bool:
    quote = fmt.quote.encode()
    with fmt.open_bytes(file.path) as content:
        while chunk := content.read(_CHUNK):
            if quote in chunk:
                return True
    return False


def _has_special_times(
    session: Session, copy: Copy, columns: Sequence[Column], reading: Reading, added: str
) -> bool:
    """Return whether DuckDB read a date from "infinity", "epoch" or a year BC."""
    times = [
        quoted(column.name)
        for column in columns
        if column.duckdb in ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
        and column.name not in reading.formatted
    ]
    if not times:
        return False
    odd = " OR ".join(
        f"NOT isfinite({name}) OR {name} < '0001-01-01' OR {name} = '1970-01-01'" for name in times
    )
    return bool(
        session.duck.execute(
            f"SELECT 1 FROM {quoted(*copy.target)} WHERE {added} AND ({odd}) LIMIT 1"
        ).fetchone()
    )


def _insert(
    session: Session,
    copy: Copy,
    columns: list[Column],
    fmt: CsvFormat,
    reading: Reading,
    files: list[StagedFile],
    rejects: Rejects,
    *,
    parallel: bool = True,
) -> list[Loaded]:
    """Insert the rows that can be read and collect the others in ``rejects``."""
    paths = [file.path for file in files]
    condition = _reject_times(session, fmt, reading, paths, rejects)
    source = fmt.read_csv(
        paths, reading.columns, [*reading.arguments, *rejects.arguments()], parallel=parallel
    )
    listed = ", ".join(_loaded_value(copy, fmt, reading, column) for column in columns)
    with _counting(session, len(files), condition) as (where, counted):
        try:
            row = session.duck.execute(
                f"INSERT INTO {copy.into(columns)} SELECT {listed} FROM {source}{where}"
            ).fetchone()
        except duckdb.ConstraintException as raised:
            if session.in_transaction:
                raise
            # Snowflake rejects only the row; DuckDB has aborted the statement.
            raise NeedsRecordsError from raised
        return [Loaded(file, n) for file, n in zip(files, counted(int(row[0]) if row else 0), strict=True)]


def _reject_times(
    session: Session, fmt: CsvFormat, reading: Reading, paths: Sequence[Path], rejects: Rejects
) -> str | None:
    """Reject the TIME values that do not match their format, if TIME columns are read as text.

    Returns:
        The condition that selects the remaining rows; None if no value is rejected.
    """
    if not reading.apart or fmt.time_format is None:
        return None
    pattern = literal(fmt.time_format.reader_pattern)
    names = ", ".join(literal(name) for name in reading.apart)
    kept = Rejects(session.duck)
    columns = [(name, "TIMESTAMP" if name in reading.apart else "VARCHAR") for name, _ in reading.columns]
    more = [
        f"timestampformat = {pattern}",
        *kept.arguments(f"error_type = 'CAST' AND column_name IN ({names})"),
    ]
    session.duck.execute(
        f"SELECT count(COLUMNS(*)) FROM {fmt.read_csv(paths, columns, more, parallel=False)}"
    )
    if not kept.any:
        kept.drop()
        return None
    rejects.add(kept)
    checked = (
        f"({quoted(n)} IS NULL OR try_strptime({quoted(n)}, {pattern}) IS NOT NULL)" for n in reading.apart
    )
    return " AND ".join(checked)


def _loaded_value(copy: Copy, fmt: CsvFormat, reading: Reading, column: Column) -> str:
    value = reading.values.get(column.name, quoted(column.name))
    if column.duckdb != "VARCHAR":
        return cut_fractions(value, column.duckdb, column.scale)
    value = fmt.text_value(value)
    return f"left({value}, {column.length})" if copy.truncates and column.length is not None else value


@contextmanager
def _counting(
    session: Session, count: int, condition: str | None
) -> Iterator[tuple[str, Callable[[int], list[int]]]]:
    """Yield a WHERE clause with the condition that also counts the matching rows of each file.

    COPY reports the rows of each file, but an INSERT returns only the total. Counting in a second pass
    would read the files twice.
    """
    if count == 1:
        yield (f" WHERE {condition}" if condition else ""), lambda total: [total]
        return
    totals = np.zeros(count, dtype=np.int64)
    true = pa.array(np.ones(_VECTOR, dtype=bool))

    def note(index: pa.ChunkedArray | pa.Array) -> pa.Array:
        flat = index.combine_chunks() if isinstance(index, pa.ChunkedArray) else index
        numbers = flat.to_numpy(zero_copy_only=False)
        if len(numbers) and (numbers == numbers[0]).all():  # DuckDB usually reads a vector from one file
            totals[int(numbers[0])] += len(numbers)
        else:
            np.add(totals, np.bincount(numbers.astype(np.int64), minlength=count), out=totals)
        return (
            true.slice(0, len(numbers))
            if len(numbers) <= _VECTOR
            else pa.array(np.ones(len(numbers), dtype=bool))
        )

    name = f"_count_{uuid.uuid4().hex}"
    duck = session.duck  # the transaction of the load does not see functions registered by other connections
    duck.create_function(
        name,
        note,
        [duckdb.sqltype("UBIGINT")],
        duckdb.sqltype("BOOLEAN"),
    )
    try:
        counted = f"{name}(file_index)"
        if condition:
            counted = f"CASE WHEN {condition} THEN {counted} ELSE false END"
        yield f" WHERE {counted}", lambda _: [int(n) for n in totals]
    finally:
        with suppress(duckdb.TransactionException):  # a failed transaction removes the function itself
            duck.remove_function(name)

"""Load files of each format into a table, for COPY INTO."""

from __future__ import annotations

import dataclasses
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from snowflake.connector.errors import ProgrammingError
from sqlglot import exp

from snowpipe_ml.local.catalog.columns import stored_columns
from snowpipe_ml.local.catalog.load_history import Loaded, Rejected
from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import literal, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.core.values import Options
from snowpipe_ml.local.files.copy import Copy
from snowpipe_ml.local.files.csv import CsvFormat
from snowpipe_ml.local.files.csv_columns import Reading, reading_of
from snowpipe_ml.local.files.formats.base import fields_of, format_of
from snowpipe_ml.local.files.formats.delimited import header
from snowpipe_ml.local.files.irregular import examine
from snowpipe_ml.local.files.line_ends import gave_up
from snowpipe_ml.local.files.record_loading import load_plain, load_records
from snowpipe_ml.local.files.rejects import TASK, Rejects, count_rejects, has_known_values
from snowpipe_ml.local.files.relation import relation
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.translate.compiler import to_sql
from snowpipe_ml.local.translate.passes import new_compiler
from snowpipe_ml.sql import Literal

# The errors of a file that cannot be read.
_OF_FILES = (100069, 100144, 100081)
# Rows by which a file is judged.
_SAMPLE = 2000
_VECTOR = 2048  # DuckDB's
_CONVERSION_ERROR = re.compile(r"Could not convert|CSV Error|unicode", re.I)


def load(
    session: Session,
    copy: Copy,
    columns: list[Column],
    options: Options,
    files: list[StagedFile],
    failed: dict[str, Loaded],
    query_id: str,
    *,
    by_record: bool = False,
    one_by_one: bool = False,
) -> list[Loaded]:
    """Load files within the caller's transaction; files in ``failed`` are known to fail and are not loaded.

    Raises:
        ProgrammingError: a row cannot be loaded, and ON_ERROR is ABORT_STATEMENT.
        NeedsRecordsError: single rows have to be rejected that only reading by record rejects; the
            transaction is aborted, and the load has to be run again with ``by_record``.
        NeedsSingleFilesError: a row of several files cannot be loaded; the load has to be run again with
            ``one_by_one``, which names the file.
    """
    if copy.on_error == "ABORT_STATEMENT":
        for loaded in failed.values():
            if loaded.first is not None:
                _abort(loaded.file, loaded.first)
    if copy.select is None and format_of(options).is_text:
        return _load_text(session, copy, columns, CsvFormat.read(options), files, failed, query_id, by_record)
    select = copy.select or _implied_select(session, copy, columns, options, files)
    if len(files) > 1 and not failed and not one_by_one and not session.in_transaction:
        counts = [format_of(options).row_count(file) for file in files]
        if None not in counts:
            return _load_together(session, copy, columns, options, files, counts, select)
    return [
        failed.get(file.relative) or _load_selected(session, copy, columns, options, file, select)
        for file in files
    ]


class NeedsRecordsError(Exception):
    """DuckDB has aborted a load because of rows that Snowflake only rejects."""


class NeedsSingleFilesError(Exception):
    """A row of several files that were loaded in one statement cannot be loaded."""


def _load_together(
    session: Session,
    copy: Copy,
    columns: list[Column],
    options: Options,
    files: Sequence[StagedFile],
    counts: Sequence[int | None],
    select: str,
) -> list[Loaded]:
    """Load files in one statement, so that DuckDB reads several at once."""
    with _query_of(session, copy, columns, options, files, select) as query:
        try:
            session.duck.execute(f"INSERT INTO {copy.into(columns)} {query}")
        except duckdb.Error as raised:
            raise NeedsSingleFilesError from raised
    return [Loaded(file, count or 0) for file, count in zip(files, counts, strict=True)]


def _load_text(
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
                _abort(loaded.file, loaded.first)
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
        except ProgrammingError as raised:
            message = str(raised.raw_msg)
            first = Rejected(1, 1, None, message, raised.errno or 100081, "")
            found[file.relative] = Loaded(file, errors=1, first=first)
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
    for file in files:
        irregular = by_record or fmt.parse_header or any(column.duckdb == "BLOB" for column in columns)
        if not irregular:
            found = examine(fmt, file.path, columns)
            irregular = found.irregular or _has_odd_values(session, columns, fmt, file, found.odd)
        empty = not irregular and fmt.width(file.path) == 0
        key = (irregular, empty, not irregular and fmt.is_gzip(file.path))
        if key == last and not empty and not irregular and not single:
            groups[-1][0].append(file)
        else:
            groups.append(([file], irregular))
        last = key
    yield from groups


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
    if has_known_values(rejects, columns, reading) or (not fmt.strict_width and rejects.of_width):
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
    if fmt.quote:
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
    return row is not None and int(row[0]) > _SAMPLE // 10


def _has_special_times(
    session: Session, copy: Copy, columns: Sequence[Column], reading: Reading, added: str
) -> bool:
    """Return whether a loaded date is one that DuckDB makes of "infinity", "epoch" or a year before Christ."""
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
        return value
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


def abort_within(done: Sequence[Loaded], count: int, skipped: int) -> None:
    """Raise the first error of the first ``count`` rows.

    Args:
        done: the files in order.
        count: the number of rows.
        skipped: the lines of the header of each file.
    """
    before = 0
    for loaded in done:
        if loaded.first is not None and before + loaded.first.line - 1 - skipped < count:
            _abort(loaded.file, loaded.first)
        before += loaded.loaded
        if before >= count:
            return


def _abort(file: StagedFile, first: Rejected) -> None:
    raise errors.error(
        first.code,
        "22018",
        f"{first.message}\n  File '{file.relative}', line {first.line}, character {first.character}\n"
        f"  Row {first.line}, column {first.column}\n  If you would like to continue loading when an error is "
        "encountered, use other values such as 'SKIP_FILE' or 'CONTINUE' for the ON_ERROR option.",
    )


def _implied_select(
    session: Session,
    copy: Copy,
    columns: list[Column],
    options: Options,
    files: Sequence[StagedFile],
) -> str:
    """Return the implied SELECT of a COPY of records: the whole record, or its fields matched by column name."""
    kind = format_of(options).name
    match = str(copy.options.get("MATCH_BY_COLUMN_NAME") or "NONE").upper()
    if match == "NONE":
        if len(columns) != 1 or columns[0].duckdb != "JSON":
            raise errors.error(
                2019,
                "0A000",
                f"SQL compilation error:\n{kind} file format can produce one and only one column of type variant, object, "
                "or array. Load data into separate columns using the MATCH_BY_COLUMN_NAME copy option or copy with "
                "transformation.",
            )
        return "SELECT $1 FROM _COPY_SOURCE"
    compiler = new_compiler(session)
    try:
        fields = fields_of(compiler, options, files)
    finally:
        compiler.release()
    fold = str.upper if match == "CASE_INSENSITIVE" else str
    by_name = {fold(name): name for name in fields}
    numbered = {stored.name for stored in stored_columns(session, copy.target) if stored.identity}
    # A column without a field becomes NULL, and not its default.
    columns[:] = [column for column in columns if fold(column.name) in by_name or column.name not in numbered]
    change = _change_of(options)
    listed = ", ".join(
        _field(by_name[fold(column.name)], column, change) if fold(column.name) in by_name else "NULL"
        for column in columns
    )
    return f"SELECT {listed} FROM _COPY_SOURCE"


def _field(name: str, column: Column, change: Callable[[str], str] | None) -> str:
    """Return the field of a record as the value of a column."""
    key = name.replace('"', '""')
    field = f'$1:"{key}"'
    if column.duckdb != "JSON":
        return f"{change(f'{field}::VARCHAR') if change else field}::{_plain_type(column)}"
    if change is None:
        return field
    return f"IFF(TYPEOF({field}) = 'VARCHAR', TO_VARIANT({change(f'{field}::VARCHAR')}), {field})"


def _change_of(options: Options) -> Callable[[str], str] | None:
    """Return what TRIM_SPACE and NULL_IF do to a text; None for nothing."""
    nulls = options.get("NULL_IF", ["\\N"])
    texts = [str(null) for null in (nulls if isinstance(nulls, list) else [nulls]) if null is not None]
    trims = bool(options.get("TRIM_SPACE"))
    if not trims and texts in ([], ["\\N"]):
        return None
    listed = ", ".join(Literal(text).sql for text in texts)

    def change(text: str) -> str:
        text = f"TRIM({text})" if trims else text
        return f"IFF({text} IN ({listed}), NULL, {text})" if texts else text

    return change


def parsed_select(text: str, columns: list[Column]) -> exp.Select:
    """Parse the SELECT of a COPY.

    Raises:
        ProgrammingError: the SELECT does not return one value for each column.
    """
    tree = parse(text)
    more = {key for key, value in tree.args.items() if value} - {"expressions", "from_", "laterals"}
    if not isinstance(tree, exp.Select) or more or len(list(tree.find_all(exp.Query))) > 1:
        raise errors.error(
            2098,
            "0A000",
            "SQL compilation error:\nCOPY statement only supports simple SELECT from stage statements for import.",
        )
    if len(tree.expressions) != len(columns):
        raise errors.error(
            2020,
            "21S01",
            "SQL compilation error:\nInsert value list does not match column list expecting "
            f"{len(columns)} but got {len(tree.expressions)}",
        )
    return tree


@contextmanager
def _query_of(
    session: Session,
    copy: Copy,
    columns: list[Column],
    options: Options,
    files: Sequence[StagedFile],
    select: str,
) -> Iterator[str]:
    """Yield the SELECT of a COPY over files as DuckDB SQL, with each value cast to the type of its column."""
    tree = parsed_select(select, columns)
    compiler = new_compiler(session)
    try:
        for table in list(tree.find_all(exp.Table)):
            if table.name.upper() == "_COPY_SOURCE":
                source = relation(compiler, options, files, tree)
                table.replace(exp.Subquery(this=source, alias=table.args.get("alias")))
        tree.set("expressions", [_into_column(e, c) for e, c in zip(tree.expressions, columns, strict=True)])
        query = to_sql(compiler.compile(tree))
        cut = [column.length if copy.truncates else None for column in columns]
        if any(length is not None for length in cut):
            names = [f"_{n}" for n in range(len(columns))]
            listed = ", ".join(
                name if length is None else f"left({name}, {length})"
                for name, length in zip(names, cut, strict=True)
            )
            query = f"SELECT {listed} FROM ({query}) AS q({', '.join(names)})"
        yield query
    finally:
        compiler.release()


def check_selected(
    session: Session,
    copy: Copy,
    columns: list[Column],
    options: Options,
    files: Sequence[StagedFile],
) -> dict[str, Loaded]:
    """Find files with a row that cannot be converted, before the transaction, which an error would abort.

    Raises:
        UnsupportedError: ON_ERROR = CONTINUE would have to skip single rows.
    """
    failed: dict[str, Loaded] = {}
    if copy.on_error == "ABORT_STATEMENT" or (copy.select is None and format_of(options).is_text):
        return failed
    if session.in_transaction:
        raise errors.UnsupportedError(
            f"ON_ERROR = {copy.on_error} in a transaction for a COPY with a SELECT or of a format other than CSV"
        )
    select = copy.select or _implied_select(session, copy, columns, options, files)
    for file in files:
        try:
            with _query_of(session, copy, columns, options, [file], select) as query:
                session.duck.execute(f"SELECT count(COLUMNS(*)) FROM ({query})")
        except (duckdb.Error, ProgrammingError) as raised:
            if isinstance(raised, ProgrammingError) and raised.errno not in _OF_FILES:
                raise
            found = raised if isinstance(raised, ProgrammingError) else errors.translate(raised)
            message = str(found.raw_msg)
            if copy.on_error == "CONTINUE":
                raise errors.UnsupportedError(
                    f"ON_ERROR = CONTINUE in a COPY with a SELECT, for: {message}",
                    "SKIP_FILE is supported",
                ) from raised
            first = Rejected(1, 1, None, message, found.errno or 100038, "")
            failed[file.relative] = Loaded(file, errors=1, first=first)
    return failed


def _load_selected(
    session: Session,
    copy: Copy,
    columns: list[Column],
    options: Options,
    file: StagedFile,
    select: str,
) -> Loaded:
    """Load one file with the SELECT of the COPY, or the implied one."""
    with _query_of(session, copy, columns, options, [file], select) as query:
        try:
            row = session.duck.execute(f"INSERT INTO {copy.into(columns)} {query}").fetchone()
        except (duckdb.ConversionException, duckdb.InvalidInputException) as raised:
            if gave_up(raised) or not _CONVERSION_ERROR.search(str(raised)):
                raise
            found = errors.translate(raised)  # DuckDB's error does not name the file
            if isinstance(found, errors.UnsupportedError):
                raise found from raised
            raise errors.error(
                found.errno or 100038, found.sqlstate or "22018", f"{found.raw_msg}\n  File '{file.relative}'"
            ) from raised
    return Loaded(file, int(row[0]) if row else 0)


def _plain_type(column: Column) -> str:
    """Return the type of a column without its length: a cast would cut a longer text, which is an error."""
    return dataclasses.replace(column, length=None).snowflake


def _into_column(node: exp.Expr, column: Column) -> exp.Expr:
    """Cast a selected value to the type of its column, so that text is converted as Snowflake converts it."""
    value = node.unalias()
    if isinstance(value, exp.Cast | exp.TryCast) or column.duckdb == "JSON":
        return value.copy()
    return exp.cast(value.copy(), exp.DataType.build(_plain_type(column), dialect="snowflake"))

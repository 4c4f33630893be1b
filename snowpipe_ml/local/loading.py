"""Loading files into a table: what COPY INTO does with each format, and the rows it cannot take."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
from snowflake.connector.errors import ProgrammingError
from sqlglot import exp

from snowpipe_ml.local import errors, staged
from snowpipe_ml.local.columns import varchar_lengths
from snowpipe_ml.local.csvfiles import CsvFormat
from snowpipe_ml.local.load_history import Loaded, Rejected
from snowpipe_ml.local.query import Compiler, parse, to_sql
from snowpipe_ml.local.stages import StagedFile
from snowpipe_ml.local.storage import quoted
from snowpipe_ml.local.types import Column

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection
    from snowpipe_ml.local.copying import Copy

_UNCONVERTED = re.compile(r"Could not convert string [\"'](.*?)[\"'] to", re.S)
_WIDTHS = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
_VECTOR = 2048  # DuckDB's
_TARGET = re.compile(r"to '?(DATE|TIME|BOOL)")


def load(
    connection: Connection,
    copy: Copy,
    columns: list[Column],
    options: dict[str, Any],
    files: list[StagedFile],
    failed: dict[str, Loaded],
) -> list[Loaded]:
    """Load files, in one transaction of the caller's; not those of which is known that they fail.

    Raises:
        ProgrammingError: a row cannot be loaded, and ON_ERROR is ABORT_STATEMENT.
    """
    if copy.select is None and staged.kind_of(options) == "CSV":
        fmt = CsvFormat.read(options)
        damaged = {} if copy.on_error == "ABORT_STATEMENT" else _damaged(fmt, files)
        files = [file for file in files if file.relative not in damaged]
        groups = _alike(fmt, files) if copy.on_error in ("ABORT_STATEMENT", "CONTINUE") else [[f] for f in files]
        done = [loaded for group in groups for loaded in _load_delimited(connection, copy, columns, fmt, group)]
        return sorted([*done, *damaged.values()], key=lambda loaded: loaded.file.relative) if damaged else done
    select = copy.select or _matching(connection, copy, columns, options, files)
    return [
        failed.get(file.relative) or _load_selected(connection, copy, columns, options, file, select) for file in files
    ]


def _damaged(fmt: CsvFormat, files: Sequence[StagedFile]) -> dict[str, Loaded]:
    """The files that cannot be opened as their format says, each with the reason."""
    found: dict[str, Loaded] = {}
    for file in files:
        try:
            fmt.is_gzip(file.path)
        except errors.UnsupportedError:
            raise
        except ProgrammingError as raised:
            message = str(raised.raw_msg)
            found[file.relative] = Loaded(file, 0, 0, [Rejected(1, 1, None, message, raised.errno or 100081, "")])
    return found


def _alike(fmt: CsvFormat, files: Sequence[StagedFile]) -> list[list[StagedFile]]:
    """The files in runs that one call of the reader can take: packed ones apart, empty ones alone."""
    groups: list[list[StagedFile]] = []
    last: tuple[bool, bool] | None = None
    for file in files:
        key = (fmt.width(file.path) == 0, fmt.is_gzip(file.path))
        if key == last and not key[0]:
            groups[-1].append(file)
        else:
            groups.append([file])
        last = key
    return groups


# --------------------------------------------------------------------------- delimited files


def _load_delimited(
    connection: Connection, copy: Copy, columns: list[Column], fmt: CsvFormat, files: list[StagedFile]
) -> list[Loaded]:
    """Files of one kind in one statement, so that DuckDB reads several at once."""
    if fmt.width(files[0].path) == 0:
        return [Loaded(file) for file in files]
    suffix = uuid.uuid4().hex
    scans, errors_table = f"_scans_{suffix}", f"_errors_{suffix}"
    source = fmt.read_csv(
        [file.path for file in files], [(column.name, column.duckdb) for column in columns],
        f"store_rejects = true, rejects_scan = '{scans}', rejects_table = '{errors_table}', rejects_limit = 0",
    )  # fmt: skip
    listed = ", ".join(_loaded_value(connection, copy, fmt, column) for column in columns)
    with _counting(connection, len(files)) as (where, counted):
        try:
            row = connection.duck.execute(
                f"INSERT INTO {copy.into(columns)} SELECT {listed} FROM {source}{where}"
            ).fetchone()
        except duckdb.ConstraintException as raised:
            if copy.on_error == "ABORT_STATEMENT":
                raise
            # Snowflake rejects the one row; DuckDB has given up the statement.
            raise errors.UnsupportedError(
                f"ON_ERROR = {copy.on_error} for: {errors.translate(raised).raw_msg}"
            ) from raised
        done = [Loaded(file, n) for file, n in zip(files, counted(int(row[0]) if row else 0), strict=True)]
    _collect_rejects(connection, copy, columns, done, scans, errors_table)
    first = next((loaded for loaded in done if loaded.rejected), None)
    if first is None:
        return done
    if copy.on_error == "ABORT_STATEMENT":
        _abort(first.file, first.rejected[0])
    if copy.on_error.startswith("SKIP_FILE") and first.loaded and copy.skips(first):
        # The rows of this file are the last that were inserted in this transaction.
        connection.duck.execute(
            f"DELETE FROM {quoted(*copy.target)} WHERE rowid IN "
            f"(SELECT rowid FROM {quoted(*copy.target)} ORDER BY rowid DESC LIMIT {first.loaded})"
        )
        first.skipped, first.loaded = first.loaded, 0
    return done


def _loaded_value(connection: Connection, copy: Copy, fmt: CsvFormat, column: Column) -> str:
    value = quoted(column.name)
    if fmt.trim and column.duckdb == "VARCHAR":
        value = f"trim({value})"
    if copy.truncates and column.duckdb == "VARCHAR":
        length = varchar_lengths(connection, *copy.target).get((copy.target[1], copy.target[2], column.name))
        value = f"left({value}, {length})" if length else value
    return value


@contextmanager
def _counting(connection: Connection, count: int) -> Iterator[tuple[str, Callable[[int], list[int]]]]:
    """A condition that is always true and counts each file's rows as they pass.

    COPY reports rows a file, and an INSERT only says how many there were in all. Counting in a
    second pass would read the files twice.
    """
    if count == 1:
        yield "", lambda total: [total]
        return
    totals = np.zeros(count, dtype=np.int64)
    true = pa.array(np.ones(_VECTOR, dtype=bool))

    def note(index: pa.ChunkedArray | pa.Array) -> pa.Array:
        flat = index.combine_chunks() if isinstance(index, pa.ChunkedArray) else index
        numbers = flat.to_numpy(zero_copy_only=False)
        if len(numbers) and (numbers == numbers[0]).all():  # as a rule DuckDB reads a vector from one file
            totals[int(numbers[0])] += len(numbers)
        else:
            np.add(totals, np.bincount(numbers.astype(np.int64), minlength=count), out=totals)
        return true.slice(0, len(numbers)) if len(numbers) <= _VECTOR else pa.array(np.ones(len(numbers), dtype=bool))

    name = f"_count_{uuid.uuid4().hex}"
    duck = connection.duck  # in the transaction of the load, which sees nothing that is registered elsewhere
    duck.create_function(name, note, [duckdb.sqltype("UBIGINT")], duckdb.sqltype("BOOLEAN"), type="arrow",
                         null_handling="special", side_effects=True)  # fmt: skip
    try:
        yield f" WHERE {name}(file_index)", lambda _: [int(n) for n in totals]
    finally:
        with suppress(duckdb.TransactionException):  # in a transaction that has failed it goes with it
            duck.remove_function(name)


def _collect_rejects(
    connection: Connection, copy: Copy, columns: list[Column], done: list[Loaded], scans: str, errors_table: str
) -> None:
    """Note each file's rejected rows, and drop DuckDB's tables of them."""
    found = connection.duck.execute(
        "SELECT s.file_path, line, byte_position - line_byte_position + 1, column_idx, column_name, error_type::VARCHAR, "
        f"csv_line, error_message FROM {errors_table} e JOIN {scans} s USING (scan_id, file_id) ORDER BY line, column_idx"
    ).fetchall()
    connection.duck.execute(f"DROP TABLE IF EXISTS {scans}")
    connection.duck.execute(f"DROP TABLE IF EXISTS {errors_table}")
    _refuse_known_values(connection, found)
    by_path = {str(loaded.file.path): loaded for loaded in done}
    seen: set[tuple[str, int]] = set()
    for path, line, character, index, name, kind, record, message in found:
        if (path, line) not in seen:
            seen.add((path, line))
            rejected = _rejected(copy, columns, line, character, index, name, kind, record, message)
            by_path[path].rejected.append(rejected)


def _refuse_known_values(connection: Connection, found: list[Any]) -> None:
    """Refuse values that Snowflake's AUTO reads and DuckDB's reader rejects: they are no bad rows."""
    for *_, kind, _, message in found:
        value, target = _UNCONVERTED.search(message), _TARGET.search(message)
        if kind != "CAST" or not value or not target:
            continue
        text = value.group(1).strip()
        if target.group(1) == "BOOL":
            known = text.lower() in ("on", "off", "yes", "no", "y", "n")
        else:
            # Not as a constant: DuckDB would evaluate every branch of the macro beforehand.
            parsed = connection.duck.execute(
                "SELECT memory.main.sf_try_timestamp(x) FROM (SELECT unnest([?]) AS x)", [text]
            ).fetchone()
            known = parsed != (None,)
        if known:
            raise errors.UnsupportedError(
                f"the value {text!r} in COPY INTO", "Write dates as YYYY-MM-DD and truth values as true and false"
            )


def _rejected(
    copy: Copy,
    columns: list[Column],
    line: int,
    character: int | None,
    index: int | None,
    name: str | None,
    kind: str,
    record: str | None,
    message: str,
) -> Rejected:
    """A DuckDB reject in Snowflake's words and codes."""
    table = copy.target[2]
    position = (index or 1) if index else 1
    column = f'"{table}"["{name}":{position}]' if name else f'"{table}"[{position}]'
    record = record or ""
    match kind:
        case "CAST":
            found = _UNCONVERTED.search(message)
            value = found.group(1) if found else ""
            target = next((c.duckdb for c in columns if c.name == name), "")
            if target.startswith(("DATE", "TIME")):
                return Rejected(line, character or 1, column, f"Timestamp '{value}' is not recognized", 100035, record)
            if target == "BOOLEAN":
                return Rejected(
                    line, character or 1, column, f"Boolean value '{value}' is not recognized", 100037, record
                )
            return Rejected(line, character or 1, column, f"Numeric value '{value}' is not recognized", 100038, record)
        case "TOO MANY COLUMNS" | "MISSING COLUMNS":
            widths = _WIDTHS.search(message)
            in_table, in_file = (f" ({n})" for n in widths.groups()) if widths else ("", "")
            text = (
                f"Number of columns in file{in_file} does not match that of the corresponding table{in_table}, "
                "use file format option error_on_column_count_mismatch=false to ignore this error"
            )
            return Rejected(line, character or 1, f'"{table}"[{position}]', text, 100080, record)
        case "UNQUOTED VALUE":
            return Rejected(
                line,
                character or 1,
                column,
                "Found character after the closing quote instead of field delimiter",
                100016,
                record,
            )
        case "INVALID ENCODING" | "INVALID UNICODE":
            return Rejected(line, character or 1, column, "Invalid UTF8 detected", 100144, record)
        case _:
            return Rejected(line, character or 1, column, message.split("\n")[0], 100000, record)


def _abort(file: StagedFile, first: Rejected) -> None:
    raise errors.error(
        first.code, "22018",
        f"{first.message}\n  File '{file.relative}', line {first.line}, character {first.character}\n"
        f"  Row {first.line}, column {first.column}\n  If you would like to continue loading when an error is "
        "encountered, use other values such as 'SKIP_FILE' or 'CONTINUE' for the ON_ERROR option.",
    )  # fmt: skip


# --------------------------------------------------------------------------- through a SELECT


def _matching(
    connection: Connection, copy: Copy, columns: list[Column], options: dict[str, Any], files: Sequence[StagedFile]
) -> str:
    """The SELECT that a COPY of records without one means: the whole record, or its fields by name."""
    kind = staged.kind_of(options)
    match = str(copy.options.get("MATCH_BY_COLUMN_NAME") or "NONE").upper()
    if match == "NONE":
        if len(columns) != 1 or columns[0].duckdb != "JSON":
            raise errors.error(
                2019, "0A000",
                f"SQL compilation error:\n{kind} file format can produce one and only one column of type variant, object, "
                "or array. Load data into separate columns using the MATCH_BY_COLUMN_NAME copy option or copy with "
                "transformation.",
            )  # fmt: skip
        return "SELECT $1 FROM _COPY_SOURCE"
    fields = staged.fields(connection, options, files)
    fold = str.upper if match == "CASE_INSENSITIVE" else str
    by_name = {fold(name): name for name in fields}
    matched = [(column, by_name[fold(column.name)]) for column in columns if fold(column.name) in by_name]
    columns[:] = [column for column, _ in matched]
    listed = ", ".join(
        f'$1:"{name}"' + ("" if column.duckdb == "JSON" else f"::{column.snowflake}") for column, name in matched
    )
    return f"SELECT {listed} FROM _COPY_SOURCE"


def parsed_select(text: str, columns: list[Column]) -> exp.Select:
    """A COPY's SELECT.

    Raises:
        ProgrammingError: it gives another number of values than there are columns.
    """
    tree = parse(text)
    if not isinstance(tree, exp.Select):
        raise errors.syntax("COPY takes a SELECT from a stage")
    if len(tree.expressions) != len(columns):
        raise errors.error(
            2020, "21S01",
            "SQL compilation error:\nInsert value list does not match column list expecting "
            f"{len(columns)} but got {len(tree.expressions)}",
        )  # fmt: skip
    return tree


@contextmanager
def _query_of(
    connection: Connection, columns: list[Column], options: dict[str, Any], file: StagedFile, select: str
) -> Iterator[str]:
    """A COPY's SELECT over one file, as DuckDB's text, each value in the type of its column."""
    tree = parsed_select(select, columns)
    compiler = Compiler(connection)
    try:
        for table in list(tree.find_all(exp.Table)):
            if table.name.upper() == "_COPY_SOURCE":
                source = staged.relation(compiler, options, [file], tree)
                table.replace(exp.Subquery(this=source, alias=table.args.get("alias")))
        tree.set("expressions", [_into_column(e, c) for e, c in zip(tree.expressions, columns, strict=True)])
        yield to_sql(compiler.compile(tree))
    finally:
        compiler.release()


def check_selected(
    connection: Connection, copy: Copy, columns: list[Column], options: dict[str, Any], files: Sequence[StagedFile]
) -> dict[str, Loaded]:
    """The files of which a row cannot be converted: found before the transaction, which an error would end.

    Raises:
        UnsupportedError: ON_ERROR = CONTINUE would have to leave out single rows.
    """
    failed: dict[str, Loaded] = {}
    if copy.on_error == "ABORT_STATEMENT" or (copy.select is None and staged.kind_of(options) == "CSV"):
        return failed
    if connection.in_transaction:
        raise errors.UnsupportedError(f"ON_ERROR = {copy.on_error} of such a COPY in a transaction")
    select = copy.select or _matching(connection, copy, columns, options, files)
    for file in files:
        with _query_of(connection, columns, options, file, select) as query:
            try:
                connection.duck.execute(f"SELECT count(COLUMNS(*)) FROM ({query})")
            except duckdb.Error as raised:
                message = str(errors.translate(raised).raw_msg)
                if copy.on_error == "CONTINUE":
                    raise errors.UnsupportedError(
                        f"ON_ERROR = CONTINUE in a COPY with a SELECT, for: {message}", "SKIP_FILE is supported"
                    ) from raised
                failed[file.relative] = Loaded(file, 0, 0, [Rejected(1, 1, None, message, 100038, "")])
    return failed


def _load_selected(
    connection: Connection,
    copy: Copy,
    columns: list[Column],
    options: dict[str, Any],
    file: StagedFile,
    select: str,
) -> Loaded:
    """A COPY with a SELECT, or of records."""
    with _query_of(connection, columns, options, file, select) as query:
        row = connection.duck.execute(f"INSERT INTO {copy.into(columns)} {query}").fetchone()
    return Loaded(file, int(row[0]) if row else 0)


def _into_column(node: exp.Expr, column: Column) -> exp.Expr:
    """A selected value in the type of its column, so that text becomes a date as Snowflake reads it."""
    value = node.unalias()
    if isinstance(value, exp.Cast | exp.TryCast) or column.duckdb == "JSON":
        return value.copy()
    return exp.cast(value.copy(), exp.DataType.build(column.snowflake, dialect="snowflake"))

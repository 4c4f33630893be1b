"""COPY INTO a table, its memory of what it loaded, and the rows that it rejected.

https://docs.snowflake.com/en/sql-reference/sql/copy-into-table
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
from sqlglot import exp

from snowpipe_ml.local import errors
from snowpipe_ml.local.csvfiles import CsvFormat
from snowpipe_ml.local.load_history import Loaded, Rejected, remember, remembered
from snowpipe_ml.local.query import Compiler, in_transaction, parse, to_sql
from snowpipe_ml.local.stages import StagedFile, file_format, find_stage
from snowpipe_ml.local.statements import Result, Statement, command, rows
from snowpipe_ml.local.storage import quoted, retry_conflicts
from snowpipe_ml.local.types import Column

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection
    from snowpipe_ml.local.reader import Reader

_OPTIONS = {"FILE_FORMAT", "FILES", "PATTERN", "ON_ERROR", "FORCE", "PURGE", "SIZE_LIMIT", "RETURN_FAILED_ONLY",
            "ENFORCE_LENGTH", "TRUNCATECOLUMNS", "LOAD_UNCERTAIN_FILES"}  # fmt: skip
_UNCONVERTED = re.compile(r'Could not convert string ["\'](.*?)["\'] to', re.S)
_TARGET = re.compile(r"to '?(DATE|TIME|BOOL)")
_RESULT = [
    ("file", "VARCHAR"), ("status", "VARCHAR"), ("rows_parsed", "BIGINT"), ("rows_loaded", "BIGINT"),
    ("error_limit", "BIGINT"), ("errors_seen", "BIGINT"), ("first_error", "VARCHAR"),
    ("first_error_line", "BIGINT"), ("first_error_character", "BIGINT"), ("first_error_column_name", "VARCHAR"),
]  # fmt: skip


@dataclass
class Copy:
    """A COPY statement, read."""

    target: tuple[str, str, str]
    columns: list[str]
    stage: str
    select: str | None
    options: dict[str, Any]


@command("COPY")
def copy_into(statement: Statement) -> Result:
    """``COPY INTO table [(columns)] FROM @stage | (SELECT ... FROM @stage) options``."""
    connection = statement.connection
    copy = _read(connection, statement.reader)
    for key in set(copy.options) - _OPTIONS:
        raise errors.UnsupportedError(f"COPY INTO with {key}")
    stage, path = find_stage(connection, copy.stage)
    fmt = CsvFormat.read(file_format(connection, copy.options.get("FILE_FORMAT"), stage))
    files = stage.files(path, copy.options.get("PATTERN"))
    if copy.options.get("FILES"):
        wanted = {f"{path.rstrip('/')}/{name}".lstrip("/") for name in copy.options["FILES"]}
        files = [file for file in files if file.relative in wanted]
        if len(files) < len(wanted):
            raise errors.error(
                91016,
                "22000",
                f"Remote file '{stage.label}/{sorted(wanted - {f.relative for f in files})[0]}' was not found.",
            )
    columns = _target_columns(connection, copy)
    known = {} if copy.options.get("FORCE") else remembered(connection, copy.target)
    fresh = [file for file in files if known.get(file.label) != file.md5]
    if not fresh:
        return rows([("status", "VARCHAR")], [("Copy executed with 0 files processed.",)])
    on_error = str(copy.options.get("ON_ERROR") or "ABORT_STATEMENT").upper()
    if on_error not in ("ABORT_STATEMENT", "CONTINUE", "SKIP_FILE"):
        raise errors.UnsupportedError(f"ON_ERROR = {on_error}")

    def load() -> list[Loaded]:
        with in_transaction(connection):
            done = [_load_file(connection, copy, columns, fmt, file, on_error) for file in fresh]
            remember(connection, copy.target, done, statement.query_id)
            return done

    done: list[Loaded] = retry_conflicts(load)
    if copy.options.get("PURGE"):
        for item in done:
            if item.status == "LOADED":
                item.file.path.unlink(missing_ok=True)
    limits = [max(1, item.parsed) if on_error == "CONTINUE" else 1 for item in done]
    result = rows(_RESULT, [item.row(limit) for item, limit in zip(done, limits, strict=True)])
    return Result(result.columns, result.table, sum(item.loaded for item in done))


def _read(connection: Connection, reader: Reader) -> Copy:
    reader.expect("COPY", "INTO")
    if reader.peek().kind == "stage" or reader.peek().text.startswith("'@"):
        raise errors.UnsupportedError("COPY INTO a stage (unloading)")
    target = connection.resolve(reader.name(), "COPY")
    columns: list[str] = []
    if reader.accept("("):
        columns.append(reader.identifier())
        while reader.accept(","):
            columns.append(reader.identifier())
        reader.expect(")")
    reader.expect("FROM")
    select = None
    if reader.accept("("):
        start, depth = reader.peek().start, 1
        stage = ""
        while depth:
            token = reader.next()
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if token.kind == "stage" or (token.kind == "string" and token.text.startswith("'@")):
                stage = token.text.strip("'")
                location = (token.start, token.end)
        text = reader.text[start : token.start]
        if not stage:
            raise errors.syntax("the SELECT of a COPY reads from a stage")
        select = text[: location[0] - start] + "_COPY_SOURCE" + text[location[1] - start :]
    else:
        stage = reader.stage()
    options = reader.options()
    reader.end()
    return Copy(target, columns, stage, select, options)


def _target_columns(connection: Connection, copy: Copy) -> list[Column]:
    found = connection.duck.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = ? AND schema_name = ? "
        "AND table_name = ? ORDER BY column_index", list(copy.target),
    ).fetchall()  # fmt: skip
    if not found:
        raise errors.missing("Table", ".".join(copy.target))
    by_name = {name: Column(name, kind) for name, kind in found}
    for name in copy.columns:
        if name not in by_name:
            raise errors.error(904, "42000", f"SQL compilation error:\ninvalid identifier '{name}'")
    return [by_name[name] for name in copy.columns] if copy.columns else list(by_name.values())


# --------------------------------------------------------------------------- loading


def _load_file(
    connection: Connection, copy: Copy, columns: list[Column], fmt: CsvFormat, file: StagedFile, on_error: str
) -> Loaded:
    target = f"{quoted(*copy.target)} ({', '.join(quoted(column.name) for column in columns)})"
    if copy.select is not None:
        return _load_transformed(connection, copy, columns, fmt, file, on_error, target)
    if fmt.width(file.path) == 0:
        return Loaded(file)
    suffix = uuid.uuid4().hex
    scans, errors_table = f"_scans_{suffix}", f"_errors_{suffix}"
    names = [(column.name, column.duckdb) for column in columns]
    source = fmt.read_csv(
        [file.path],
        names,
        f"store_rejects = true, rejects_scan = '{scans}', rejects_table = '{errors_table}', rejects_limit = 0",
    )
    listed = ", ".join(
        f"trim({quoted(c.name)})" if fmt.trim and c.duckdb == "VARCHAR" else quoted(c.name) for c in columns
    )
    try:
        row = connection.duck.execute(f"INSERT INTO {target} SELECT {listed} FROM {source}").fetchone()
    except duckdb.ConstraintException as raised:
        if on_error == "ABORT_STATEMENT":
            raise
        # Snowflake rejects the one row; DuckDB has given up the statement.
        raise errors.UnsupportedError(f"ON_ERROR = {on_error} for: {errors.translate(raised).raw_msg}") from raised
    result = Loaded(file, int(row[0]) if row else 0)
    found = connection.duck.execute(
        "SELECT line, byte_position - line_byte_position + 1, column_idx, column_name, error_type::VARCHAR, csv_line, "
        f"error_message FROM {errors_table} ORDER BY line, column_idx"
    ).fetchall()
    connection.duck.execute(f"DROP TABLE IF EXISTS {scans}")
    connection.duck.execute(f"DROP TABLE IF EXISTS {errors_table}")
    _refuse_known_values(connection, found)
    seen: set[int] = set()
    for line, character, index, name, kind, record, message in found:
        if line not in seen:
            seen.add(line)
            result.rejected.append(_rejected(copy, columns, line, character, index, name, kind, record, message))
    if result.rejected and on_error == "ABORT_STATEMENT":
        _abort(file, result.rejected[0])
    if result.rejected and on_error == "SKIP_FILE" and result.loaded:
        # The rows of this file are the last that were inserted in this transaction.
        connection.duck.execute(
            f"DELETE FROM {quoted(*copy.target)} WHERE rowid IN "
            f"(SELECT rowid FROM {quoted(*copy.target)} ORDER BY rowid DESC LIMIT {result.loaded})"
        )
        result.skipped, result.loaded = result.loaded, 0
    return result


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
            text = (
                "Number of columns in file does not match that of the corresponding table, "
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


def _load_transformed(
    connection: Connection,
    copy: Copy,
    columns: list[Column],
    fmt: CsvFormat,
    file: StagedFile,
    on_error: str,
    target: str,
) -> Loaded:
    """A COPY with a SELECT; the first row that cannot be converted ends it."""
    from snowpipe_ml.local.csvfiles import text_query

    if on_error != "ABORT_STATEMENT":
        raise errors.UnsupportedError(f"ON_ERROR = {on_error} with a SELECT in COPY INTO")
    tree = parse(copy.select or "")
    highest = max((int(p.name) for p in tree.find_all(exp.Parameter) if p.name.isdigit()), default=1)
    for parameter in list(tree.find_all(exp.Parameter)):
        parameter.replace(exp.column(exp.to_identifier(f"_{parameter.name}", quoted=True)))
    for column in list(tree.find_all(exp.Column)):
        if column.name.upper() == "METADATA$FILENAME":
            column.replace(exp.column(exp.to_identifier("_FILE", quoted=True)))
        elif column.name.upper().startswith("METADATA$"):
            raise errors.UnsupportedError(f"{column.name} in COPY INTO")
    compiler = Compiler(connection)
    try:
        for table in list(tree.find_all(exp.Table)):
            if table.name == "_COPY_SOURCE":
                source = exp.select("*").from_(compiler.view(text_query(fmt, [file], highest)))
                table.replace(exp.Subquery(this=source, alias=table.args.get("alias")))
        query_text = to_sql(compiler.compile(tree))
        row = connection.duck.execute(f"INSERT INTO {target} {query_text}").fetchone()
    finally:
        compiler.release()
    return Loaded(file, int(row[0]) if row else 0)

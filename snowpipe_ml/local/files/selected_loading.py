"""Load files through a query over their rows: COPY with a SELECT, JSON, Parquet and ORC."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import duckdb
from sqlglot import exp

from snowpipe_ml.local.catalog.columns import stored_columns
from snowpipe_ml.local.catalog.load_history import Loaded
from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core import connector, duckdb_errors, errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.core.values import Options
from snowpipe_ml.local.files.copy import Copy
from snowpipe_ml.local.files.formats.base import fields_of, format_of
from snowpipe_ml.local.files.line_ends import gave_up
from snowpipe_ml.local.files.relation import relation
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.translate.compiler import to_sql
from snowpipe_ml.local.translate.passes import new_compiler
from snowpipe_ml.sql import Literal

# The errors of a file that cannot be read.
_OF_FILES = (100069, 100144, 100081)
_CONVERSION_ERROR = re.compile(r"Could not convert|CSV Error|unicode", re.I)


def implied_select(
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
def query_of(
    session: Session,
    copy: Copy,
    columns: list[Column],
    options: Options,
    files: Sequence[StagedFile],
    select: str,
) -> Iterator[str]:
    """Yield the SELECT of a COPY over files as DuckDB SQL, with each value cast to the type of its column."""
    tree = parsed_select(select, columns)
    # With its cast, a field of a file with typed columns is read as it is stored, and not by way of JSON.
    tree.set("expressions", [_into_column(e, c) for e, c in zip(tree.expressions, columns, strict=True)])
    compiler = new_compiler(session)
    try:
        for table in list(tree.find_all(exp.Table)):
            if table.name.upper() == "_COPY_SOURCE":
                source = relation(compiler, options, files, tree)
                table.replace(exp.Subquery(this=source, alias=table.args.get("alias")))
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
    select = copy.select or implied_select(session, copy, columns, options, files)
    for file in files:
        try:
            with query_of(session, copy, columns, options, [file], select) as query:
                session.duck.execute(f"SELECT count(COLUMNS(*)) FROM ({query})")
        except (duckdb.Error, connector.ProgrammingError) as raised:
            if isinstance(raised, connector.ProgrammingError) and raised.errno not in _OF_FILES:
                raise
            found = (
                raised if isinstance(raised, connector.ProgrammingError) else duckdb_errors.translate(raised)
            )
            message = str(found.raw_msg)
            if copy.on_error == "CONTINUE":
                raise errors.UnsupportedError(
                    f"ON_ERROR = CONTINUE in a COPY with a SELECT, for: {message}",
                    "SKIP_FILE is supported",
                ) from raised
            failed[file.relative] = Loaded.unreadable(file, message, found.errno or 100038)
    return failed


def load_selected(
    session: Session,
    copy: Copy,
    columns: list[Column],
    options: Options,
    file: StagedFile,
    select: str,
) -> Loaded:
    """Load one file with the SELECT of the COPY, or the implied one."""
    with query_of(session, copy, columns, options, [file], select) as query:
        try:
            row = session.duck.execute(f"INSERT INTO {copy.into(columns)} {query}").fetchone()
        except (duckdb.ConversionException, duckdb.InvalidInputException) as raised:
            if gave_up(raised) or not _CONVERSION_ERROR.search(str(raised)):
                raise
            found = duckdb_errors.translate(raised)  # DuckDB's error does not name the file
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

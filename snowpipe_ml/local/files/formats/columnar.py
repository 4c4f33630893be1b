"""The common base of formats with typed columns, such as Parquet."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence

import duckdb
from duckdb.sqltypes import DuckDBPyType

from snowpipe_ml.local.catalog.stages import StagedFile
from snowpipe_ml.local.core.duck import Duck
from snowpipe_ml.local.core.names import literal, quoted
from snowpipe_ml.local.core.values import Options, Row
from snowpipe_ml.local.files.formats.base import Columns, FileFormat, Wanted, union
from snowpipe_ml.local.files.formats.detection import merge, path
from snowpipe_ml.local.files.metadata import metadata_columns
from snowpipe_ml.local.translate.compiler import Compiler


class ColumnarFormat(FileFormat):
    """A format with typed columns. Subclasses define how DuckDB reads a file."""

    @abstractmethod
    def source(self, compiler: Compiler, options: Options, file: StagedFile) -> str:
        """Return a file as a relation for DuckDB: a reader's call, or the name of a registered Arrow table."""

    def scan(
        self, compiler: Compiler, options: Options, files: Sequence[StagedFile], wanted: Wanted
    ) -> tuple[str, dict[str, tuple[str, str]]]:
        """Return the records, and each scalar column as ``$name``."""
        native: dict[str, tuple[str, str]] = {}
        parts = [self._query(compiler, options, file, wanted, native) for file in files]
        return union(parts, wanted), native

    def _query(
        self,
        compiler: Compiler,
        options: Options,
        file: StagedFile,
        wanted: Wanted,
        native: dict[str, tuple[str, str]],
    ) -> str:
        """Return a query of a file: the record as JSON, and each scalar column as ``$name``.

        ``$1:"name"::TYPE`` reads these columns directly; reading through JSON would be many times slower.
        """
        origin = self.source(compiler, options, file)
        duck = compiler.session.duck
        columns = [(row[0], row[1]) for row in duck.execute(f"DESCRIBE SELECT * FROM {origin}").fetchall()]
        packed, plain = [], []
        adjusted = not options.get("USE_LOGICAL_TYPE")
        for name, type_ in sorted(columns):  # the keys of an OBJECT are sorted
            value = quoted(name)
            if type_ == "BLOB" and options.get("BINARY_AS_TEXT", True) and is_text(duck, origin, value):
                value, type_ = f"decode({value})", "VARCHAR"
            if type_ in ("TIMESTAMP WITH TIME ZONE NS", "TIMESTAMPTZ_NS"):
                value, type_ = f"CAST({value} AS TIMESTAMPTZ)", "TIMESTAMP WITH TIME ZONE"
            if type_ == "TIME WITH TIME ZONE":
                value, type_ = f"CAST({value} AS TIME)", "TIME"
            packed.append(
                f"{literal(name)}: {f'hex({value})' if type_ == 'BLOB' else _as_json(value, type_, adjusted)}"
            )
            if _is_plain(type_):
                # Files may differ in the type of a column.
                before = native.get(name, ("", type_))[1]
                native[name] = (f"${name}", type_ if before == type_ else "")
                plain.append(f"{value} AS {quoted('$' + name)}")
        number = "row_number() OVER () - 1" if "_ROW_NUMBER" in wanted.metadata else "0"
        record = "to_json({" + ", ".join(packed) + "})"
        listed = "".join(f", {column}" for column in plain)
        return (
            f'SELECT {record} AS "_1"{listed}{metadata_columns(file, wanted.metadata, number)} FROM {origin}'
        )

    def fields(self, compiler: Compiler, options: Options, file: StagedFile) -> list[str]:
        """Return the names of the columns."""
        return [name for name, *_ in self._described(compiler, self.source(compiler, options, file))]

    def infer(self, compiler: Compiler, options: Options, files: Sequence[StagedFile]) -> Columns:
        """Return the columns with the types of the files."""
        found: Columns = {}
        for file in files:
            source = self.source(compiler, options, file)
            for name, kind, *_ in self._described(compiler, source):
                type_ = _snowflake_type(compiler.session.duck, source, name, kind, options)
                merge(found, name, type_, f"$1:{path(name)}", file)
        return found

    @staticmethod
    def _described(compiler: Compiler, source: str) -> list[Row]:
        return compiler.session.duck.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()


def is_text(duck: Duck, source: str, value: str) -> bool:
    """Return whether all values of a binary column are valid UTF-8: Snowflake reads such a column as text."""
    row = duck.execute(
        f"SELECT bool_and(try(decode({value})) IS NOT NULL OR {value} IS NULL) FROM {source}"
    ).fetchone()
    return bool(row and row[0])


def _as_json(value: str, type_: str, adjusted: bool) -> str:
    """Format timestamps as in a VARIANT, also nested ones; other values are converted by DuckDB.

    Without its logical type (``adjusted``), an instant is shown in UTC.
    """
    return _shown(value, duckdb.sqltype(type_), adjusted) if "TIMESTAMP" in type_ else value


def _shown(value: str, kind: DuckDBPyType, adjusted: bool) -> str:
    if kind.id.startswith("timestamp"):
        if adjusted and "time zone" in kind.id:
            value = f"timezone('UTC', {value})"
        return f"strftime({value}, '%Y-%m-%d %H:%M:%S.%g')"
    if kind.id == "struct":
        fields = ", ".join(
            f"{literal(name)}: {_shown(f'{value}.{quoted(name)}', child, adjusted)}"
            for name, child in kind.children
            if isinstance(child, DuckDBPyType)
        )
        return f"CASE WHEN {value} IS NULL THEN NULL ELSE {{{fields}}} END"
    if kind.id == "list" and isinstance(item := dict(kind.children)["child"], DuckDBPyType):
        return f"list_transform({value}, lambda item: {_shown('item', item, adjusted)})"
    return value


def _is_plain(type_: str) -> bool:
    return not type_.endswith("[]") and not type_.startswith(("STRUCT", "MAP", "UNION"))


def _snowflake_type(duck: Duck, source: str, name: str, duckdb: str, fmt: Options) -> str:
    if match := re.match(r"DECIMAL\((\d+),\s*(\d+)\)", duckdb):
        return f"NUMBER({match.group(1)}, {match.group(2)})"
    if not _is_plain(duckdb):
        return "VARIANT"
    if duckdb == "BLOB":
        # With USE_LOGICAL_TYPE a column without a logical type is binary, as Snowpark's tests expect.
        text = fmt.get("BINARY_AS_TEXT", not fmt.get("USE_LOGICAL_TYPE")) and is_text(
            duck, source, quoted(name)
        )
        return "TEXT" if text else "BINARY"
    if "INT" in duckdb:
        return "NUMBER(38, 0)"
    if duckdb.startswith("TIME") and not duckdb.startswith("TIMESTAMP"):
        return "TIME"
    if ("TIME ZONE" in duckdb or "TIMESTAMPTZ" in duckdb) and fmt.get("USE_LOGICAL_TYPE"):
        return "TIMESTAMP_LTZ"
    return {
        "DOUBLE": "REAL",
        "FLOAT": "REAL",
        "BOOLEAN": "BOOLEAN",
        "DATE": "DATE",
        "VARCHAR": "TEXT",
        "JSON": "VARIANT",
    }.get(duckdb, "TIMESTAMP_NTZ" if "TIMESTAMP" in duckdb else "TEXT")

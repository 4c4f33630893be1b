"""Query staged files of any format: ``$1``, ``$1:field`` and ``METADATA$...``.

A delimited file has one column for each field; in a JSON, Parquet or ORC file ``$1`` is the whole record
as a VARIANT. https://docs.snowflake.com/en/user-guide/querying-stage
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
from sqlglot import exp

from snowpipe_ml.local.catalog.stages import StagedFile, find_stage
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import literal, path_literal, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.files import relation as staged
from snowpipe_ml.local.files.csv import CsvFormat, text_query
from snowpipe_ml.local.files.format_options import file_format
from snowpipe_ml.local.files.metadata import METADATA, metadata_columns
from snowpipe_ml.local.translate.arrow_relation import replace_relation
from snowpipe_ml.local.translate.compiler import Compiler
from snowpipe_ml.local.translate.passes import new_compiler
from snowpipe_ml.local.translate.registry import table_relation

_JSON_OPTIONS = {
    "TYPE",
    "COMPRESSION",
    "STRIP_OUTER_ARRAY",
    "STRIP_NULL_VALUES",
    "ALLOW_DUPLICATE",
    "IGNORE_UTF8_ERRORS",
    "ENABLE_OCTAL",
    "SKIP_BYTE_ORDER_MARK",
    "MULTI_LINE",
    "TRIM_SPACE",
    "NULL_IF",
    "REPLACE_INVALID_CHARACTERS",
    "DATE_FORMAT",
    "TIME_FORMAT",
    "TIMESTAMP_FORMAT",
    "BINARY_FORMAT",
    "FILE_EXTENSION",
}
_PARQUET_OPTIONS = {
    "TYPE",
    "COMPRESSION",
    "SNAPPY_COMPRESSION",
    "BINARY_AS_TEXT",
    "USE_LOGICAL_TYPE",
    "TRIM_SPACE",
    "NULL_IF",
    "USE_VECTORIZED_SCANNER",
    "REPLACE_INVALID_CHARACTERS",
}


@dataclass
class Wanted:
    """The columns of staged files that a query reads.

    Attributes:
        highest: the highest ``$n``.
        metadata: the METADATA$ columns.
    """

    highest: int = 1
    metadata: set[str] = field(default_factory=set)


def kind_of(options: dict[str, Any]) -> str:
    """Return the TYPE of a file format: CSV, JSON, PARQUET or ORC.

    Raises:
        UnsupportedError: the file format has another type.
    """
    kind = str(options.get("TYPE") or "CSV").upper()
    if kind not in ("CSV", "JSON", "PARQUET", "ORC"):
        raise errors.UnsupportedError(
            f"file formats of type {kind}", "CSV, JSON, PARQUET and ORC are supported"
        )
    return kind


def read_references(select: exp.Expr | None) -> Wanted:
    """Replace ``$1``, ``t.$1`` and METADATA$ names in a SELECT by column names; return the columns it reads."""
    wanted = Wanted()
    for node in list(select.find_all(exp.Parameter)) if select is not None else []:
        if not node.name.isdigit():
            continue
        wanted.highest = max(wanted.highest, int(node.name))
        _put(node.parent if isinstance(node.parent, exp.Column) else node, f"_{node.name}", f"${node.name}")
    for column in list(select.find_all(exp.Column)) if select is not None else []:
        name = column.name.upper()
        if re.fullmatch(r"\$\d+", name):  # Snowpark's col("$1")
            wanted.highest = max(wanted.highest, int(name[1:]))
            _put(column, f"_{name[1:]}", name)
        elif name in METADATA:
            wanted.metadata.add(METADATA[name])
            _put(column, METADATA[name], name)
        elif name.startswith("METADATA$"):
            raise errors.UnsupportedError(column.name)
    return wanted


def _put(node: exp.Expr, column: str, name: str) -> None:
    """Replace a reference by a column; a result column keeps the name of the reference."""
    made: exp.Expr = exp.column(exp.to_identifier(column, quoted=True))
    if isinstance(node.parent, exp.Select) and node.arg_key == "expressions":
        made = exp.alias_(made, exp.to_identifier(name, quoted=True))
    node.replace(made)


def relation(
    compiler: Compiler, options: dict[str, Any], files: Sequence[StagedFile], select: exp.Expr | None
) -> exp.Select:
    """Return the files as a relation for a SELECT, and replace the references in the SELECT."""
    wanted = read_references(select)
    kind = kind_of(options)
    # Files of external stages can be read while these objects are alive: keep them until the statement ends.
    weakref.finalize(compiler, list.clear, list(files))
    if kind == "CSV":
        query = text_query(CsvFormat.read(options), files, wanted.highest, wanted.metadata)
    elif kind == "JSON":
        query = _union([json_query(options, file, wanted) for file in files], wanted)
    else:
        native: dict[str, str] = {}
        query = _union([_columnar(compiler, kind, options, file, wanted, native) for file in files], wanted)
        _use_native(select, native)
    return exp.select("*").from_(compiler.view(query))


def _union(parts: Sequence[str], wanted: Wanted) -> str:
    if parts:
        return " UNION ALL BY NAME ".join(parts)
    nulls = "".join(f', NULL AS "{name}"' for name in sorted(wanted.metadata))
    return f'SELECT NULL::JSON AS "_1"{nulls} LIMIT 0'


def json_query(options: dict[str, Any], file: StagedFile, wanted: Wanted) -> str:
    """Return a query of the records of a JSON file."""
    for key in set(options) - _JSON_OPTIONS:
        raise errors.UnsupportedError(f"the JSON file format option {key}")
    for key in ("DATE_FORMAT", "TIME_FORMAT", "TIMESTAMP_FORMAT"):
        if str(options.get(key) or "AUTO").upper() != "AUTO":
            raise errors.UnsupportedError(
                f"{key} = {options[key]!r} in a JSON file format", "AUTO is supported"
            )
    zipped = CsvFormat.read({"COMPRESSION": options.get("COMPRESSION")}).is_gzip(file.path)
    shape = "array" if options.get("STRIP_OUTER_ARRAY") else "unstructured"
    number = "row_number() OVER () - 1" if "_ROW_NUMBER" in wanted.metadata else "0"
    return (
        f'SELECT json AS "_1"{metadata_columns(file, wanted.metadata, number)} FROM read_json_objects('
        f"{path_literal(file.path)}, format = '{shape}', compression = '{'gzip' if zipped else 'none'}', "
        "maximum_object_size = 134217728, hive_partitioning = false)"
    )


def _columnar(
    compiler: Compiler,
    kind: str,
    options: dict[str, Any],
    file: StagedFile,
    wanted: Wanted,
    native: dict[str, str],
) -> str:
    """Return a query of a file with typed columns: the record as JSON, and each scalar column as ``$name``.

    ``$1:"name"::TYPE`` reads these columns directly; reading through JSON would be many times slower.
    """
    origin = source(compiler, kind, options, file)
    duck = compiler.session.duck
    columns = [(row[0], row[1]) for row in duck.execute(f"DESCRIBE SELECT * FROM {origin}").fetchall()]
    packed, plain = [], []
    for name, type_ in sorted(columns):  # the keys of an OBJECT are sorted
        value = quoted(name)
        if type_ == "BLOB" and options.get("BINARY_AS_TEXT", True) and decodes(duck, origin, value):
            value, type_ = f"decode({value})", "VARCHAR"
        if type_ in ("TIMESTAMP WITH TIME ZONE NS", "TIMESTAMPTZ_NS"):
            value, type_ = f"CAST({value} AS TIMESTAMPTZ)", "TIMESTAMP WITH TIME ZONE"
        if type_ == "TIME WITH TIME ZONE":
            value, type_ = f"CAST({value} AS TIME)", "TIME"
        packed.append(f"{literal(name)}: {f'hex({value})' if type_ == 'BLOB' else _as_json(value, type_)}")
        if _is_plain(type_):
            native[name] = f"${name}"
            plain.append(f"{value} AS {quoted('$' + name)}")
    number = "row_number() OVER () - 1" if "_ROW_NUMBER" in wanted.metadata else "0"
    record = "to_json({" + ", ".join(packed) + "})"
    listed = "".join(f", {column}" for column in plain)
    return f'SELECT {record} AS "_1"{listed}{metadata_columns(file, wanted.metadata, number)} FROM {origin}'


def source(compiler: Compiler, kind: str, options: dict[str, Any], file: StagedFile) -> str:
    """Return a Parquet or ORC file as a DuckDB relation."""
    if kind == "PARQUET":
        for key in set(options) - _PARQUET_OPTIONS:
            raise errors.UnsupportedError(f"the PARQUET file format option {key}")
        _refuse_case_duplicates(file)
        return f"read_parquet({path_literal(file.path)}, hive_partitioning = false)"
    from pyarrow import orc

    return quoted(compiler.register(orc.ORCFile(str(file.path)).read()))


def _refuse_case_duplicates(file: StagedFile) -> None:
    """Refuse a Parquet file with column names that differ only in case: DuckDB would rename one of them.

    Raises:
        UnsupportedError: the names of two columns differ only in case.
    """
    import pyarrow.parquet as pq

    names = pq.read_schema(file.path).names
    if len({name.lower() for name in names}) < len(names):
        duplicates = sorted(
            name for name in names if sum(other.lower() == name.lower() for other in names) > 1
        )
        raise errors.UnsupportedError(
            f"a Parquet file with column names that differ only in case: {', '.join(duplicates)}"
        )


def decodes(duck: Any, source: str, value: str) -> bool:
    """Return whether all values of a binary column are valid UTF-8: Snowflake reads such a column as text."""
    row = duck.execute(
        f"SELECT bool_and(try(decode({value})) IS NOT NULL OR {value} IS NULL) FROM {source}"
    ).fetchone()
    return bool(row and row[0])


def _as_json(value: str, type_: str) -> str:
    """Format timestamps as in a VARIANT, also nested ones; other values are converted by DuckDB."""
    return _shown(value, duckdb.sqltype(type_)) if "TIMESTAMP" in type_ else value


def _shown(value: str, kind: Any) -> str:
    if kind.id.startswith("timestamp"):
        return f"strftime({value}, '%Y-%m-%d %H:%M:%S.%g')"
    if kind.id == "struct":
        fields = ", ".join(
            f"{literal(name)}: {_shown(f'{value}.{quoted(name)}', child)}" for name, child in kind.children
        )
        return f"CASE WHEN {value} IS NULL THEN NULL ELSE {{{fields}}} END"
    if kind.id == "list":
        return f"list_transform({value}, lambda item: {_shown('item', dict(kind.children)['child'])})"
    return value


def _is_plain(type_: str) -> bool:
    return not type_.endswith("[]") and not type_.startswith(("STRUCT", "MAP", "UNION"))


def _use_native(select: exp.Expr | None, native: dict[str, str]) -> None:
    """``CAST($1:"name" AS T)`` -> ``CAST("$name" AS T)``."""
    for path in list(select.find_all(exp.JSONExtract)) if select is not None else []:
        keys = path.expression.expressions if isinstance(path.expression, exp.JSONPath) else []
        if (
            len(keys) == 2
            and isinstance(keys[1], exp.JSONPathKey)
            and isinstance(path.parent, exp.Cast | exp.TryCast)
            and path.this.name == "_1"
            and keys[1].this in native
        ):
            path.replace(exp.column(exp.to_identifier(native[keys[1].this], quoted=True)))


def fields(session: Session, options: dict[str, Any], files: Sequence[StagedFile]) -> list[str]:
    """Return the names of the fields of the files' records, in the order in which they first appear."""
    found: dict[str, None] = {}
    compiler = new_compiler(session)
    try:
        for file in files:
            if kind_of(options) == "JSON":
                query = (
                    f'SELECT DISTINCT unnest(json_keys("_1")) FROM ({json_query(options, file, Wanted())})'
                )
                names = sorted(name for (name,) in session.duck.execute(query).fetchall())
            else:
                origin = source(compiler, kind_of(options), options, file)
                names = [
                    row[0] for row in session.duck.execute(f"DESCRIBE SELECT * FROM {origin}").fetchall()
                ]
            found.update(dict.fromkeys(names))
    finally:
        compiler.release()
    return list(found)


@table_relation("STAGE")
def _staged_files(table: exp.Table, compiler: Compiler) -> None:
    """``SELECT $1 FROM @stage/x (FILE_FORMAT => 'F')``: read the files."""
    session = compiler.session
    stage, path = find_stage(session, table.name.rstrip("("))
    given = table.args.get("format")
    options = file_format(session, given.name if given is not None else None, stage)
    pattern = table.args.get("pattern")
    files = stage.files(path, pattern.name if pattern is not None else None)
    replace_relation(
        table, exp.Subquery(this=staged.relation(compiler, options, files, table.find_ancestor(exp.Select)))
    )

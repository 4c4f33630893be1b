"""Query staged files of any format: ``$1``, ``$1:field`` and ``METADATA$...``.

A delimited file has one column for each field; in a JSON, Parquet or ORC file ``$1`` is the whole record
as a VARIANT. https://docs.snowflake.com/en/user-guide/querying-stage
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Sequence

from sqlglot import exp

from snowpipe_ml.local.catalog.stages import StagedFile, find_stage
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.values import Options
from snowpipe_ml.local.files.format_options import file_format
from snowpipe_ml.local.files.formats.base import Wanted, format_of
from snowpipe_ml.local.files.metadata import METADATA
from snowpipe_ml.local.translate.arrow_relation import replace_relation
from snowpipe_ml.local.translate.compiler import Compiler
from snowpipe_ml.local.translate.expressions import builtin
from snowpipe_ml.local.translate.registry import table_relation


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
    compiler: Compiler, options: Options, files: Sequence[StagedFile], select: exp.Expr | None
) -> exp.Select:
    """Return the files as a relation for a SELECT, and replace the references in the SELECT."""
    wanted = read_references(select)
    # Files of external stages can be read while these objects are alive: keep them until the statement ends.
    weakref.finalize(compiler, list.clear, list(files))
    query, native = format_of(options).scan(compiler, options, files, wanted)
    _use_native(select, native, adjusted=not options.get("USE_LOGICAL_TYPE"))
    return exp.select("*").from_(compiler.view(query))


# Types of which a cast need not ask at run time whether it is given a VARIANT.
_KNOWN_KINDS = (
    "BIGINT",
    "BOOLEAN",
    "DATE",
    "DOUBLE",
    "INTEGER",
    "SMALLINT",
    "TIMESTAMP",
    "TINYINT",
    "VARCHAR",
)


_WITHOUT_ZONE = (
    exp.DType.TIMESTAMP,
    exp.DType.TIMESTAMPNTZ,
    exp.DType.DATETIME,
    exp.DType.DATE,
    exp.DType.TIME,
)


def _use_native(select: exp.Expr | None, native: dict[str, tuple[str, str]], *, adjusted: bool) -> None:
    """``CAST($1:"name" AS T)`` -> ``CAST("$name" AS T)``.

    Without its logical type an instant is a number since 1970 in UTC; so cast to TIMESTAMP_NTZ it has the
    time of day in UTC, and not that of the session's zone (``adjusted``).
    """
    for path in list(select.find_all(exp.JSONExtract)) if select is not None else []:
        keys = path.expression.expressions if isinstance(path.expression, exp.JSONPath) else []
        if (
            len(keys) == 2
            and isinstance(keys[1], exp.JSONPathKey)
            and isinstance(path.parent, exp.Cast | exp.TryCast)
            and path.this.name == "_1"
            and keys[1].this in native
            and not _fails_as_variant(native[keys[1].this][1], path.parent)
        ):
            name, kind = native[keys[1].this]
            column = exp.column(exp.to_identifier(name, quoted=True))
            if kind in _KNOWN_KINDS or kind.startswith("DECIMAL"):
                column.type = exp.DataType.build(kind, dialect="duckdb")
            made: exp.Expr = column
            if adjusted and kind == "TIMESTAMP WITH TIME ZONE" and path.parent.to.this in _WITHOUT_ZONE:
                made = builtin("timezone", exp.Literal.string("UTC"), column)
                made.type = exp.DataType(this=exp.DType.TIMESTAMPNTZ)
            path.replace(made)


def _fails_as_variant(kind: str, cast: exp.Cast | exp.TryCast) -> bool:
    """Return whether a value may not be castable, which Snowflake then calls a VARIANT in its error."""
    return kind == "VARCHAR" and bool(cast.to.is_type(*exp.DataType.NUMERIC_TYPES))


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
        table, exp.Subquery(this=relation(compiler, options, files, table.find_ancestor(exp.Select)))
    )

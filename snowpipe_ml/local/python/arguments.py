"""Arguments and results of Python functions: their types, casts and defaults."""

from __future__ import annotations

import re

import pyarrow as pa
from sqlglot import exp

from snowpipe_ml.local.catalog.functions import Definition
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.shapes import parse as parse_shape
from snowpipe_ml.local.core.types import from_iso, to_duckdb
from snowpipe_ml.local.python.travel import SHAPES, travels_as
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.translate.conversions import to_tz, variant_of
from snowpipe_ml.local.translate.expressions import called, macro
from snowpipe_ml.local.translate.guard import check_functions, name_identifiers
from snowpipe_ml.local.translate.names import store_identifiers
from snowpipe_ml.local.translate.shapes import to_shape
from snowpipe_ml.local.translate.types import (
    DECIMALS,
    FLOATS,
    INTEGERS,
    TEXTS,
    TIMESTAMPS,
    T,
)
from snowpipe_ml.local.translate.types import (
    kind as type_of,
)
from snowpipe_ml.sql import DataType


def _stored(kind: str) -> str:
    return to_duckdb(DataType.parse(kind))


def _cast(node: exp.Expr, kind: str) -> exp.Expr:
    """Cast an argument to the type in which it is sent to a worker."""
    if DataType.parse(kind).name == "TIMESTAMP_TZ":
        return macro("sf_tz_iso", to_tz(node))
    if DataType.parse(kind).name in SHAPES:
        if type_of(node) is None and not isinstance(node, exp.Null):  # translated with the statement
            given = exp.Anonymous(
                this="ST_ASGEOJSON", expressions=[exp.cast(node, kind, dialect="snowflake")]
            )
            given.meta["called"] = "ST_ASGEOJSON"
            return given
        return called("st_asgeojson", shape_of(node, kind))
    if _stored(kind) == "JSON":
        return macro("sf_standard_json", variant_of(node))
    if _stored(kind) == "BIGINT" and type_of(node) in FLOATS:
        node = exp.func("round", node)
    steps = [_stored(kind), travels_as(kind)]
    for step in dict.fromkeys(steps):
        node = _stored_cast(node, step)
    return node


def shape_of(node: exp.Expr, kind: str) -> exp.Expr:
    """Convert a value, such as the GeoJSON that a handler returned, to a GEOGRAPHY or GEOMETRY."""
    cast = exp.cast(node, kind, dialect="snowflake")
    return to_shape(cast, trying=False)


def _stored_cast(node: exp.Expr, duckdb: str) -> exp.Expr:
    # exp.cast() would return a cast to the same type, such as '616263'::BINARY, which is yet to be translated.
    cast = exp.Cast(this=node, to=exp.DataType.build(duckdb, dialect="duckdb"))
    cast.to.meta["stored"] = True
    return cast


def snowflake_type(node: exp.Expr) -> str | None:
    """Return the name of the Snowflake type of an argument; None if it is unknown."""
    found = type_of(node)
    names = {
        T.BOOLEAN: "BOOLEAN",
        T.DATE: "DATE",
        T.TIME: "TIME",
        T.ARRAY: "ARRAY",
        T.OBJECT: "OBJECT",
        T.VARIANT: "VARIANT",
        T.JSON: "VARIANT",
        T.BINARY: "BINARY",
        T.VARBINARY: "BINARY",
        T.TIMESTAMPLTZ: "TIMESTAMP_LTZ",
        T.TIMESTAMPTZ: "TIMESTAMP_TZ",
        T.GEOGRAPHY: "GEOGRAPHY",
        T.GEOMETRY: "GEOMETRY",
    }
    if found is None:
        return None
    if found in INTEGERS | DECIMALS:
        return "NUMBER"
    if found in FLOATS:
        return "FLOAT"
    if found in TEXTS:
        return "VARCHAR"
    return names.get(found) or ("TIMESTAMP_NTZ" if found in TIMESTAMPS else None)


_QUERY = re.compile(r"[\s(]*(SELECT|WITH)\b", re.I)


_RELATIONS = (exp.Query, exp.Table, exp.Lateral, exp.Unnest, exp.TableFromRows, exp.Values)


def _read(text: str, what: str) -> exp.Expr:
    """Parse a default or the body of a SQL function for use in a statement.

    A query is refused: it would be inserted after the relations of the statement have been resolved.

    Args:
        text: the text of the expression.
        what: a noun phrase for the unsupported query, for the error message.

    Raises:
        ProgrammingError: the text is not a single expression, or it contains a query.
    """
    if _QUERY.match(text):
        raise errors.UnsupportedError(what)
    # Parse it after SELECT: by itself its first word could be read as a command.
    tree = parse(f"SELECT {text.strip().rstrip(';')}")
    if not isinstance(tree, exp.Select):  # for example a UNION
        raise errors.UnsupportedError(what)
    clauses = [key for key, value in tree.args.items() if value and key != "expressions"]
    if (
        clauses
        or len(tree.expressions) != 1
        or isinstance(tree.expressions[0], exp.Alias | exp.Aliases | exp.Star)
    ):
        raise errors.syntax(f"'{text}' is not an expression")
    if tree.expressions[0].find(*_RELATIONS) is not None:
        raise errors.UnsupportedError(what)
    name_identifiers(tree)
    store_identifiers(tree)
    expression: exp.Expr = tree.expressions[0].pop()
    return expression


def _default(text: str) -> exp.Expr:
    return _read(text, "a query as an argument's default")


def is_query(definition: Definition) -> bool:
    """Return whether the body of a SQL function is a query, and not an expression."""
    return definition.language == "SQL" and _QUERY.match(str(definition.body)) is not None


def _body(definition: Definition) -> exp.Expr:
    return _read(str(definition.body), "a query in the expression that is the body of a SQL function")


def check_expressions(definition: Definition, session: Session) -> None:
    """Check the defaults and the SQL body of a function.

    Calls check them again, because they are inserted after the statement of the call has been checked.

    Raises:
        ProgrammingError: one is not an expression, or it contains a query or a function unknown to Snowflake.
    """
    found = [_default(argument.default) for argument in definition.arguments if argument.default is not None]
    if definition.language == "SQL" and definition.kind != "PROCEDURE" and not is_query(definition):
        found.append(_body(definition))
    if found:
        check_functions(exp.select(*found), session)


def with_defaults(definition: Definition, given: list[exp.Expr]) -> list[exp.Expr]:
    """Return an expression for each argument: given by position or by name (``a => 1``), or else the default.

    Raises:
        ProgrammingError: there is no argument of a given name, or an argument is missing.
    """
    by_name = {node.name.upper(): node.expression for node in given if isinstance(node, exp.Kwarg)}
    by_place = [node for node in given if not isinstance(node, exp.Kwarg)]
    for name in set(by_name) - {a.name for a in definition.arguments[len(by_place) :]}:
        raise errors.error(904, "42000", f"SQL compilation error:\ninvalid argument name '{name}'")
    found = list(by_place)
    for argument in definition.arguments[len(by_place) :]:
        if argument.name in by_name:
            found.append(by_name[argument.name])
        elif argument.default is not None:
            found.append(_default(argument.default))
        else:
            raise errors.syntax(f"the argument {argument.name} of {definition.name} is missing")
    return found


def stored_values(definition: Definition, result: pa.Table) -> pa.Table:
    """Convert the result of a worker to the stored types; columns are named by position."""
    kinds = [kind for _, kind in definition.table] or [definition.returns]
    columns = [
        from_iso(column)
        if DataType.parse(kind).name == "TIMESTAMP_TZ"
        else _shapes(column, kind.lower())
        if DataType.parse(kind).name in SHAPES
        else column
        for column, kind in zip(result.columns, kinds, strict=True)
    ]
    return pa.table(columns, names=[str(i) for i in range(len(columns))])


def _shapes(column: pa.ChunkedArray, kind: str) -> pa.Array:
    """Read GeoJSON as stored shapes."""
    values = [
        None if text is None else parse_shape(text, kind, None, False).stored() for text in column.to_pylist()
    ]
    return pa.array(values, pa.struct([(kind, pa.binary())]))


def _as_arrow(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    if column.type == target:
        return column
    if pa.types.is_timestamp(column.type) and pa.types.is_timestamp(target):
        return column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.timestamp("us"))
    return column.cast(target)

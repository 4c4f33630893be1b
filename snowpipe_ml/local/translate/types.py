"""Infer the types of expressions with sqlglot, from the types of the tables' columns.

Some translations depend on types: dividing integers gives a scale of six, and DATEADD of a DATE returns a
DATE. The nodes of the tree are marked, the tree is copied, and the copy is qualified and annotated. The
types are then transferred to the original nodes by the marks. The tree itself is not qualified, because
that would change the statement.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import duckdb
from sqlglot import exp
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import TypeAnnotator, annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.schema import MappingSchema

from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import TIMESTAMP_TZ
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.date_parts import TIME_UNITS, increments
from snowpipe_ml.local.translate.flatten import show_columns
from snowpipe_ml.local.translate.registry import result_type

if TYPE_CHECKING:
    from sqlglot.typing import ExprMetadataType

_MARK = "snowpipe_mark"
_OUTPUTS = "snowpipe_outputs"
_STAR = "snowpipe_star"
T = exp.DataType.Type
INTEGERS = {T.INT, T.BIGINT, T.SMALLINT, T.TINYINT, T.INT128, T.UBIGINT, T.UINT}
FLOATS = {T.DOUBLE, T.FLOAT}
DECIMALS = {T.DECIMAL}
TIMESTAMPS = {T.TIMESTAMP, T.TIMESTAMPNTZ, T.TIMESTAMPLTZ, T.TIMESTAMPTZ, T.DATETIME}
TEXTS = {T.TEXT, T.VARCHAR, T.CHAR, T.NVARCHAR}
VARIANTS = {T.JSON, T.VARIANT, T.OBJECT, T.ARRAY, T.STRUCT, T.MAP}
BINARIES = {T.BINARY, T.VARBINARY, T.BLOB}
MOMENTS = TIMESTAMPS | {T.DATE, T.TIME}
PLAIN = {T.TIMESTAMP: T.TIMESTAMPNTZ, T.DATETIME: T.TIMESTAMPNTZ}
"""The names of TIMESTAMP_NTZ."""


def _annotate_call(annotator: TypeAnnotator, call: exp.Expr) -> None:
    assert isinstance(call, exp.Anonymous)
    annotator._set_type(call, result_type(call))


def _annotate_concatenation(annotator: TypeAnnotator, node: exp.Expr) -> None:
    binary = any(kind(side) in BINARIES for side in node.iter_expressions())
    annotator._set_type(node, T.VARBINARY if binary else T.VARCHAR)


def _annotate_number(annotator: TypeAnnotator, node: exp.Expr) -> None:
    """Annotate an arithmetic operator, which converts a VARIANT to a number."""
    if any(part.type is not None and part.type.this in VARIANTS for part in node.iter_expressions()):
        annotator._set_type(node, T.DOUBLE)
    else:
        _USUAL[type(node)](annotator, node)


_USUAL: dict[type[exp.Expr], Callable[[TypeAnnotator, exp.Expr], None]] = {
    of: Snowflake.EXPRESSION_METADATA[of]["annotator"]
    for of in (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg)
}


def _annotate_sum(annotator: TypeAnnotator, node: exp.Expr) -> None:
    assert isinstance(node, exp.Binary)
    found = _sum_kind(node.this, node.expression)
    if found is None:
        _annotate_number(annotator, node)
    else:
        annotator._set_type(node, found)


# The aggregates of a NUMBER whose scale grows: by what it is multiplied, and what is added.
_GROWTH: dict[type[exp.Expr], tuple[int, int]] = {
    exp.Avg: (1, 6),
    exp.Kurtosis: (0, 12),
    exp.Median: (1, 3),
    exp.Variance: (2, 6),
    exp.VariancePop: (2, 6),
}


def grown_scale(node: exp.Expr, scale: int) -> int:
    """Return the scale of an aggregate of a NUMBER with a scale; AVG has fewer digits in a window."""
    factor, more = _GROWTH[type(node)]
    if isinstance(node, exp.Avg) and isinstance(node.parent, exp.Window):
        more = 3
    return max(scale, min(factor * scale + more, 12 if more > 3 else 37))


def _annotate_growing(annotator: TypeAnnotator, node: exp.Expr) -> None:
    value = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    scale = scale_of(value)
    if kind(value) not in INTEGERS | DECIMALS:
        annotator._set_type(node, T.DOUBLE)
    elif scale is None:
        annotator._set_type(node, T.UNKNOWN)
    else:
        annotator._set_type(node, exp.DataType.build(f"DECIMAL(38, {grown_scale(node, scale)})"))


# sqlglot knows the types of its own classes only; number_types.py adds to it.
METADATA: ExprMetadataType = {
    **Snowflake.EXPRESSION_METADATA,
    exp.Anonymous: {"annotator": _annotate_call},
    exp.HexString: {"returns": T.VARBINARY},
    exp.DPipe: {"annotator": _annotate_concatenation},
    **{of: {"annotator": _annotate_growing} for of in _GROWTH},
    exp.Add: {"annotator": _annotate_sum},
    exp.Sub: {"annotator": _annotate_sum},
    **{of: {"annotator": _annotate_number} for of in (exp.Mul, exp.Div, exp.Mod, exp.Neg)},
    exp.JSONExtract: {"returns": T.VARIANT},
}


def moment_kind(node: exp.Expr) -> exp.DType | None:
    """Return the type of the date or time that a date function converts an argument to; None if unknown."""
    if isinstance(node, exp.Null):
        return T.TIMESTAMPNTZ
    found = kind(node)
    return T.TIMESTAMPNTZ if found in TEXTS | VARIANTS else PLAIN.get(found, found) if found else None


def _sum_kind(left: exp.Expr, right: exp.Expr) -> exp.DType | None:
    """Return the type of a sum or difference with a date or an interval; None if both are other types."""
    if isinstance(left.unnest(), exp.Interval):
        left, right = right, left
    interval, found = right.unnest(), moment_kind(left)
    if isinstance(interval, exp.Interval):
        timed = day_time(interval) or any(part in TIME_UNITS for _, part in increments(interval))
        return T.TIMESTAMPNTZ if found == T.DATE and timed else found
    kinds = kind(left), kind(right)
    if kinds == (T.DATE, T.DATE):
        return T.BIGINT
    return T.DATE if T.DATE in kinds else None


def day_time(interval: exp.Interval) -> bool:
    """Return whether an interval is written as ``'3' DAY``, whose sum with a DATE is a timestamp."""
    return bool(interval.meta.get("qualified")) and interval.text("unit").upper().rstrip("S") == "DAY"


def annotate(tree: exp.Expr, session: Session, interesting: tuple[type[exp.Expr], ...]) -> None:
    """Set ``type`` on the nodes of these classes and on their operands, where it can be inferred."""
    typed = nodes(tree, *interesting)
    if not typed:
        return
    if isinstance(tree, exp.Query) and tree.find(exp.Column, exp.Star) is None:
        annotate_types(
            tree, expression_metadata=METADATA, dialect="snowflake"
        )  # there are no columns whose types must be looked up
        for select in nodes(tree, exp.Select):
            select.meta[_OUTPUTS] = [(item.alias_or_name, kind(item)) for item in select.expressions]
        return
    # Sort keys and DISTINCT refer to the columns of their SELECT.
    typed += [select for select in nodes(tree, exp.Select) if _needs_outputs(select)]
    aliased = _aliased(tree)
    typed += [expression for _, expression in aliased]
    marked: dict[int, exp.Expr] = {}
    numbers = itertools.count()
    for node in typed:
        for part in (node, *node.iter_expressions()):
            if _MARK not in part.meta:
                number = next(numbers)
                part.meta[_MARK] = number
                marked[number] = part
    schema = _schema(tree, session)
    copied = _as_query(tree.copy())
    if copied is None:
        return
    for lateral in nodes(copied, exp.Lateral):
        show_columns(lateral)
    # sqlglot's qualify() fails on an ORDER BY position after a star that it cannot expand. A position has no
    # type, so it is removed.
    for node in nodes(copied, exp.Ordered):
        if isinstance(node.this, exp.Literal):
            node.pop()
    try:
        copied = qualify(
            copied,
            schema=schema,
            dialect="snowflake",
            quote_identifiers=False,
            validate_qualify_columns=False,
            expand_stars=True,
            identify=False,
        )
        _keep_right_columns(copied)
        annotated = annotate_types(copied, schema=schema, expression_metadata=METADATA, dialect="snowflake")
    except (SqlglotError, KeyError, AttributeError, RecursionError):
        return  # the types remain unknown, and the rules use slower expressions that work for any type
    _note_stars(annotated, schema, marked)
    for node in annotated.walk():
        found: int | None = node.meta.get(_MARK) if node._meta else None
        if found is not None and found in marked:
            if node.type is not None:
                marked[found].type = node.type
            if isinstance(node, exp.Select):
                marked[found].meta[_OUTPUTS] = [
                    (output.alias_or_name, kind(output)) for output in node.expressions
                ]
    for column, expression in aliased:
        if kind(column) is None and (type_ := _type(expression)) is not None:
            column.type = type_
    for select in nodes(tree, exp.Select):
        _type_sort_keys(select)


def _keep_right_columns(tree: exp.Expr) -> None:
    """In a RIGHT JOIN ... USING, take the right table's column for the joined one.

    sqlglot writes COALESCE of both columns, which would have the type of the left one.
    """
    right = {join.alias_or_name for join in nodes(tree, exp.Join) if join.side == "RIGHT"}
    for both in nodes(tree, exp.Coalesce) if right else []:
        last = both.expressions[-1] if both.expressions else None
        if (
            isinstance(last, exp.Column)
            and isinstance(both.this, exp.Column)
            and (last.table in right and last.name == both.this.name)
        ):
            both.replace(last.copy())


def _type_sort_keys(select: exp.Select) -> None:
    """Give a sort key that repeats an expression of the SELECT list the types of that expression.

    sqlglot replaces such a key by the name of the column, so that its types are lost. Equal expressions must
    be translated equally, or DuckDB refuses the sort key of a grouped query.
    """
    order = select.args.get("order")
    if order is None:
        return
    selected = {output.unalias(): output.unalias() for output in select.expressions}
    for key in order.expressions:
        equal = selected.get(key.this) if not isinstance(key.this, exp.Column) else None
        if equal is not None:
            for part, typed in zip(nodes(key.this, exp.Expr), nodes(equal, exp.Expr), strict=True):
                if part.type is None:
                    part.type = typed.type


def _aliased(tree: exp.Expr) -> list[tuple[exp.Column, exp.Expr]]:
    """List the columns that can be aliases of the same SELECT, with the expressions that have the names.

    ``SELECT a::DATE AS d, YEAR(d)``: sqlglot replaces such columns, so that their types are lost.
    """
    found: list[tuple[exp.Column, exp.Expr]] = []
    for select in tree.find_all(exp.Select):
        named = {output.alias: output.this for output in select.expressions if isinstance(output, exp.Alias)}
        for column in select.find_all(exp.Column) if named else ():
            if not column.table and column.name in named and column.parent_select is select:
                found.append((column, named[column.name]))
    return found


def _type(node: exp.Expr) -> exp.DataType | None:
    """Return the type of an annotated node; sqlglot gives a literal such as 1.5 another one."""
    scale, precision = scale_of(node), precision_of(node)
    if kind(node) in DECIMALS and scale is not None and precision is not None:
        return number_type(precision, scale)
    return exp.DataType(this=kind(node)) if isinstance(node.unnest(), exp.Literal) else node.type


_STARRED = (exp.StarMap, exp.Struct, exp.JSONObject, exp.Anonymous)
_StarColumn: TypeAlias = tuple[str, str, exp.DataType | None]


def _note_stars(annotated: exp.Expr, schema: MappingSchema, marked: dict[int, exp.Expr]) -> None:
    """Note the columns that ``*`` stands for on the calls that have it as an argument."""
    if annotated.find(*_STARRED) is None:
        return
    for scope in traverse_scope(annotated):
        nodes = [node for node in scope.find_all(*_STARRED) if _MARK in node.meta and node.find(exp.Star)]
        if not nodes:
            continue
        columns: list[_StarColumn] = []
        for name, (relation, source) in scope.selected_sources.items():
            shown = _columns_of(relation, source, schema)
            if not shown or any(column == "*" for column, _ in shown):
                break
            # qualify() names a relation without a name _0, _1...; the statement itself cannot refer to it.
            table = "" if name[:1] == "_" and name[1:].isdigit() else name
            columns += [(table, column, type_) for column, type_ in shown]
        else:
            for node in nodes:
                marked[node.meta[_MARK]].meta[_STAR] = columns


def _columns_of(
    node: exp.Expr, source: exp.Expr | Scope, schema: MappingSchema
) -> list[tuple[str, exp.DataType | None]]:
    """List the (name, type) of a relation's columns; empty if they are not known."""
    if isinstance(source, exp.Table):
        return [(name, schema.get_column_type(source, name)) for name in schema.column_names(source)]
    query = source.expression if isinstance(source, Scope) else source
    if isinstance(query, exp.Values):
        row = query.expressions[0]
        values = row.expressions if isinstance(row, exp.Tuple) else [row]
        return [(name, value.type) for name, value in zip(query.alias_column_names, values, strict=False)]
    if not isinstance(query, exp.Query):
        return []
    names = node.alias_column_names or [item.alias_or_name for item in query.selects]
    return [(name, item.type) for name, item in zip(names, query.selects, strict=False)]


def star_columns(node: exp.Expr) -> list[_StarColumn] | None:
    """List the (table, name, type) of the columns that ``*`` stands for in a node; None if they are not known."""
    found: list[_StarColumn] | None = node.meta.get(_STAR)
    return found


def _needs_outputs(select: exp.Expr) -> bool:
    holder = select.parent
    if (
        holder is None
        or isinstance(holder, exp.Insert | exp.SetOperation)
        or isinstance(holder.parent if isinstance(holder, exp.Subquery) else holder, exp.In)
    ):
        return True
    return any(select.args.get(key) is not None for key in ("distinct", "group", "order"))


def _as_query(tree: exp.Expr) -> exp.Expr | None:
    """Return a query with the statement's expressions over its tables, which sqlglot can qualify, or None."""
    values: list[exp.Expr] = [exp.Literal.number(1)]
    joined = []
    match tree:
        case exp.Query():
            return tree
        case exp.Insert() | exp.Create():
            query = tree.expression
            return query if isinstance(query, exp.Query) else None
        case exp.Update():
            values += [assignment.expression for assignment in tree.expressions]
            from_ = tree.args.get("from_")
            if from_ is not None:
                joined = [exp.Join(this=from_.this), *(from_.this.args.get("joins") or [])]
        case exp.Delete():
            joined = [exp.Join(this=table) for table in tree.args.get("using") or []]
        case exp.Merge():
            joined = [exp.Join(this=tree.args["using"], on=tree.args["on"])]
            for when in tree.args["whens"].expressions:
                values += [when.args["condition"]] if when.args.get("condition") is not None else []
                action = when.args["then"]
                if isinstance(action, exp.Update):
                    values += [assignment.expression for assignment in action.expressions]
                elif isinstance(action, exp.Insert) and isinstance(action.expression, exp.Tuple):
                    values += action.expression.expressions
        case _:
            return None
    return exp.Select(
        expressions=values, from_=exp.From(this=tree.this), joins=joined, where=tree.args.get("where")
    )


def outputs(select: exp.Expr | None) -> list[tuple[str, exp.DType | None]]:
    """List the (name, type) of the columns of an annotated SELECT; empty if they are not known."""
    found: list[tuple[str, exp.DType | None]] = select.meta.get(_OUTPUTS, []) if select is not None else []
    return [] if any(isinstance(name, str) and name == "*" for name, _ in found) else found


_STRUCTURES = "snowpipe_structures"


def note_structures(tree: exp.Expr, shown: list[tuple[str, exp.DType | None]]) -> None:
    """Note on a translated query which of its columns are ARRAYs and OBJECTs."""
    names = {T.ARRAY: "ARRAY", T.OBJECT: "OBJECT", T.STRUCT: "OBJECT", T.MAP: "OBJECT"}
    tree.meta[_STRUCTURES] = tuple(names.get(found) if found is not None else None for _, found in shown)


def structures(tree: exp.Expr) -> tuple[str | None, ...]:
    """List for each column of a translated query whether it is an ARRAY or an OBJECT; empty if it is not known."""
    found: tuple[str | None, ...] = tree.meta.get(_STRUCTURES, ())
    return found


def kind(node: exp.Expr | None) -> exp.DType | None:
    """Return the type of an annotated node; None if it is not known."""
    if node is None:
        return None
    if isinstance(node, exp.Paren):
        return kind(node.this)
    if isinstance(node, exp.Cast | exp.TryCast):
        if node.to.meta.get("stored") and node.to.this == T.TIMESTAMPTZ:
            return T.TIMESTAMPLTZ  # a DuckDB type: TIMESTAMPTZ there is Snowflake's TIMESTAMP_LTZ
        written: exp.DType | None = node.to.meta.get("kind") or node.to.this
        return written
    if isinstance(node, exp.Neg):
        return kind(node.this)
    if isinstance(node, exp.Literal):
        return T.VARCHAR if node.is_string else T.DECIMAL if "." in node.name else T.BIGINT
    if isinstance(node, exp.CurrentTimestamp):
        return T.TIMESTAMPLTZ
    if isinstance(node, exp.Count | exp.RowNumber | exp.Length | exp.DateDiff):
        return T.BIGINT
    if node.type is None or node.type.this in (T.UNKNOWN, T.NULL):
        return None
    found: exp.DType = node.type.this
    return T.BIGINT if found == T.DECIMAL and _scale(node.type) == 0 else found


def scale_of(node: exp.Expr | None) -> int | None:
    """Return the scale of a NUMBER; None if it is not known."""
    if isinstance(node, exp.Paren | exp.Neg):
        return scale_of(node.this)
    if isinstance(node, exp.Literal):
        return len(node.name.partition(".")[2])
    if node is None or kind(node) in INTEGERS:
        return 0 if node is not None else None
    type_ = node.to if isinstance(node, exp.Cast | exp.TryCast) else node.type
    return _scale(type_) if type_ is not None else None


def _scale(type_: exp.DataType) -> int | None:
    parameters = _parameters(type_)
    return parameters[1] if len(parameters) > 1 else None


def _parameters(type_: exp.DataType) -> list[int]:
    return [int(p.name) for p in type_.expressions if p.name.isdigit()]


def precision_of(node: exp.Expr | None) -> int | None:
    """Return the precision of a NUMBER; None if it is not known."""
    if isinstance(node, exp.Paren | exp.Neg):
        return precision_of(node.this)
    if isinstance(node, exp.Literal):
        return max(len(node.name.replace(".", "").lstrip("0")), len(node.name.partition(".")[2]), 1)
    if node is None:
        return None
    type_ = node.to if isinstance(node, exp.Cast | exp.TryCast) else node.type
    if type_ is not None and type_.this == T.DECIMAL and _parameters(type_):
        return _parameters(type_)[0]
    return 38 if kind(node) in INTEGERS else None


def number_type(precision: int, scale: int) -> exp.DataType:
    """Make the type NUMBER(precision, scale), with at most 38 digits."""
    parameters = [
        exp.DataTypeParam(this=exp.Literal.number(value)) for value in (min(precision, 38), min(scale, 37))
    ]
    return exp.DataType(this=T.DECIMAL, expressions=parameters)


def _schema(tree: exp.Expr, session: Session) -> MappingSchema:
    schema = MappingSchema(dialect="duckdb", normalize=False)
    for table in nodes(tree, exp.Table):
        if not table.meta.get("resolved"):
            continue
        columns = column_types(table, session)
        if columns:
            plain: dict[str, str | exp.DataType] = {f'"{name}"': _plain(kind_) for name, kind_ in columns}
            schema.add_table(table.copy(), plain, dialect="duckdb", normalize=False, match_depth=False)
    return schema


def column_types(table: exp.Table, session: Session) -> list[tuple[str, str]]:
    """List the (name, DuckDB type) of a table's or view's columns; empty if it cannot be read."""
    if not table.catalog:
        return []
    name = exp.Table(this=table.this.copy(), db=table.args["db"].copy(), catalog=table.args["catalog"].copy())
    try:
        # The query is only bound, not run, which takes a tenth of the time of duckdb_columns().
        relation = session.duck.query(f"FROM {name.sql(dialect='duckdb')}")
    except duckdb.InterruptException:
        raise
    except duckdb.Error:
        return []  # the statement itself will fail with the proper error
    if relation is None:
        return []
    return [(column, str(kind_)) for column, kind_ in zip(relation.columns, relation.types, strict=True)]


def _plain(type_: str) -> str | exp.DataType:
    if type_ == "TIMESTAMP WITH TIME ZONE":
        return exp.DataType(this=T.TIMESTAMPLTZ)
    return exp.DataType(this=T.TIMESTAMPTZ) if type_ == TIMESTAMP_TZ else type_

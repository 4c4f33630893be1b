"""Infer the types of expressions with sqlglot, from the types of the tables' columns.

Some translations depend on types: dividing integers gives a scale of six, and DATEADD of a DATE returns a
DATE. The nodes of the tree are marked, the tree is copied, and the copy is qualified and annotated. The
types are then transferred to the original nodes by the marks. The tree itself is not qualified, because
that would change the statement.
"""

from __future__ import annotations

from collections.abc import Container
from functools import cache, lru_cache
from typing import TypeAlias

import duckdb
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.schema import MappingSchema, nested_set

from snowpipe_ml.local.catalog.columns import stored_columns
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import SHAPES, TIMESTAMP_TZ, vector_type
from snowpipe_ml.local.syntax.trees import copied, nodes, nodes_by_level
from snowpipe_ml.local.translate.annotators import METADATA
from snowpipe_ml.local.translate.direct_annotation import DirectAnnotator, Outputs, alias_type, is_plain
from snowpipe_ml.local.translate.flatten import show_columns
from snowpipe_ml.local.translate.outputs import StarColumn, note_outputs, note_star
from snowpipe_ml.local.translate.types import (
    T,
    kind,
    vector_data_type,
)

_MARK = "snowpipe_mark"
Relations: TypeAlias = dict[tuple[str, ...], list[tuple[str, str]]]
"""The (name, DuckDB type) of the columns of tables and views, by the parts of their names."""
_STARRED = (exp.StarMap, exp.Struct, exp.JSONObject, exp.Anonymous)


def annotate(tree: exp.Expr, known: Relations, interesting: tuple[type[exp.Expr], ...]) -> None:
    """Set ``type`` on the nodes of these classes and on their operands, where it can be inferred.

    Args:
        tree: a statement whose names are qualified.
        known: its tables and views: see :func:`relations`.
        interesting: the classes of nodes whose types are needed.
    """
    typed = nodes(tree, *interesting)
    collections = any(type_ in ("ARRAY", "OBJECT") for columns in known.values() for _, type_ in columns)
    inserts = isinstance(tree, exp.Insert) and isinstance(tree.expression, exp.Query)
    if not typed and not collections and not inserts:
        return
    if isinstance(tree, exp.Query) and tree.find(exp.Column, exp.Star) is None:
        annotate_types(
            tree, expression_metadata=METADATA, dialect="snowflake"
        )  # there are no columns whose types must be looked up
        for select in nodes(tree, exp.Select):
            note_outputs(select, [(item.alias_or_name, kind(item)) for item in select.expressions])
        return
    # Sort keys and DISTINCT refer to the columns of their SELECT.
    typed += [select for select in nodes(tree, exp.Select) if _needs_outputs(select)]
    aliased = _aliased(tree)
    typed += [expression for _, expression in aliased]
    wanted: dict[int, exp.Expr] = {}
    for node in typed:
        wanted[id(node)] = node
        for part in node.iter_expressions():
            wanted[id(part)] = part
    plain = tree if isinstance(tree, exp.Query) else tree.expression
    if isinstance(tree, exp.Query | exp.Insert) and isinstance(plain, exp.Query) and is_plain(plain):
        _annotate_in_place(plain, known, wanted)
    else:
        _annotate_copy(tree, known, list(wanted.values()))
    for column, expression in aliased:
        if kind(column) is None and (type_ := alias_type(expression)) is not None:
            column.type = type_
    for select in nodes(tree, exp.Select):
        _type_sort_keys(select)


def _annotate_in_place(query: exp.Expr, known: Relations, wanted: Container[int]) -> None:
    """Annotate a plain query, and keep the types of the nodes with these ids."""
    every = nodes(query, exp.Expr)
    before = [node._type for node in every]

    def note(select: exp.Select, outputs: Outputs) -> None:
        if id(select) in wanted:
            note_outputs(select, [(name, kind(node)) for name, node in outputs])

    def columns(table: exp.Table) -> dict[str, exp.DataType | None] | None:
        found = known.get(_key(table)) if table.meta.get("resolved") else None
        return {name: of_statement(type_) for name, type_ in found} if found else None

    @cache
    def of_statement(type_: str) -> exp.DataType:
        return copied(_plain(type_))  # a rule can put the type into the tree

    try:
        DirectAnnotator(columns, note).annotate_query(query)
    except (SqlglotError, KeyError, AttributeError):
        for node, type_ in zip(every, before, strict=True):
            node._type = type_
        return
    for node, type_ in zip(every, before, strict=True):
        if id(node) not in wanted:
            node._type = type_
        elif type_ is not None and (node._type is None or node._type.this == T.UNKNOWN):
            node._type = type_  # known already, as of a column of a staged file


def _annotate_copy(tree: exp.Expr, known: Relations, wanted: list[exp.Expr]) -> None:
    """Annotate a qualified copy of a statement, and transfer the types to the wanted nodes."""
    marked = dict(enumerate(wanted))
    for number, node in marked.items():
        node.meta[_MARK] = number
    schema = _schema(tree, known)
    query = _as_query(copied(tree))
    if query is None:
        return
    for lateral in nodes(query, exp.Lateral):
        show_columns(lateral)
    # sqlglot's qualify() fails on an ORDER BY position after a star that it cannot expand. A position has no
    # type, so it is removed.
    for node in nodes(query, exp.Ordered):
        if isinstance(node.this, exp.Literal):
            node.pop()
    try:
        query = qualify(
            query,
            schema=schema,
            dialect="snowflake",
            quote_identifiers=False,
            validate_qualify_columns=False,
            expand_stars=True,
            identify=False,
        )
        _keep_right_columns(query)
        _take_out_laterals(query)
        annotated = annotate_types(query, schema=schema, expression_metadata=METADATA, dialect="snowflake")
    except (SqlglotError, KeyError, AttributeError, RecursionError):
        return  # the types remain unknown, and the rules use slower expressions that work for any type
    _note_stars(annotated, schema, marked)
    for node in nodes_by_level(annotated):
        found: int | None = node.meta.get(_MARK) if node._meta else None
        if found is not None and found in marked:
            known_already = marked[found].type is not None  # as of a column of a staged file
            if node.type is not None and not (known_already and node.type.this == T.UNKNOWN):
                marked[found].type = node.type
            if isinstance(node, exp.Select):
                note_outputs(marked[found], [(item.alias_or_name, kind(item)) for item in node.expressions])


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


def _take_out_laterals(tree: exp.Expr) -> None:
    """Make ``LATERAL (SELECT ...)`` a plain subquery, whose columns sqlglot can annotate.

    The columns in it that belong to other relations are qualified already.
    """
    for lateral in nodes(tree, exp.Lateral):
        if isinstance(lateral.this, exp.Subquery):
            lateral.replace(exp.Subquery(this=lateral.this.this, alias=lateral.args.get("alias")))


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
    named = {
        id(select): {
            output.alias: output.this for output in select.expressions if isinstance(output, exp.Alias)
        }
        for select in nodes(tree, exp.Select)
    }
    found: list[tuple[exp.Column, exp.Expr]] = []
    names = {name for of_select in named.values() for name in of_select}
    for column in nodes(tree, exp.Column) if names else ():
        if column.name in names and not column.table:
            expression = named.get(id(column.parent_select), {}).get(column.name)
            if expression is not None:
                found.append((column, expression))
    return found


def _note_stars(annotated: exp.Expr, schema: MappingSchema, marked: dict[int, exp.Expr]) -> None:
    """Record the columns that ``*`` selects on the calls that have it as an argument."""
    if not nodes(annotated, *_STARRED):
        return
    for scope in traverse_scope(annotated):
        starred = [node for node in scope.find_all(*_STARRED) if _MARK in node.meta and node.find(exp.Star)]
        if not starred:
            continue
        columns: list[StarColumn] = []
        for name, (relation, source) in scope.selected_sources.items():
            shown = _columns_of(relation, source, schema)
            if not shown or any(column == "*" for column, _ in shown):
                break
            # qualify() names a relation without a name _0, _1...; the statement itself cannot refer to it.
            table = "" if name[:1] == "_" and name[1:].isdigit() else name
            columns += [(table, column, type_) for column, type_ in shown]
        else:
            for node in starred:
                note_star(marked[node.meta[_MARK]], columns)


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


def relations(tree: exp.Expr, session: Session) -> Relations:
    """List the columns of the tables and views of a statement whose names are qualified."""
    found: Relations = {}
    for table in nodes(tree, exp.Table):
        if table.meta.get("resolved") and _key(table) not in found:
            found[_key(table)] = column_types(table, session)
    return found


def _key(table: exp.Table) -> tuple[str, ...]:
    return tuple(part.name for part in table.parts)


def _schema(tree: exp.Expr, known: Relations) -> MappingSchema:
    """Make a schema of the columns that the statement names, or of all if it has a star."""
    named = None
    if not any(not isinstance(star.parent, exp.Count) for star in nodes(tree, exp.Star, exp.Pivot)):
        named = {identifier.name.upper() for identifier in nodes(tree, exp.Identifier)}
    mapping: dict[str, object] = {}
    for name, columns in known.items():
        if not columns:
            continue
        # A table without any column would be one whose columns are not known.
        chosen = [column for column in columns if named is None or column[0].upper() in named] or columns[:1]
        nested_set(mapping, name, {column: copied(_plain(kind_)) for column, kind_ in chosen})
    return MappingSchema(mapping, dialect="duckdb", normalize=False)


def column_types(table: exp.Table, session: Session) -> list[tuple[str, str]]:
    """List the (name, DuckDB type) of a table's or view's columns; empty if it cannot be read."""
    if not table.catalog:
        return []
    if session.in_transaction or table.db == "INFORMATION_SCHEMA":  # it may see other versions of the tables
        return _described(table, session)
    return session.known(("columns", *_key(table)), lambda: _described(table, session))


def _described(table: exp.Table, session: Session) -> list[tuple[str, str]]:
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
    types = [(column, str(kind_)) for column, kind_ in zip(relation.columns, relation.types, strict=True)]
    if not any(type_ == "JSON" for _, type_ in types) or table.catalog not in session.storage.databases():
        return types  # no VARIANTs, or a temporary table of a statement
    declared = {
        column.name: column.type
        for column in stored_columns(session, (table.catalog, table.db, table.name))
        if column.type in ("ARRAY", "OBJECT")
    }
    return [(name, declared.get(name, type_) if type_ == "JSON" else type_) for name, type_ in types]


@lru_cache(maxsize=1000)
def _plain(type_: str) -> exp.DataType:
    if type_ == "TIMESTAMP WITH TIME ZONE":
        return exp.DataType(this=T.TIMESTAMPLTZ)
    if type_ in ("ARRAY", "OBJECT"):
        return exp.DataType(this=T[type_])
    if type_ in SHAPES:
        return exp.DataType(this=T[SHAPES[type_]])
    vector = vector_type(type_)
    if vector is not None:
        return vector_data_type(*vector)
    if type_ == TIMESTAMP_TZ:
        return exp.DataType(this=T.TIMESTAMPTZ)
    return exp.DataType.build(type_, dialect="duckdb", udt=True)

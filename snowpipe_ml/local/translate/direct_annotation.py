"""Annotate the types of plain queries where they are: without a copy, and without qualifying it.

sqlglot annotates a query whose columns have been qualified, for which the query must be copied, and its scopes
are searched some ten times. Most queries need none of this: here each SELECT is visited once, after the relations
that it reads. The types of the operators and functions are those of sqlglot's annotator with our additions.
:mod:`snowpipe_ml.local.translate.annotation` annotates all other statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlglot import exp
from sqlglot.optimizer.annotate_types import TypeAnnotator
from sqlglot.schema import MappingSchema

from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.annotators import METADATA
from snowpipe_ml.local.translate.number_types import type_of, united
from snowpipe_ml.local.translate.types import DECIMALS, DIGITS, T, kind, number_type, precision_of, scale_of

Outputs: TypeAlias = list[tuple[str, exp.Expr]]
"""The columns of a query in their order: the name, and an annotated node."""
_Columns: TypeAlias = dict[str, exp.DataType | None]
_Ctes: TypeAlias = dict[str, _Columns | None]

# Nodes with special rules for the columns that can be seen, or that refer to values by other names.
_NOT_PLAIN = (
    exp.Connect,
    exp.Dot,
    exp.JSONObject,
    exp.Lambda,
    exp.Lateral,
    exp.Pivot,
    exp.StarMap,
    exp.Struct,
    exp.TableFromRows,
    exp.Unnest,
)
_UNTYPED = (exp.Identifier, exp.DataType)


def is_plain(query: exp.Expr) -> bool:
    """Return whether all columns of a query can be found here: in tables, subqueries, VALUES and aliases."""
    if nodes(query, *_NOT_PLAIN):
        return False
    for node in nodes(query, exp.With, exp.Join, exp.SetOperation, exp.Star, exp.Column, exp.Table):
        match node:
            case exp.With() if node.args.get("recursive"):
                return False
            case exp.Join() if node.args.get("using") or node.args.get("method") == "NATURAL":
                return False
            case exp.SetOperation() if node.args.get("by_name"):
                return False
            case exp.Star() if not _is_listed(node):
                return False
            case exp.Column() if node.args.get("db") is not None or not isinstance(
                node.this, exp.Identifier | exp.Star
            ):
                return False
            case exp.Table() if not isinstance(node.this, exp.Identifier):
                return False
    return True


def _is_listed(star: exp.Star) -> bool:
    """Return whether a star without options is an output of a SELECT, or that of ``COUNT(*)``."""
    if any(star.args.values()):
        return False
    holder = star.parent.parent if isinstance(star.parent, exp.Column) else star.parent
    return isinstance(holder, exp.Select | exp.Count)


@dataclass
class _Scope:
    """The columns that an expression can refer to.

    Attributes:
        sources: the relations of the SELECT, by the names in it; None for a relation whose columns are not known.
        around: the scope of the query that has this one as a subquery.
        aliases: the outputs of the SELECT that have been annotated.
    """

    sources: list[tuple[str, _Columns | None]] = field(default_factory=list)
    around: _Scope | None = None
    aliases: dict[str, exp.Expr] = field(default_factory=dict)

    def found(self, column: exp.Column, *, aliases_first: bool) -> exp.DataType | None:
        """Return the type of a column; None if it is not known."""
        name, table = column.name, column.table
        if not table and aliases_first and name in self.aliases:
            return alias_type(self.aliases[name])
        unknown = False
        for source, columns in self.sources:
            if table and source != table:
                continue
            if columns is None:
                unknown = True
            elif name in columns:
                return columns[name]
            if table:
                return None
        if not table and name in self.aliases:
            return alias_type(self.aliases[name])
        if unknown or self.around is None:
            return None
        return self.around.found(column, aliases_first=False)


def alias_type(node: exp.Expr) -> exp.DataType | None:
    """Return the type of an annotated node; sqlglot gives a literal such as 1.5 another one."""
    scale, precision = scale_of(node), precision_of(node)
    if kind(node) in DECIMALS and scale is not None and precision is not None:
        return number_type(precision, scale)
    if not isinstance(node.unnest(), exp.Literal):
        return node.type
    type_ = exp.DataType(this=kind(node))
    type_.meta[DIGITS] = precision
    return type_


class DirectAnnotator(TypeAnnotator):
    """Sets ``type`` on the nodes of a plain query.

    Args:
        columns: returns the types of the columns of a table by its node; None if they are not known.
        note: is given each SELECT and its outputs.
    """

    def __init__(
        self,
        columns: Callable[[exp.Table], _Columns | None],
        note: Callable[[exp.Select, Outputs], None],
    ) -> None:
        super().__init__(MappingSchema(dialect="snowflake"), expression_metadata=METADATA)
        self._columns_of = columns
        self._note = note

    def query(self, query: exp.Expr, ctes: _Ctes | None = None, around: _Scope | None = None) -> Outputs:
        """Annotate a query, and return its outputs."""
        known = dict(ctes or {})
        with_ = query.args.get("with_")
        for cte in with_.expressions if with_ is not None else ():
            known[cte.alias] = _named(self.query(cte.this, known, around), cte.alias_column_names)
            self._set_type(cte, None)
        match query:
            case exp.Select():
                return self._select(query, known, around)
            case exp.SetOperation():
                return self._operation(query, known, around)
            case exp.Subquery():
                outputs = self.query(query.this, known, around)
                self._modifiers(query, known, _Scope(around=around, aliases=dict(outputs)))
                self._set_type(query, outputs[0][1].type if len(outputs) == 1 else None)
                return outputs
            case exp.Values():
                return self._values(query, known, around)
        return []

    def _values(self, values: exp.Values, ctes: _Ctes, around: _Scope | None) -> Outputs:
        scope = _Scope(around=around)
        for row in values.expressions:
            self._expression(row, ctes, scope)
        METADATA[exp.Values]["annotator"](self, values)
        first = values.expressions[0]
        cells = first.expressions if isinstance(first, exp.Tuple) else [first]
        names = values.alias_column_names or [f"COLUMN{place + 1}" for place in range(len(cells))]
        return list(zip(names, cells, strict=False))

    def _operation(self, operation: exp.SetOperation, ctes: _Ctes, around: _Scope | None) -> Outputs:
        left = self.query(operation.this, ctes, around)
        right = self.query(operation.expression, ctes, around)
        outputs: Outputs = []
        for (name, one), (_, other) in zip(left, right, strict=False):
            both = one.type or T.UNKNOWN, other.type or T.UNKNOWN
            made = exp.Column(this=exp.to_identifier(name, quoted=True))
            self._set_type(
                made, united(type_of(_shown(one)), type_of(_shown(other))) or self._maybe_coerce(*both)
            )
            outputs.append((name, made))
        if not left or len(left) != len(right):
            outputs = [(name, exp.Null()) for name, _ in left]
        self._modifiers(operation, ctes, _Scope(around=around, aliases=dict(outputs)))
        self._set_type(operation, None)
        return outputs

    def _modifiers(self, query: exp.Expr, ctes: _Ctes, scope: _Scope) -> None:
        """Annotate what follows a set operation, or a query in parentheses."""
        for key in ("order", "limit", "offset"):
            if query.args.get(key) is not None:
                self._expression(query.args[key], ctes, scope, aliases_first=True)

    def _select(self, select: exp.Select, ctes: _Ctes, around: _Scope | None) -> Outputs:
        scope = _Scope(around=around)
        from_ = select.args.get("from_")
        joins = select.args.get("joins") or []
        if from_ is not None:
            self._relation(from_.this, ctes, scope)
            self._set_type(from_, None)
        for join in joins:
            self._relation(join.this, ctes, scope)
        outputs: Outputs = []
        for output in select.expressions:
            if output.is_star:
                outputs += self._starred(output, scope)
                continue
            self._expression(output, ctes, scope)
            outputs.append((output.alias_or_name, output))
            if isinstance(output, exp.Alias):
                scope.aliases[output.alias] = output.this
        for join in joins:
            self._expression(join, ctes, scope, below=True)
        for key, part in select.args.items():
            if key in ("expressions", "from_", "joins", "with_"):
                continue
            first = key in ("order", "having", "qualify")
            for each in part if isinstance(part, list) else [part]:
                if isinstance(each, exp.Expr):
                    if key == "order":
                        scope.aliases.update({name: _shown(node) for name, node in outputs})
                    self._expression(each, ctes, scope, aliases_first=first)
        self._set_type(select, None)
        self._note(select, outputs)
        return outputs

    def _starred(self, star: exp.Expr, scope: _Scope) -> Outputs:
        """List the columns of ``*`` or ``t.*``; one that is named ``*`` if they are not known."""
        table = star.table if isinstance(star, exp.Column) else ""
        found: Outputs = []
        for source, columns in scope.sources:
            if table and source != table:
                continue
            if columns is None:
                return [("*", star)]
            for name, type_ in columns.items():
                made = exp.Column(this=exp.to_identifier(name, quoted=True))
                self._set_type(made, type_)
                found.append((name, made))
        return found

    def _relation(self, relation: exp.Expr, ctes: _Ctes, scope: _Scope) -> None:
        """Add a relation of FROM, and the relations that are joined to it in parentheses."""
        name = relation.alias_or_name
        match relation:
            case exp.Table():
                columns = ctes.get(relation.name) if not relation.db else None
                columns = columns if columns is not None else self._columns_of(relation)
                given = relation.alias_column_names
                if given and columns is not None:
                    columns = dict(zip(given, columns.values(), strict=False))
                scope.sources.append((name, columns))
            case exp.Subquery() if isinstance(relation.this, exp.Query):
                outputs = self.query(relation, ctes, scope.around)
                scope.sources.append((name, _named(outputs, relation.alias_column_names)))
            case exp.Subquery() | exp.Paren():
                self._relation(relation.this, ctes, scope)
            case exp.Values():
                scope.sources.append((name, _named(self._values(relation, ctes, scope.around), [])))
            case _:
                scope.sources.append((name, None))
        for join in relation.args.get("joins") or []:
            self._relation(join.this, ctes, scope)
            self._expression(join, ctes, scope, below=True)

    def _expression(
        self,
        expression: exp.Expr,
        ctes: _Ctes,
        scope: _Scope,
        *,
        aliases_first: bool = False,
        below: bool = False,
    ) -> None:
        """Annotate an expression, operands first.

        Args:
            expression: the expression.
            ctes: the columns of the common table expressions that its subqueries can read.
            scope: the columns that it can refer to.
            aliases_first: whether an alias is meant where a relation has a column of its name, too.
            below: whether only the condition of a join is annotated, whose relation has been.
        """
        start: Iterable[exp.Expr] = [expression]
        if below:
            start = [
                part for part in (expression.args.get("on"), expression.args.get("match_condition")) if part
            ]
        stack = [(part, False) for part in start]
        metadata = self.expression_metadata
        while stack:
            node, annotated = stack.pop()
            of = node.__class__
            if of in _UNTYPED:
                continue
            if isinstance(node, exp.Column):
                self._set_type(
                    node, scope.found(node, aliases_first=aliases_first and not _in_aggregate(node, scope))
                )
                continue
            if isinstance(node, exp.Query):
                self.query(node, ctes, scope)
                continue
            if not annotated and of is not exp.Literal:
                stack.append((node, True))
                for value in node.args.values():
                    if isinstance(value, exp.Expr):
                        stack.append((value, False))
                    elif value.__class__ is list:
                        stack.extend((item, False) for item in value if isinstance(item, exp.Expr))
                continue
            spec = metadata.get(of)
            if spec is None:
                self._set_type(node, None)
            elif "annotator" in spec:
                spec["annotator"](self, node)
            else:
                self._set_type(node, spec["returns"])

    def annotate_query(self, query: exp.Expr) -> None:
        """Annotate a whole query; a NULL gets the type that sqlglot has for it."""
        self.query(query)
        for node in list(self._null_expressions.values()):
            self._set_type(node, self.dialect.DEFAULT_NULL_TYPE)


def _named(outputs: Outputs, names: list[str]) -> _Columns | None:
    """Return the types of the columns of a query, which an alias can name."""
    if any(name == "*" for name, _ in outputs):
        return None
    return {
        names[place] if place < len(names) else name: node.type for place, (name, node) in enumerate(outputs)
    }


def _shown(node: exp.Expr) -> exp.Expr:
    return node.unalias()


def _in_aggregate(column: exp.Column, scope: _Scope) -> bool:
    """Return whether a column below an aggregate has the name of an alias that is an aggregate itself."""
    alias = scope.aliases.get(column.name)
    if alias is None or column.table or alias.find(exp.AggFunc) is None:
        return False
    return isinstance(column.find_ancestor(exp.AggFunc, exp.Query), exp.AggFunc)

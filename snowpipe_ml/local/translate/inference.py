"""Infer the nullability of a query's columns and the length of VARCHAR columns, as Snowflake does.

Snowflake derives both from the query: a literal, ``COUNT`` and a NOT NULL column cannot be null, and
``'abc'`` is a VARCHAR(3). DuckDB reports neither. If no rule applies, a column is nullable and has the
maximum length, which is always correct.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlglot import exp

from snowpipe_ml.local.catalog.columns import stored_columns
from snowpipe_ml.local.core.session import Session


@dataclass(frozen=True, slots=True)
class Fact:
    """The inferred nullability of a column.

    Attributes:
        nullable: whether it can be NULL.
        length: the maximum length of its text; None: unbounded.
        scale: the digits of the fractions of seconds of its time or timestamp; None: nine.
    """

    nullable: bool = True
    length: int | None = None
    scale: int | None = None


UNKNOWN = Fact()
NOT_NULL = Fact(nullable=False)
# The columns of a relation, in order; None if they are not known.
Relation = list[tuple[str, Fact]] | None

_NEVER_NULL = (exp.Count, exp.CountIf, exp.RowNumber, exp.Rank, exp.DenseRank)
# Expressions that are null only if one of their arguments is null. Snowflake describes computed BOOLEANs as nullable,
# also ``a IS NULL`` and TRUE.
_NULL_IF_ARGUMENT_IS = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.Abs)
_CALLS_NULL_IF_ARGUMENT_IS = {"TIME", "TO_TIME", "RANDSTR", "RANDOM"}


def infer(tree: exp.Expr, session: Session) -> Relation:
    """Infer the facts of a query's columns; its names must be in stored form (see store_identifiers)."""
    return _Inference(session).query(tree, {})


class _Inference:
    def __init__(self, session: Session) -> None:
        self._session = session

    def query(self, tree: exp.Expr | None, visible: dict[str, Relation]) -> Relation:
        if not isinstance(tree, exp.Query | exp.Values):
            return None
        with_ = tree.args.get("with_")
        if with_ is not None:
            visible = dict(visible)
            for cte in with_.expressions:
                recursive = bool(with_.args.get("recursive"))
                visible[cte.alias] = None if recursive else _renamed(self.query(cte.this, visible), cte)
        match tree:
            case exp.Subquery():
                return None if tree.args.get("pivots") else self.query(tree.this, visible)
            case exp.Except():
                return self.query(tree.left, visible)
            case exp.SetOperation():
                both = [self.query(tree.left, visible), self.query(tree.right, visible)]
                return _united(both, meeting=isinstance(tree, exp.Intersect))
            case exp.Values():
                return self._values(tree)
            case exp.Select():
                return self._select(tree, visible)
        return None

    def _values(self, tree: exp.Values) -> Relation:
        rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in tree.expressions]
        facts: list[Relation] = [
            [(f"COLUMN{i}", self.fact(value, {}, {})) for i, value in enumerate(row, 1)] for row in rows
        ]
        return _renamed(_united(facts), tree)

    def _select(self, tree: exp.Select, visible: dict[str, Relation]) -> Relation:
        sources, starred = self._sources(tree, visible)
        group = tree.args.get("group")
        widened = group is not None and group.find(exp.Rollup, exp.Cube, exp.GroupingSets) is not None
        result: list[tuple[str, Fact]] = []
        named: dict[str, Fact] = {}
        for projection in tree.expressions:
            if isinstance(projection, exp.Star) or (
                isinstance(projection, exp.Column) and isinstance(projection.this, exp.Star)
            ):
                star = projection if isinstance(projection, exp.Star) else projection.this
                of = [projection.table] if isinstance(projection, exp.Column) else list(sources)
                if any(star.args.values()) or not starred:
                    return None
                for source in of:
                    relation = sources.get(source)
                    if relation is None:
                        return None
                    result += relation
                continue
            fact = self.fact(projection, sources, named)
            if widened:
                fact = replace(fact, nullable=True)
            result.append((projection.alias_or_name, fact))
            named.setdefault(projection.alias_or_name, fact)
        return result

    def _sources(self, tree: exp.Select, visible: dict[str, Relation]) -> tuple[dict[str, Relation], bool]:
        """Return the relations of FROM and JOIN by name, and whether ``*`` is their columns in this order."""
        from_ = tree.args.get("from_")
        if from_ is None:
            return {}, False
        sources = {from_.this.alias_or_name: self._relation(from_.this, visible)}
        starred = not tree.args.get("laterals")
        for join in tree.args.get("joins") or []:
            starred = starred and not join.args.get("using") and not join.method
            side = join.side.upper()
            if side in ("RIGHT", "FULL"):
                sources = {name: _nullable(relation) for name, relation in sources.items()}
            relation = self._relation(join.this, visible)
            if side in ("LEFT", "FULL") or join.method:
                relation = _nullable(relation)
            if join.this.alias_or_name in sources:
                return dict.fromkeys(sources), False
            sources[join.this.alias_or_name] = relation
        return sources, starred

    def _relation(self, tree: exp.Expr, visible: dict[str, Relation]) -> Relation:
        if tree.args.get("pivots") or tree.args.get("joins") or tree.args.get("sample"):
            return None
        if not isinstance(tree, exp.Table):
            return _renamed(self.query(tree, visible), tree)
        if isinstance(tree.this, exp.Values):
            return _renamed(self._values(tree.this), tree)
        if not isinstance(tree.this, exp.Identifier) or tree.this.name.startswith("@"):
            return None
        parts = tuple(part.name for part in tree.parts)
        if len(parts) == 1 and parts[0] in visible:
            return _renamed(visible[parts[0]], tree)
        session = self._session
        if (len(parts) < 3 and not session.database) or (len(parts) == 1 and not session.schema):
            return None
        stored = stored_columns(session, session.resolve(parts))
        facts = [(c.name, Fact(c.column.nullable, c.column.length, c.column.scale)) for c in stored]
        return _renamed(facts or None, tree)

    def fact(self, tree: exp.Expr, sources: dict[str, Relation], named: dict[str, Fact]) -> Fact:
        """Infer the facts of an expression."""
        match tree:
            case exp.Alias() | exp.Paren():
                return self.fact(tree.this, sources, named)
            case exp.Literal():
                return Fact(False, len(tree.this) if tree.is_string else None)
            case exp.TryCast():
                return Fact(True, _length(tree.to), _scale(tree.to))
            case exp.Cast():
                nullable = self.fact(tree.this, sources, named).nullable
                return Fact(nullable, _length(tree.to), _scale(tree.to))
            case exp.Column():
                return _column(tree, sources, named)
            case exp.Parameter():
                return _by_position(tree, sources)
            case exp.Window() if isinstance(tree.this, _NEVER_NULL):
                return NOT_NULL
            case exp.Coalesce():
                given = [tree.this, *tree.expressions]
                facts = [self.fact(value, sources, named) for value in given]
                return replace(_either(facts), nullable=all(fact.nullable for fact in facts))
            case exp.Case() if tree.args.get("default") is not None:
                branches = [*(branch.args["true"] for branch in tree.args["ifs"]), tree.args["default"]]
                return _either([self.fact(branch, sources, named) for branch in branches])
        if isinstance(tree, _NEVER_NULL):
            return NOT_NULL
        if (isinstance(tree, _NULL_IF_ARGUMENT_IS) or _is_such_call(tree)) and not tree.find(exp.Query):
            inner = [value for value in tree.iter_expressions() if isinstance(value, exp.Condition)]
            return Fact(any(self.fact(value, sources, named).nullable for value in inner))
        return UNKNOWN


def _is_such_call(tree: exp.Expr) -> bool:
    return isinstance(tree, exp.Anonymous) and tree.name.upper() in _CALLS_NULL_IF_ARGUMENT_IS


def _length(kind: exp.DataType) -> int | None:
    if kind.is_type(*exp.DataType.TEXT_TYPES) and kind.expressions:
        return int(kind.expressions[0].name)
    return None


def _scale(kind: exp.DataType) -> int | None:
    clock = kind.is_type(exp.DType.TIME, *exp.DataType.TEMPORAL_TYPES)
    return int(kind.expressions[0].name) if clock and kind.expressions else None


def _column(tree: exp.Column, sources: dict[str, Relation], named: dict[str, Fact]) -> Fact:
    relations = [sources.get(tree.table)] if tree.table else list(sources.values())
    found = [fact for relation in relations for name, fact in relation or [] if name == tree.name]
    if len(found) == 1:
        return found[0]
    # An alias of the same SELECT is used only if no relation can have a column of that name.
    if not found and not tree.table and None not in relations:
        return named.get(tree.name, UNKNOWN)
    return UNKNOWN


def _by_position(tree: exp.Parameter, sources: dict[str, Relation]) -> Fact:
    relation = next(iter(sources.values()), None)
    if len(sources) != 1 or relation is None or not tree.name.isdigit() or int(tree.name) > len(relation):
        return UNKNOWN
    return relation[int(tree.name) - 1][1]


def _largest(sizes: list[int | None]) -> int | None:
    return None if None in sizes else max(size for size in sizes if size is not None)


def _either(facts: list[Fact]) -> Fact:
    return Fact(
        any(fact.nullable for fact in facts),
        _largest([fact.length for fact in facts]),
        _largest([fact.scale for fact in facts]),
    )


def _united(relations: list[Relation], *, meeting: bool = False) -> Relation:
    """Combine the relations of a set operation; the names are those of the first relation.

    Args:
        relations: the relations.
        meeting: whether only the rows of all relations are kept, as by INTERSECT.
    """
    known = [relation for relation in relations if relation is not None]
    if len(known) < len(relations) or len({len(relation) for relation in known}) != 1:
        return None
    combined = [(columns[0][0], [fact for _, fact in columns]) for columns in zip(*known, strict=True)]
    return [
        (
            name,
            replace(_either(facts), nullable=facts[0].nullable)  # Snowflake looks at the first query only
            if meeting
            else _either(facts),
        )
        for name, facts in combined
    ]


def _nullable(relation: Relation) -> Relation:
    return None if relation is None else [(name, replace(fact, nullable=True)) for name, fact in relation]


def _renamed(relation: Relation, tree: exp.Expr) -> Relation:
    """Rename columns by the alias of the relation: ``AS t(a, b)``."""
    alias = tree.args.get("alias")
    columns = (
        [column.name for column in alias.args.get("columns") or []]
        if isinstance(alias, exp.TableAlias)
        else []
    )
    if relation is None or len(columns) > len(relation):
        return None
    return [(name, fact) for name, (_, fact) in zip(columns, relation, strict=False)] + relation[
        len(columns) :
    ]

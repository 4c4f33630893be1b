"""Refuse columns whose names differ in case from those that they refer to, and relations of one name.

DuckDB ignores case in names. On Snowflake ``SELECT x`` reads the column X, and not a column "x".
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.annotation import column_types
from snowpipe_ml.local.translate.names import refers_to_cte

Names = frozenset[str] | None
"""The names of a relation's columns; None if they are not known."""


def check_aliases(tree: exp.Expr) -> None:
    """Refuse two relations of one name in a FROM clause: names are in stored form.

    Raises:
        ProgrammingError: an alias, or a table without an alias, is there twice.
    """
    for query in nodes(tree, exp.Select, exp.Update, exp.Delete, exp.Merge):
        if isinstance(query.parent, exp.When):
            continue
        seen: set[tuple[str, ...]] = set()
        for source in _sources(query):
            if source.alias:
                name: tuple[str, ...] = (source.alias,)
            elif isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier):
                name = tuple(part.name for part in source.parts)
            else:
                continue
            if name in seen:
                raise errors.error(2027, "42601", f"SQL compilation error:\nduplicate alias '{name[-1]}'")
            seen.add(name)


def check_case(tree: exp.Expr, session: Session) -> None:
    """Check the columns of a statement whose names are in stored form.

    A column that no relation has, in any case, is left to DuckDB, except in HAVING.

    Raises:
        ProgrammingError: a relation has the column only in another case, or no relation has a column of HAVING.
    """
    checker = _Checker(tree, session)
    stars = nodes(tree, exp.Star)
    listed = {
        id(column)
        for star in stars
        for column in nodes(star, exp.Column)
        if isinstance(column.find_ancestor(exp.Star, exp.Query), exp.Star)
    }
    for column in nodes(tree, exp.Column):
        if not isinstance(column.this, exp.Star) and id(column) not in listed:
            checker.check(column)
    for star in stars:
        checker.check_star(star)
    if isinstance(tree, exp.Insert) and isinstance(tree.this, exp.Schema):
        names = checker.names(tree.this.this)
        for identifier in tree.this.expressions:
            _compare(identifier.name, names, identifier.name)


def _compare(name: str, names: Names, shown: str) -> None:
    if names is not None and name not in names and name.upper() in {each.upper() for each in names}:
        raise errors.invalid_identifier(shown)


class _Checker:
    """Finds the columns that are visible at a place in a statement."""

    def __init__(self, tree: exp.Expr, session: Session) -> None:
        self._tree = tree
        self._session = session
        self._known: dict[int, Names] = {}
        self._within: set[int] = set()
        self._selects: dict[int, tuple[list[exp.Expr], set[str]]] = {}
        self._ctes: dict[str, list[exp.CTE]] = {}
        for cte in nodes(tree, exp.CTE):
            self._ctes.setdefault(cte.alias, []).append(cte)

    def check(self, column: exp.Column) -> None:
        """Check a column."""
        parts = [part.name for part in column.parts]
        if len(parts) > 2:
            return
        visible: set[str] = set()
        for sources, named in self._scopes(column):
            if column.table:
                for source in sources:
                    if source.alias_or_name == column.table:
                        _compare(column.name, self.names(source), ".".join(parts))
                        return
                continue
            if column.name in named:
                return
            visible |= named
            for source in sources:
                names = self.names(source)
                if names is None or column.name in names:
                    return
                visible |= names
        if column.table:
            return
        _compare(column.name, frozenset(visible), column.name)
        # DuckDB would say that it must be in GROUP BY.
        in_having = isinstance(column.find_ancestor(exp.Having, exp.Query), exp.Having)
        if in_having and column.name not in visible:
            raise errors.invalid_identifier(column.name)

    def check_star(self, star: exp.Star) -> None:
        """Check the columns that ``*`` leaves out, replaces or renames.

        Raises:
            ProgrammingError: the relations do not have such a column.
        """
        listed = [each.name for each in star.args.get("except_") or []]
        listed += [each.alias for each in star.args.get("replace") or []]
        listed += [each.this.name for each in star.args.get("rename") or []]
        select = star.find_ancestor(exp.Select)
        if not listed or select is None:
            return
        table = star.parent.table if isinstance(star.parent, exp.Column) else ""
        visible: set[str] = set()
        for source in _sources(select):
            if table and source.alias_or_name != table:
                continue
            names = self.names(source)
            if names is None:
                return
            visible |= names
        for name in listed:
            if name not in visible:
                raise errors.error(904, "42000", f"SQL compilation error:\ncolumn '{name}' does not exist")

    def _scopes(self, column: exp.Column) -> Iterator[tuple[list[exp.Expr], set[str]]]:
        """Yield the relations, and the names in the SELECT list, that are visible to a column: innermost first."""
        node: exp.Expr = column
        derived = False
        while node.parent is not None:
            parent = node.parent
            if isinstance(node, exp.CTE):
                return
            if isinstance(parent, exp.Pivot) and parent.parent is not None:
                yield [_unpivoted(parent.parent)], set()
                return
            match parent:
                case exp.Select() if derived:
                    derived = False
                case exp.Select():
                    yield self._scope(parent)
                case exp.SetOperation() if node.arg_key not in ("this", "expression"):
                    yield [], set(self._outputs(parent) or ())
                case exp.Update() | exp.Delete() | exp.Merge() if parent is self._tree:
                    yield _sources(parent), set()
                case exp.From() | exp.Join() if isinstance(node, exp.Subquery):
                    derived = True
            node = parent

    def _scope(self, select: exp.Select) -> tuple[list[exp.Expr], set[str]]:
        """Return the relations of a SELECT and the names in its list: they are needed for each of its columns."""
        key = id(select)
        if key not in self._selects:
            named = {item.alias for item in select.expressions if isinstance(item, exp.Alias)}
            self._selects[key] = _sources(select), named
        return self._selects[key]

    def names(self, source: exp.Expr) -> Names:
        """Return the names of the columns of a relation."""
        key = id(source)
        if key not in self._known:
            if key in self._within:  # a recursive WITH
                return None
            self._within.add(key)
            self._known[key] = self._found(source)
        return self._known[key]

    def _found(self, source: exp.Expr) -> Names:
        if source.args.get("pivots"):
            return None
        given = source.alias_column_names
        match source:
            case exp.Table() if isinstance(source.this, exp.Identifier):
                found = self._of_table(source)
            case exp.Subquery():
                found = self._outputs(source.this)
            case exp.Lateral() if isinstance(source.this, exp.Subquery):
                found = self._outputs(source.this.this)
            case exp.Lateral() | exp.Values():
                return frozenset(given) or None
            case _:
                return None
        return found if found is None else found | frozenset(given)

    def _of_table(self, table: exp.Table) -> Names:
        if refers_to_cte(table):
            found = self._ctes.get(table.name, [])
            if len(found) != 1:
                return None
            given = found[0].alias_column_names
            return frozenset(given) or self._outputs(found[0].this)
        if table.name.startswith("@"):
            return None
        if table.meta.get("resolved") and table.catalog == "temp":  # a relation of this statement
            return frozenset(column for column, _ in column_types(table, self._session)) or None
        parts = tuple(part.name for part in table.parts)
        name = self._session.resolve(parts, self._tree.key.upper())
        resolved = exp.table_(name[2], db=name[1], catalog=name[0], quoted=True)
        return frozenset(column for column, _ in column_types(resolved, self._session)) or None

    def _outputs(self, query: exp.Expr) -> Names:
        """Return the names of the result columns of a query."""
        while isinstance(query, exp.SetOperation | exp.Subquery):
            if query.args.get("joins"):  # a join in parentheses with an alias
                return None
            query = query.this
        if not isinstance(query, exp.Select):
            return None
        found: set[str] = set()
        for output in query.expressions:
            if not output.is_star:
                found.add(output.alias_or_name)
                continue
            table = output.table if isinstance(output, exp.Column) else ""
            star = output.this if isinstance(output, exp.Column) else output
            found |= {renamed.alias for renamed in star.args.get("rename") or []}
            for source in _sources(query):
                if table and source.alias_or_name != table:
                    continue
                names = self.names(source)
                if names is None:
                    return None
                found |= names
        return frozenset(found)


def _unpivoted(relation: exp.Expr) -> exp.Expr:
    """Return a relation as it is below its PIVOT or UNPIVOT."""
    if len(relation.args.get("pivots") or []) > 1:
        return exp.Null()  # its columns are those of another pivot, which are not known
    below = relation.copy()
    below.set("pivots", None)
    below.parent = relation.parent
    return below


def _sources(query: exp.Expr) -> list[exp.Expr]:
    """List the relations of a query or of a DML statement; those of a join in parentheses are among them."""
    pending: list[exp.Expr] = []
    match query:
        case exp.Update():
            pending = [query.this]
        case exp.Delete():
            pending = [query.this, *(query.args.get("using") or [])]
        case exp.Merge():
            pending = [query.this, query.args["using"]]
    if query.args.get("from_") is not None:
        pending.append(query.args["from_"].this)
    pending += [join.this for join in query.args.get("joins") or []]
    found: list[exp.Expr] = []
    while pending:
        relation = pending.pop(0)
        pending += [join.this for join in relation.args.get("joins") or []]
        if _is_in_parentheses(relation):
            pending.insert(0, relation.this)
        else:
            found.append(relation)
    return found


def _is_in_parentheses(relation: exp.Expr) -> bool:
    """Return whether a relation is one in parentheses, or a join: ``FROM (a JOIN b ON ...)``."""
    return (
        isinstance(relation, exp.Subquery)
        and isinstance(relation.this, exp.Table | exp.Subquery)
        and not relation.alias
        and not relation.args.get("pivots")
    )

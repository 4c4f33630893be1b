"""Names: their case, names of result columns, and qualified names of tables."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.catalog_names import check_schema, has_case_of
from snowpipe_ml.local.core.errors import TWIN
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.trees import nodes


def name_projections(tree: exp.Expr) -> None:
    """Name every unnamed result column as Snowflake does: by its source text in upper case.

    ``SELECT count( *)`` returns a column ``COUNT( *)``.
    """
    for select in nodes(tree, exp.Select):
        for projection in list(select.expressions):
            if isinstance(projection, exp.Alias | exp.Column | exp.Star | exp.Aliases):
                continue
            if projection.find(exp.Star) and isinstance(projection, exp.Column):
                continue
            name = (projection.meta.get("written") or projection.sql(dialect="snowflake")).upper()
            projection.replace(
                exp.alias_(projection.copy(), exp.to_identifier(name, quoted=True), copy=False)
            )


def store_identifiers(tree: exp.Expr) -> None:
    """Convert every identifier to its stored form: unquoted ones to upper case, then all quoted.

    ``select id from trips`` -> ``SELECT "ID" FROM "TRIPS"``
    """
    for identifier in nodes(tree, exp.Identifier):
        if not identifier.args.get("quoted"):
            identifier.set("this", identifier.name.upper())
            identifier.set("quoted", True)
        else:
            identifier.meta["quoted"] = True


def part_case_twins(tree: exp.Expr, session: Session) -> None:
    """Append the mark :data:`TWIN` to names that differ from another one only in case, which DuckDB ignores.

    In ``SELECT 1 AS "a", 2 AS A`` one of the names is marked. The mark is removed from the names of the
    result. Names of existing tables and columns remain unmarked.
    """
    variants: dict[str, set[str]] = {}
    for identifier in nodes(tree, exp.Identifier):
        variants.setdefault(identifier.name.lower(), set()).add(identifier.name)
    twins = {folded: names for folded, names in variants.items() if len(names) > 1}
    if not twins:
        return
    stored = _stored_columns(tree, session)
    marked: dict[str, str] = {}
    for names in twins.values():
        ordered = sorted(names, key=lambda name: (name not in stored, name != name.upper(), name))
        marked.update(
            {
                name: name + TWIN * number
                for number, name in enumerate(ordered)
                if number and name not in stored
            }
        )
    for identifier in nodes(tree, exp.Identifier):
        if identifier.name in marked:
            identifier.set("this", marked[identifier.name])


def _stored_columns(tree: exp.Expr, session: Session) -> set[str]:
    """Collect the names of the tables in a statement and of their columns."""
    found: set[str] = set()
    for table in nodes(tree, exp.Table):
        parts = tuple(part.name for part in table.parts)
        found.update(parts)
        if isinstance(table.this, exp.Identifier) and session.database:
            name = session.resolve(parts) if len(parts) == 3 or session.schema or len(parts) == 2 else None
            if name is not None:
                rows = session.duck.execute(
                    "SELECT column_name FROM duckdb_columns() WHERE database_name = ? AND schema_name = ? AND table_name = ?",
                    list(name),
                ).fetchall()
                found.update(column for (column,) in rows)
    return found


def refers_to_cte(table: exp.Table) -> bool:
    """Return whether a table name refers to a common table expression that is visible at its position."""
    if table.args.get("db"):
        return False
    name = table.name
    node: exp.Expr = table
    while node.parent is not None:
        parent = node.parent
        if isinstance(node, exp.CTE) and isinstance(parent, exp.With):
            visible = parent.expressions[: parent.expressions.index(node)]
            if parent.args.get("recursive"):
                visible = [*visible, node]
            if any(cte.alias == name for cte in visible):
                return True
            node = parent.parent or parent
            continue
        with_ = parent.args.get("with_")
        if with_ is not None and with_ is not node and any(cte.alias == name for cte in with_.expressions):
            return True
        node = parent
    return False


def qualify_tables(tree: exp.Expr, session: Session, command: str) -> None:
    """Qualify every table with its database and schema, so that DuckDB's search path does not matter.

    ``SELECT * FROM TRIPS`` -> ``SELECT * FROM "CITIBIKE"."ML"."TRIPS"``
    """
    for table in nodes(tree, exp.Table):
        if not isinstance(table.this, exp.Identifier) or table.meta.get("resolved"):
            continue
        if table.args.get("catalog") and not table.db:  # DB..T
            table.set("db", exp.to_identifier("PUBLIC", quoted=True))
        if refers_to_cte(table):
            continue
        parts = tuple(part.name for part in table.parts)
        database, schema, name = found = session.resolve(parts, command)
        check_schema(session, database, schema)
        if session.hidden(found) or not has_case_of(session, found):
            raise errors.missing("Object", ".".join(parts))
        if name != parts[-1] and not table.alias and not isinstance(table.parent, exp.Insert | exp.Schema):
            table.set("alias", exp.TableAlias(this=exp.to_identifier(parts[-1], quoted=True)))
        table.set("catalog", exp.to_identifier(database, quoted=True))
        table.set("db", exp.to_identifier(schema, quoted=True))
        table.set("this", exp.to_identifier(name, quoted=True))
        table.meta["resolved"] = True


def own_columns(tree: exp.Expr, session: Session) -> None:
    """Remove the qualifier of assigned columns, as in ``UPDATE t SET t.c = 1``, which DuckDB does not accept.

    The columns that MERGE updates or inserts can be qualified as well.

    Raises:
        ProgrammingError: the qualifier refers to another table.
    """
    if not isinstance(tree, exp.Update | exp.Merge):
        return
    whens = tree.args["whens"].expressions if isinstance(tree, exp.Merge) else []
    actions = [tree, *(when.args["then"] for when in whens)]
    for action in actions:
        if isinstance(action, exp.Update):
            columns = [assignment.this for assignment in action.expressions if isinstance(assignment, exp.EQ)]
        elif isinstance(action, exp.Insert) and isinstance(action.this, exp.Tuple):
            columns = action.this.expressions
        else:
            continue
        for column in columns:
            if isinstance(column, exp.Column) and column.table:
                if not _is_target(column, tree.this, session):
                    raise errors.invalid_identifier(".".join(part.name for part in column.parts))
                column.replace(exp.column(column.this.copy()))


def _is_target(column: exp.Column, target: exp.Expr, session: Session) -> bool:
    """Return whether a column's qualifier is the changed table's alias, or its name if it has none."""
    table = tuple(part.name for part in column.parts[:-1])
    if target.alias or not isinstance(target, exp.Table):
        return table == (target.alias,)
    name = tuple(part.name for part in target.parts)
    return table == name[-1:] or (len(table) > 1 and session.resolve(table) == session.resolve(name))


def qualified_name(node: exp.Expr) -> tuple[str, ...]:
    """Return the qualified name of a function call, in stored form."""
    this = node.this
    parts = [this.name if isinstance(this, exp.Identifier) and this.args.get("quoted") else node.name.upper()]
    parent = node.parent
    while isinstance(parent, exp.Dot):
        names = list(parent.this.find_all(exp.Identifier, bfs=False))
        parts = [part.name if part.args.get("quoted") else part.name.upper() for part in names] + parts
        parent = parent.parent
    return tuple(parts)

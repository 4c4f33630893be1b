"""Names: case, result columns, and which table a name means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from snowpipe_ml.local.errors import UnsupportedError

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection


def name_projections(tree: exp.Expr) -> None:
    """Give every unnamed result column the name Snowflake gives it: its text.

    ``SELECT COUNT(*)`` returns a column ``COUNT(*)``.
    """
    for select in tree.find_all(exp.Select):
        for projection in list(select.expressions):
            if isinstance(projection, exp.Alias | exp.Column | exp.Star | exp.Aliases):
                continue
            if projection.find(exp.Star) and isinstance(projection, exp.Column):
                continue
            text = projection.sql(dialect="snowflake")
            name = text if isinstance(projection, exp.Literal) else text.upper()
            projection.replace(exp.alias_(projection.copy(), exp.to_identifier(name, quoted=True), copy=False))


def store_identifiers(tree: exp.Expr) -> None:
    """Write every name as it is stored: unquoted ones in upper case, all of them quoted.

    ``select id from trips`` -> ``SELECT "ID" FROM "TRIPS"``
    """
    for identifier in tree.find_all(exp.Identifier):
        if not identifier.args.get("quoted"):
            identifier.set("this", identifier.name.upper())
            identifier.set("quoted", True)


def refuse_case_twins(tree: exp.Expr) -> None:
    """Refuse ``SELECT 1 AS "a", 2 AS A``: DuckDB takes both names for one, and would give one value twice.

    Raises:
        UnsupportedError: two result columns differ by case alone.
    """
    for select in tree.find_all(exp.Select):
        seen: dict[str, str] = {}
        for name in (projection.alias_or_name for projection in select.expressions):
            if name and name != "*" and seen.setdefault(name.lower(), name) != name:
                raise UnsupportedError(f"columns that differ by case alone ({seen[name.lower()]!r} and {name!r})")


def refers_to_cte(table: exp.Table) -> bool:
    """Whether an unqualified name means a common table expression that is visible there."""
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


def qualify_tables(tree: exp.Expr, connection: Connection, command: str) -> None:
    """Write every table with its database and schema, so that DuckDB's search path plays no part.

    ``SELECT * FROM TRIPS`` -> ``SELECT * FROM "CITIBIKE"."ML"."TRIPS"``
    """
    for table in list(tree.find_all(exp.Table)):
        if not isinstance(table.this, exp.Identifier) or table.meta.get("resolved"):
            continue
        if refers_to_cte(table):
            continue
        parts = tuple(part.name for part in table.parts)
        database, schema, name = connection.resolve(parts, command)
        table.set("catalog", exp.to_identifier(database, quoted=True))
        table.set("db", exp.to_identifier(schema, quoted=True))
        table.set("this", exp.to_identifier(name, quoted=True))
        table.meta["resolved"] = True

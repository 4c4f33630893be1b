"""Translate NAME.NEXTVAL and TABLE(GETNEXTVAL(NAME)) in a query."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.catalog.sequences import Sequences
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.precomputed import precompute, reads_one_relation


def next_values(tree: exp.Expr, session: Session) -> None:
    """Replace ``S.NEXTVAL`` with ``nextval('"DB"."SCHEMA"."S"')``."""
    for identifier in [i for i in nodes(tree, exp.Identifier) if i.name == "NEXTVAL"]:
        node = identifier.parent
        while node is not None and isinstance(node.parent, exp.Column | exp.Dot):
            node = node.parent
        if node is None:
            continue
        found = node.parts if isinstance(node, exp.Column) else node.find_all(exp.Identifier, bfs=False)
        parts = [part.name for part in found]
        if len(parts) < 2:
            continue
        name = session.resolve(tuple(part for part in parts if part != "NEXTVAL"))
        if Sequences().exists(session, name):
            call = _next_of(name)
            named = isinstance(node.parent, exp.Select) and node.arg_key == "expressions"
            node.replace(exp.alias_(call, exp.to_identifier("NEXTVAL", quoted=True)) if named else call)


def _next_of(name: Name) -> exp.Expr:
    call = exp.Anonymous(this="nextval", expressions=[exp.Literal.string(quoted(*name))])
    call.meta["ours"] = True
    return call


def generated_values(tree: exp.Expr, session: Session) -> None:
    """Translate ``FROM t, TABLE(GETNEXTVAL(s)) AS x``: each row of ``t`` has a new value, ``x.NEXTVAL``.

    DuckDB would evaluate the table function once. So the value becomes a column of the other relation.

    https://docs.snowflake.com/en/user-guide/querying-sequences

    Raises:
        ProgrammingError: the sequence does not exist.
        UnsupportedError: the query joins relations, or groups its rows.
    """
    joined: dict[int, tuple[exp.Select, dict[str, exp.Expr]]] = {}
    for number, relation in enumerate(nodes(tree, exp.TableFromRows)):
        call = relation.this
        if not isinstance(call, exp.Anonymous) or call.name.upper() != "GETNEXTVAL":
            continue
        argument = call.expressions[0] if len(call.expressions) == 1 else None
        if not isinstance(argument, exp.Column):
            raise errors.syntax("GETNEXTVAL takes the name of a sequence.")
        written = tuple(part.name for part in argument.parts)
        name = session.resolve(written)
        if not Sequences().exists(session, name):
            raise errors.missing("Sequence", ".".join(written))
        select, alias = relation.parent_select, relation.alias
        if not isinstance(select, exp.Select) or not isinstance(relation.parent, exp.Join):
            row = exp.select(exp.alias_(_next_of(name), "NEXTVAL", quoted=True))
            shown = exp.TableAlias(this=exp.to_identifier(alias, quoted=True)) if alias else None
            relation.replace(exp.Subquery(this=row, alias=shown))
            continue
        relation.parent.pop()
        _, columns = joined.setdefault(id(select), (select, {}))
        columns[f"_next_{number}"] = _next_of(name)
        _refer(select, alias, f"_next_{number}")
    for select, columns in joined.values():
        if not reads_one_relation(select):
            raise errors.UnsupportedError(
                "GETNEXTVAL in a query that joins relations or groups its rows", "Join in a subquery"
            )
        precompute(select, columns)


def _refer(select: exp.Select, alias: str, column: str) -> None:
    """Replace ``alias.NEXTVAL`` in a query by the column that has the values, also where a star shows it."""
    for found in nodes(select, exp.Column):
        if found.name == "NEXTVAL" and found.table in ("", alias) and found.parent_select is select:
            made: exp.Expr = exp.column(column, quoted=True)
            listed = isinstance(found.parent, exp.Select) and found.arg_key == "expressions"
            found.replace(exp.alias_(made, "NEXTVAL", quoted=True) if listed else made)
    shown: list[exp.Expr] = []
    for output in select.expressions:
        made = exp.alias_(exp.column(column, quoted=True), "NEXTVAL", quoted=True)
        of_sequence = isinstance(output, exp.Column) and output.is_star and output.table == alias
        shown += [made] if of_sequence else [output, made] if isinstance(output, exp.Star) else [output]
    select.set("expressions", shown)

"""INSERT into several tables at once: ``INSERT ALL`` and ``INSERT FIRST``.

https://docs.snowflake.com/en/sql-reference/sql/insert-multi-table
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

from sqlglot import exp

from snowpipe_ml.local.catalog.columns import stored_columns
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.result import Result, rows
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import retry_conflicts
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.core.values import Params
from snowpipe_ml.local.statements.dml import insert
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.arrow_relation import registered_relation
from snowpipe_ml.local.translate.bindings import bind
from snowpipe_ml.local.translate.compiled import compiled, together
from snowpipe_ml.local.translate.compiler import to_sql

_PREFIX = "_sf_several_"  # of the columns of the kept rows, which no column of a user's table has
_OVERWRITE = re.compile(r"\s*INSERT\s+OVERWRITE\b", re.I)


def insert_several(session: Session, tree: exp.MultitableInserts, text: str, params: Params) -> Result:
    """Run a multi-table INSERT: its query runs once, and each INTO clause inserts of its rows.

    Returns:
        The numbers of new rows, a column for each table.
    """
    bind(tree, params)
    overwrite = _OVERWRITE.match(text) is not None
    source = f"_several_{uuid.uuid4().hex}"
    inserted: dict[str, int] = {}

    def run() -> None:
        inserted.clear()
        with together(session):
            try:
                columns = _keep_rows(session, tree.args["source"], source)
                for clause, condition in _conditions(tree):
                    statement = _statement(session, clause, condition, source, columns)
                    table = statement.find(exp.Table)
                    assert table is not None
                    name = ".".join(
                        part.name if part.args.get("quoted") else part.name.upper() for part in table.parts
                    )
                    statement.set("overwrite", overwrite and name not in inserted)
                    inserted[name] = inserted.get(name, 0) + (insert(session, statement, None).rowcount or 0)
            finally:
                session.duck.execute(f"DROP TABLE IF EXISTS {source}")

    retry_conflicts(session, run)
    shown = [(f"number of rows inserted into {name.rpartition('.')[2]}", "BIGINT") for name in inserted]
    result = rows(shown, [tuple(inserted.values())])
    return Result(result.columns, result.table, sum(inserted.values()))


def _keep_rows(session: Session, query: exp.Expr, source: str) -> list[Column]:
    """Keep the rows of a query in a temporary table with numbered columns; return its columns."""
    with compiled(session, query.copy()) as translated:
        body = to_sql(translated)
        found = session.duck.execute(f"DESCRIBE {body}").fetchall()
        names = ", ".join(f'"{_PREFIX}{n}"' for n in range(len(found)))
        session.duck.execute(
            f"CREATE OR REPLACE TEMP TABLE {source} AS SELECT * FROM ({body}) AS _q({names})"
        )
    return [Column(row[0].rstrip(errors.TWIN), row[1]) for row in found]


def _conditions(tree: exp.MultitableInserts) -> Iterator[tuple[exp.Insert, exp.Expr | None]]:
    """Yield the INTO clauses, each with the condition of its rows."""
    before: list[exp.Expr] = []
    condition: exp.Expr | None = None
    for clause in tree.expressions:
        given = clause.args.get("expression")
        if given is not None:
            alone = tree.args.get("kind") != "FIRST"
            condition = given if alone else exp.and_(given, *map(_is_not_true, before), copy=True)
            before.append(given)
        elif clause.args.get("else_"):
            condition = exp.and_(*map(_is_not_true, before), copy=True)
        yield clause.this, condition


def _is_not_true(condition: exp.Expr) -> exp.Expr:
    known = exp.Coalesce(this=exp.paren(condition.copy()), expressions=[exp.false()])
    known.meta["called"] = "COALESCE"
    return exp.Not(this=known)


def _statement(
    session: Session, clause: exp.Insert, condition: exp.Expr | None, source: str, columns: list[Column]
) -> exp.Insert:
    """Make the INSERT of an INTO clause, whose values are columns of the kept rows."""
    names = [exp.to_identifier(column.name, quoted=True) for column in columns]
    target = clause.this.copy()
    values: list[exp.Expr] = [exp.column(name.copy()) for name in names]
    given = clause.expression
    if isinstance(given, exp.Values):
        row = given.expressions[0]
        values = [value.copy() for value in (row.expressions if isinstance(row, exp.Tuple) else [row])]
        target, values = _without_defaults(session, target, values)
    query = exp.Select(expressions=values).from_(registered_relation(source, columns, _PREFIX), copy=False)
    if condition is not None:
        query.set("where", exp.Where(this=condition.copy()))
    for parameter in nodes(query, exp.Parameter):
        if parameter.name.isdigit() and 1 <= int(parameter.name) <= len(names):
            parameter.replace(exp.column(names[int(parameter.name) - 1].copy()))
    return exp.Insert(this=target, expression=query)


def _without_defaults(
    session: Session, target: exp.Expr, values: list[exp.Expr]
) -> tuple[exp.Expr, list[exp.Expr]]:
    """Take out the columns whose value is DEFAULT, which an INSERT of a query cannot have."""
    table = target.this if isinstance(target, exp.Schema) else target
    assert isinstance(table, exp.Table)
    defaults = [
        isinstance(value, exp.Var | exp.Column) and value.name.upper() == "DEFAULT" for value in values
    ]
    if not any(defaults):
        return target, values
    if isinstance(target, exp.Schema):
        listed = [column.copy() for column in target.expressions]
    else:
        parts = tuple(part.name if part.args.get("quoted") else part.name.upper() for part in table.parts)
        stored = stored_columns(session, session.resolve(parts, "INSERT"))
        listed = [exp.to_identifier(column.name, quoted=True) for column in stored]
    kept = [place for place, default in enumerate(defaults) if not default]
    schema = exp.Schema(
        this=table.copy(), expressions=[listed[place] for place in kept if place < len(listed)]
    )
    return schema, [values[place] for place in kept]

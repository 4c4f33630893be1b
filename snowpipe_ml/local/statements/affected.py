"""The rows of its table that a DML statement can change, for streams: see catalog/stream_changes.py.

They are found by the conditions of the statement, which are therefore evaluated twice. Where two evaluations can
differ, all rows of the table count.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from snowpipe_ml.local.catalog.stream_changes import ANY, INSERTED, Affected
from snowpipe_ml.local.translate.compiler import to_sql
from snowpipe_ml.local.translate.registry import is_served

_VOLATILE = (
    exp.Rand,
    exp.Randstr,
    exp.Uuid,
    exp.Uniform,
    exp.Normal,
    exp.Zipf,
    exp.Limit,
    exp.Fetch,
    exp.Offset,
    exp.TableSample,
)
_VOLATILE_NAMES = frozenset({"RANDOM", "RANDSTR", "UUID_STRING", "UNIFORM", "NORMAL", "ZIPF"})


def is_repeatable(tree: exp.Expr) -> bool:
    """Return whether the conditions of a statement, before it is translated, have the same result each time.

    A LIMIT may take other rows, and a function of a user may return another value.
    """
    for part in _conditions(tree):
        for node in part.find_all(exp.Func, exp.Limit, exp.Fetch, exp.Offset, exp.TableSample):
            if isinstance(node, _VOLATILE):
                return False
            if isinstance(node, exp.Anonymous):
                name = node.name.upper()
                if name in _VOLATILE_NAMES or name.startswith("SYSTEM$") or not is_served(name):
                    return False
    return True


def affected(statement: exp.Expr) -> Affected:
    """Return the rows that a translated UPDATE, DELETE or MERGE can change."""
    target, where = statement.this, statement.args.get("where")
    if isinstance(statement, exp.Merge):
        return _of_merge(statement)
    sources: list[exp.Expr]
    if isinstance(statement, exp.Update):
        of = statement.args.get("from_")
        sources = [] if of is None else [of.this]
        updated = frozenset(_updated(statement))
    elif isinstance(statement, exp.Delete):
        sources, updated = list(_listed(statement.args.get("using"))), frozenset()
    else:
        return ANY
    found = _places(target, sources)
    if where is not None:
        found.set("where", where.copy())
    return Affected(to_sql(found), updated)


def _of_merge(statement: exp.Merge) -> Affected:
    actions = [when.args["then"] for when in statement.args["whens"].expressions]
    if any(when.args.get("source") for when in statement.args["whens"].expressions):
        return ANY  # NOT MATCHED BY SOURCE: rows that the condition does not find
    if all(isinstance(action, exp.Insert) for action in actions):
        return INSERTED
    found = _places(statement.this, [statement.args["using"]]).where(statement.args["on"].copy())
    updated = [name for action in actions if isinstance(action, exp.Update) for name in _updated(action)]
    return Affected(to_sql(found), frozenset(updated))


def _places(target: exp.Expr, sources: list[exp.Expr]) -> exp.Select:
    found = exp.select(exp.column("rowid", table=target.alias_or_name, quoted=True)).from_(target.copy())
    for source in sources:
        found.append("joins", exp.Join(this=source.copy(), kind="CROSS"))
    return found


def _updated(update: exp.Expr) -> Iterator[str]:
    for assignment in update.expressions:
        if isinstance(assignment, exp.EQ):
            yield assignment.this.name


def _conditions(tree: exp.Expr) -> Iterator[exp.Expr]:
    for key in ("using", "on", "from_", "where"):
        yield from _listed(tree.args.get(key))


def _listed(found: object) -> Iterator[exp.Expr]:
    for one in found if isinstance(found, list) else [found]:
        if isinstance(one, exp.Expr):
            yield one

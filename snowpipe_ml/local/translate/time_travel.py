"""Translate AT, BEFORE and CHANGES after the name of a table to the rows of an earlier version.

https://docs.snowflake.com/en/sql-reference/constructs/at-before
https://docs.snowflake.com/en/sql-reference/constructs/changes
"""

from __future__ import annotations

import time

from sqlglot import exp

from snowpipe_ml.local.catalog.dynamic_tables import refuse_dynamic
from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.catalog.properties import properties_of
from snowpipe_ml.local.catalog.streams import find_stream
from snowpipe_ml.local.catalog.versions import (
    CHANGE_TRACKING,
    appended_between,
    statement_times,
    version_at,
)
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name, literal
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.compiler import Compiler, to_sql
from snowpipe_ml.local.translate.names import refers_to_cte

_SECOND = 10**9


def expand_versions(tree: exp.Expr, compiler: Compiler) -> None:
    """Replace each table that has AT, BEFORE or CHANGES with its rows at that time.

    Raises:
        ProgrammingError: no version of that time is kept.
        UnsupportedError: the relation is not a table.
    """
    for table in nodes(tree, exp.Table):
        when, changes = table.args.get("when"), table.args.get("changes")
        if when is None and changes is None:
            continue
        if compiler.in_view:
            raise errors.UnsupportedError(
                "time travel (AT, BEFORE, CHANGES) in the query of a view", "Create a table or a clone"
            )
        compiler.reads_rows = True
        name = _table(compiler.session, table)
        if changes is not None:
            query = _changes(compiler, name, changes)
        else:
            assert when is not None
            query = version_at(compiler.session, name, moment(compiler, name, when)).query
        relation = exp.Subquery(this=exp.select("*").from_(compiler.view(query)))
        alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name, quoted=True))
        relation.set("alias", alias.copy())
        for key in ("joins", "pivots", "sample", "laterals"):
            if table.args.get(key):
                relation.set(key, table.args[key])
        table.replace(relation)


def _table(session: Session, table: exp.Table) -> Name:
    if not isinstance(table.this, exp.Identifier) or refers_to_cte(table):
        raise errors.UnsupportedError("time travel (AT, BEFORE, CHANGES) of a relation that is not a table")
    parts = tuple(part.name for part in table.parts)
    name = session.resolve(parts)
    kind = existing_kind(session, name) if name[0] in session.storage.databases() else None
    if kind == "VIEW":
        raise errors.UnsupportedError("time travel (AT, BEFORE, CHANGES) of a view", "Name its tables")
    if kind is None and session.storage.has_streams and find_stream(session, name) is not None:
        raise errors.UnsupportedError("time travel (AT, BEFORE, CHANGES) of a stream")
    if kind is None or session.hidden(name):
        raise errors.missing("Object", ".".join(parts))
    refuse_dynamic(session, name)
    return name


def moment(compiler: Compiler, name: Name, when: exp.HistoricalData) -> int:
    """Return the time of AT or BEFORE in nanoseconds: the changes up to it are seen.

    Raises:
        ProgrammingError: the statement that it names is not known.
        UnsupportedError: it is given in a way that is not supported, or in the future.
    """
    word, kind, now = str(when.this).upper(), str(when.args["kind"]).upper(), time.time_ns()
    value = when.expression
    before = word == "BEFORE"
    if kind == "STATEMENT":
        earlier, later = statement_times(compiler.session, name, str(_value(compiler, value)))
        return earlier if before else later
    if kind == "OFFSET":
        found = now + round(float(str(_value(compiler, value))) * _SECOND)
    elif kind == "TIMESTAMP":
        if isinstance(value, exp.Literal):
            value = exp.cast(value.copy(), "TIMESTAMP_NTZ", dialect="snowflake")
        part = exp.Anonymous(
            this="DATE_PART", expressions=[exp.Literal.string("epoch_nanosecond"), value.copy()]
        )
        # A time has microseconds; the log of changes has nanoseconds.
        found = int(str(_value(compiler, part))) + 999
    else:
        raise errors.UnsupportedError(
            f"{word} ({kind} => ...) in a query", "Use TIMESTAMP, OFFSET or STATEMENT"
        )
    if found > now + _SECOND:
        raise errors.UnsupportedError(f"{word} with a time in the future")
    return found - 1000 if before else found


def _value(compiler: Compiler, expression: exp.Expr) -> object:
    """Compute a constant expression."""
    inner = compiler.nested(describing=False)
    try:
        query = exp.select(exp.alias_(expression.copy(), "V", quoted=True))
        translated = to_sql(inner.compile(query))
        row = compiler.session.duck.execute(translated).fetchone()
    finally:
        inner.release()
    if row is None or row[0] is None:
        raise errors.compilation("The argument of AT or BEFORE must be a constant that is not NULL.")
    return row[0]


def _changes(compiler: Compiler, name: Name, changes: exp.Changes) -> str:
    """Return the query of ``CHANGES (INFORMATION => ...) AT (...) [END (...)]``.

    Raises:
        ProgrammingError: the changes of the table are not tracked.
        UnsupportedError: other changes than new rows are among them.
    """
    session = compiler.session
    start = moment(compiler, name, changes.args["at_before"])
    end = time.time_ns() if changes.args.get("end") is None else moment(compiler, name, changes.args["end"])
    if properties_of(session, name).get(CHANGE_TRACKING) != "TRUE" and not _has_stream(session, name):
        raise errors.compilation(
            f"Change tracking is not enabled or has been missing for the time range requested on table '{name[2]}'."
        )
    first, last = version_at(session, name, start), version_at(session, name, end)
    if not appended_between(session, name, start, end):
        raise errors.UnsupportedError(
            "CHANGES with other changes than new rows in the interval", "Read a stream on the table"
        )
    seen = f"SELECT count(*) FROM ({first.query})"
    return (
        'SELECT *, \'INSERT\' AS "METADATA$ACTION", false AS "METADATA$ISUPDATE" '
        f"FROM ({last.query}) OFFSET ({seen})"
    )


def _has_stream(session: Session, name: Name) -> bool:
    if not session.storage.has_streams:
        return False
    found = session.duck.execute(
        f"SELECT 1 FROM {session.catalog(name[0], 'STREAMS')} WHERE table_schema = {literal(name[1])} "
        f"AND table_name = {literal(name[2])} LIMIT 1"
    )
    return found.fetchone() is not None

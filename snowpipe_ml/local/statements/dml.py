"""INSERT, UPDATE, DELETE and MERGE."""

from __future__ import annotations

import uuid

from sqlglot import exp

from snowpipe_ml.local.catalog.changes import written_table
from snowpipe_ml.local.catalog.dynamic_tables import refuse_dynamic
from snowpipe_ml.local.catalog.stream_changes import ANY, INSERTED, Affected, tracked
from snowpipe_ml.local.catalog.versions import note_change
from snowpipe_ml.local.core.arrays import integers
from snowpipe_ml.local.core.journal import is_volatile
from snowpipe_ml.local.core.names import Name, quoted
from snowpipe_ml.local.core.result import Result, counts
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import in_transaction, retry_conflicts
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.core.values import Params, Row
from snowpipe_ml.local.statements.affected import affected, is_repeatable
from snowpipe_ml.local.translate.compiled import compiled
from snowpipe_ml.local.translate.compiler import to_sql


def _counted(tree: exp.Expr) -> list[str]:
    """Return the result columns of a DML statement: one for each kind of change that it can make."""
    match tree:
        case exp.Insert():
            kinds = ["inserted"]
        case exp.Update():
            return ["number of rows updated", "number of multi-joined rows updated"]
        case exp.Delete():
            kinds = ["deleted"]
        case exp.Merge():
            taken = _merge_kinds(tree)
            kinds = [kind for kind in ("inserted", "updated", "deleted") if kind in taken]
        case _:
            kinds = []
    return [f"number of rows {kind}" for kind in kinds]


def _execute_count(session: Session, tree: exp.Expr, params: Params) -> int:
    known = session.storage.has_streams and is_repeatable(tree)
    with compiled(session, tree, params) as statement:
        rows = _changed(
            session, to_sql(statement), written_table(statement), affected(statement) if known else ANY
        )
        return int(rows[0][0]) if rows else 0


def count_inserted(session: Session, sql_text: str, target: Name | None) -> int:
    """Run an INSERT and return the number of new rows."""
    rows = _changed(session, sql_text, target, INSERTED)
    return int(rows[0][0]) if rows else 0


def _changed(session: Session, sql_text: str, target: Name | None, rows: Affected = ANY) -> list[Row]:
    """Run a DML statement and record in the same transaction that the table has changed."""
    refuse_dynamic(session, target)

    def run() -> list[Row]:
        with in_transaction(session), tracked(session, target, rows):
            if rows is INSERTED and target is not None and _differs_again(session, sql_text, target):
                found = [(session.duck.insert_captured(sql_text, quoted(*target)),)]
            else:
                found = session.duck.execute(sql_text).fetchall()
            if target is not None:
                note_change(session, target, _appended(found) if rows is INSERTED else None)
        return found

    result: list[Row] = retry_conflicts(session, run)
    return result


def _appended(found: list[Row]) -> int:
    """Return the number of new rows: an INSERT returns it, a MERGE that only inserts returns a row for each."""
    return found[0][0] if found and isinstance(found[0][0], int) else len(found)


def _differs_again(session: Session, sql_text: str, target: Name) -> bool:
    """Return whether an INSERT in a transaction would insert other rows if it ran again: see core/journal.py."""
    journal = session.duck.journal
    if journal is None:
        return False
    if target not in journal.volatile_tables:
        defaults = session.duck.execute(
            "SELECT column_default FROM duckdb_columns() WHERE database_name = ? AND schema_name = ? "
            "AND table_name = ? AND column_default IS NOT NULL",
            list(target),
        ).fetchall()
        journal.volatile_tables[target] = any(is_volatile(str(default)) for (default,) in defaults)
    return journal.volatile_tables[target] or is_volatile(sql_text)


def insert(session: Session, tree: exp.Insert, params: Params) -> Result:
    """Run an INSERT; one with OVERWRITE replaces the rows of the table."""
    overwrite = bool(tree.args.get("overwrite"))
    tree.set("overwrite", False)
    with compiled(session, tree, params) as statement:
        if not overwrite:
            return counts(inserted=count_inserted(session, to_sql(statement), written_table(statement)))
        target = statement.this.this if isinstance(statement.this, exp.Schema) else statement.this
        written = written_table(statement)
        refuse_dynamic(session, written)
        delete = f"DELETE FROM {to_sql(target)}"
        # Compute the new rows first: the query may read the table that it overwrites.
        new = f"_new_{uuid.uuid4().hex}"
        query = to_sql(statement.expression)
        statement.set("expression", exp.select("*").from_(exp.to_table(new)))

        def swap() -> int:
            session.duck.execute(f"CREATE OR REPLACE TEMP TABLE {new} AS {query}")
            try:
                with in_transaction(session), tracked(session, written):
                    session.duck.execute(delete)
                    row = session.duck.execute(to_sql(statement)).fetchone()
                    if written is not None:
                        note_change(session, written)
                    return int(row[0]) if row else 0
            finally:
                session.duck.execute(f"DROP TABLE IF EXISTS {new}")

        return counts(inserted=retry_conflicts(session, swap))


def _update(session: Session, tree: exp.Update, params: Params) -> Result:
    """Run an UPDATE; the result also has the number of rows to which several rows of FROM were joined.

    https://docs.snowflake.com/en/sql-reference/sql/update
    """
    known = session.storage.has_streams and is_repeatable(tree)
    with compiled(session, tree, params) as statement:
        several = 0
        if statement.args.get("from_") is not None:
            several = _multi_joined(session, statement)
        changed = _changed(
            session, to_sql(statement), written_table(statement), affected(statement) if known else ANY
        )
        updated = int(changed[0][0]) if changed else 0
    result = counts(updated=updated)
    return Result(
        [*result.columns, Column("number of multi-joined rows updated", "BIGINT")],
        result.table.append_column("1", integers([several])),
        updated,
    )


def _multi_joined(session: Session, statement: exp.Expr) -> int:
    """Count the rows of the target of an UPDATE that are joined to more than one row."""
    target = statement.this
    row = exp.column("rowid", table=target.alias_or_name, quoted=True)
    joined = exp.select(exp.alias_(row, "_sf_row")).from_(target.copy())
    source = statement.args["from_"].this
    joined.append("joins", exp.Join(this=source.copy(), kind="CROSS"))
    if statement.args.get("where") is not None:
        joined.set("where", statement.args["where"].copy())
    joined = joined.group_by("1").having("count(*) > 1")
    found = session.duck.execute(f"SELECT count(*) FROM ({to_sql(joined)})").fetchone()
    return int(found[0]) if found else 0


def _merge_kinds(tree: exp.Merge) -> set[str]:
    """Return the kinds of change that the clauses of a MERGE can make: inserted, updated, deleted."""
    actions = [when.args["then"] for when in tree.args["whens"].expressions]
    return {
        "inserted"
        if isinstance(action, exp.Insert)
        else "updated"
        if isinstance(action, exp.Update)
        else "deleted"
        for action in actions
    }


def _merge(session: Session, tree: exp.Merge, params: Params) -> Result:
    """Run a MERGE; the result has a column for each kind of change that its clauses can make."""
    kinds = _merge_kinds(tree)
    known = session.storage.has_streams and is_repeatable(tree)
    with compiled(session, tree, params) as statement:
        text = to_sql(statement) + " RETURNING merge_action"
        actions = _changed(session, text, written_table(statement), affected(statement) if known else ANY)
    done = {"inserted": 0, "updated": 0, "deleted": 0}
    for (action,) in actions:
        done[{"INSERT": "inserted", "UPDATE": "updated", "DELETE": "deleted"}[action]] += 1
    return counts(**{word: done[word] for word in done if word in kinds})

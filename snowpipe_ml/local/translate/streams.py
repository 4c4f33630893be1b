"""Translate streams in a query to the changes that they return."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.catalog.streams import changed_parts, check_base, find_stream, until
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.compiler import Compiler


def expand_streams(tree: exp.Expr, compiler: Compiler) -> None:
    """Replace each stream with its changes; a DML statement that reads the stream advances its offset."""
    session = compiler.session
    if not session.database or not session.storage.has_streams:
        return
    target = tree.this if isinstance(tree, exp.Insert | exp.Merge) else None
    for table in list(tree.find_all(exp.Table)):
        if not isinstance(table.this, exp.Identifier) or table.meta.get("resolved") or table is target:
            continue
        parts = tuple(part.name for part in table.parts)
        if len(parts) == 1 and not session.schema:
            continue
        name = session.resolve(parts)
        found = find_stream(session, name) if name[0] in session.storage.databases() else None
        if found is None:
            continue
        kept, source, append_only = found
        changes = _changes(session, tree, name, kept, source, append_only, compiler.describing)
        relation = exp.Subquery(this=exp.select("*").from_(compiler.view(changes)))
        alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name, quoted=True))
        relation.set("alias", alias.copy())
        table.replace(relation)
        if isinstance(tree, exp.Insert | exp.Merge | exp.Update | exp.Delete):
            compiler.consumed.append((name, kept, source))


def _changes(
    session: Session,
    tree: exp.Expr,
    name: Name,
    kept: str,
    table: Name,
    append_only: bool,
    describing: bool,
) -> str:
    check_base(session, name, kept, table)
    new, gone = changed_parts(name, kept, until(session, name, kept, table))
    changed = not describing and bool(session.duck.execute(f"SELECT 1 FROM {gone} LIMIT 1").fetchone())
    if append_only and changed:
        raise errors.UnsupportedError(
            "an append-only stream of a table in which rows were deleted or updated",
            "Consume the stream before rows are deleted or updated",
        )
    unknown = changed and bool(session.duck.execute(f"SELECT 1 FROM {new} LIMIT 1").fetchone())
    for column in tree.find_all(exp.Column):
        if column.name.upper() == "METADATA$ROW_ID" or (
            unknown and column.name.upper() == "METADATA$ISUPDATE"
        ):
            raise errors.UnsupportedError(f"{column.name.upper()} of these changes")
    # Only a query that reads the column fails, such as SELECT *.
    refused = "_MACROS.main.sf_refuse('METADATA$ISUPDATE of these changes')::BOOLEAN"
    update = refused if unknown else "false"
    more = f'{update} AS "METADATA$ISUPDATE", NULL::VARCHAR AS "METADATA$ROW_ID"'
    inserted = f"SELECT *, 'INSERT' AS \"METADATA$ACTION\", {more} FROM {new}"
    return inserted if append_only else f"{inserted} UNION ALL SELECT *, 'DELETE', {more} FROM {gone}"

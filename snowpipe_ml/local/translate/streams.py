"""Translate streams in a query to the changes that they return."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.catalog.streams import check_base, find_stream
from snowpipe_ml.local.core import errors
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
        check_base(session, found)
        _refuse_row_ids(tree)
        relation = exp.Subquery(this=exp.select("*").from_(compiler.view(found.changes(session))))
        alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name, quoted=True))
        relation.set("alias", alias.copy())
        table.replace(relation)
        if compiler.consuming or isinstance(tree, exp.Insert | exp.Merge | exp.Update | exp.Delete):
            compiler.consumed.append(found)


def _refuse_row_ids(tree: exp.Expr) -> None:
    for column in tree.find_all(exp.Column):
        if column.name.upper() == "METADATA$ROW_ID" and column.arg_key not in ("except_", "except"):
            raise errors.UnsupportedError("METADATA$ROW_ID")

"""COMMENT ON."""

from __future__ import annotations

import dataclasses

from snowpipe_ml.local.catalog.functions import find_one
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import quoted
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.transactions import retry_conflicts
from snowpipe_ml.local.python.definition import read_signature
from snowpipe_ml.local.python.registry import functions_of
from snowpipe_ml.local.statements.base import Statement, command


@command("COMMENT")
def comment(statement: Statement) -> Result:
    """``COMMENT [IF EXISTS] ON TABLE|VIEW|FUNCTION|PROCEDURE name IS 'text'``.

    Comments on stages, schemas, databases and warehouses are accepted but not stored.
    """
    session, reader = statement.session, statement.reader
    reader.expect("COMMENT")
    reader.accept("IF", "EXISTS")
    reader.expect("ON")
    kind = reader.next().upper
    name = reader.name()
    if kind in ("TABLE", "VIEW"):
        reader.expect("IS")
        text = reader.string().replace("'", "''")
        target = quoted(*session.resolve(name))
        retry_conflicts(lambda: session.duck.execute(f"COMMENT ON {kind} {target} IS '{text}'"))
    elif kind in ("FUNCTION", "PROCEDURE"):
        definition = find_one(session, kind, name, read_signature(reader))
        reader.expect("IS")
        definition = dataclasses.replace(definition, comment=reader.string())
        functions_of(session.storage).update(session, definition)
    elif kind not in ("STAGE", "SCHEMA", "DATABASE", "WAREHOUSE"):
        raise errors.UnsupportedError(f"COMMENT ON {kind}")
    return status("Statement executed successfully.")

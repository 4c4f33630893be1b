"""SHOW PRIMARY KEYS and SHOW UNIQUE KEYS.

https://docs.snowflake.com/en/sql-reference/sql/show-primary-keys
"""

from __future__ import annotations

import uuid

from snowpipe_ml.local.catalog.columns import keys_of, stored_columns
from snowpipe_ml.local.catalog.properties import created_on, properties_of
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.listing import listing
from snowpipe_ml.local.statements.scope import Scope
from snowpipe_ml.local.statements.shows import objects_in
from snowpipe_ml.local.syntax.reader import Reader

_KEYS = {
    "created_on": None,
    "database_name": None,
    "schema_name": None,
    "table_name": None,
    "column_name": None,
    "key_sequence": None,
    "constraint_name": None,
    "rely": "false",
    "comment": None,
}


@command("SHOW PRIMARY KEYS", "SHOW UNIQUE KEYS")
def show_keys(statement: Statement) -> Result:
    """``SHOW PRIMARY | UNIQUE KEYS [IN ACCOUNT | DATABASE x | SCHEMA x | [TABLE] x]``, a row for each column."""
    session, reader = statement.session, statement.reader
    reader.expect("SHOW")
    unique = reader.next().upper == "UNIQUE"
    reader.expect("KEYS")
    found: list[dict[str, object]] = []
    for table in _tables(session, reader):
        keys = keys_of(session, table)
        for columns in keys.unique if unique else [keys.primary]:
            name = uuid.uuid5(uuid.NAMESPACE_OID, repr((table, unique, columns)))  # names are not kept
            found += [
                {
                    "created_on": created_on(properties_of(session, table)),
                    "database_name": table[0],
                    "schema_name": table[1],
                    "table_name": table[2],
                    "column_name": column,
                    "key_sequence": place,
                    "constraint_name": f"SYS_CONSTRAINT_{name}",
                }
                for place, column in enumerate(columns, 1)
            ]
    return listing(_KEYS, found)


def _tables(session: Session, reader: Reader) -> list[Name]:
    if reader.looking_at("IN") and reader.peek(1).upper not in ("ACCOUNT", "DATABASE", "SCHEMA"):
        reader.next()
        reader.accept("TABLE")
        name = session.resolve(reader.name(), "SHOW KEYS")
        reader.end()
        if not stored_columns(session, name):
            raise errors.missing("Table", ".".join(name))
        return [name]
    return [(row[0], row[1], row[2]) for row in objects_in(session, Scope(session, reader), ("TABLE",))]

"""``ALTER TABLE t ALTER COLUMN c``: NOT NULL, DEFAULT and COMMENT.

https://docs.snowflake.com/en/sql-reference/sql/alter-table-column
"""

from __future__ import annotations

from snowpipe_ml.local.catalog.changes import note_change
from snowpipe_ml.local.catalog.columns import Declared, declare, stored_columns
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name, literal, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import in_transaction, retry_conflicts
from snowpipe_ml.local.syntax.reader import Reader


def alter_column(session: Session, reader: Reader, table: Name) -> bool:
    """Run ``ALTER|MODIFY [COLUMN] c [SET | DROP] NOT NULL | DROP DEFAULT | COMMENT 'x'``; False for others.

    Raises:
        ProgrammingError: the column does not exist, or the change is not allowed.
    """
    if not (reader.looking_at("ALTER") or reader.looking_at("MODIFY")):
        return False
    reader.next()
    reader.accept("COLUMN")
    column = reader.identifier()
    found = next((each for each in stored_columns(session, table) if each.name == column), None)
    if found is None:
        raise errors.invalid_identifier(column)
    declared = found.declared
    change = f"ALTER TABLE {quoted(*table)} ALTER COLUMN {quoted(column)}"
    if reader.accept("SET", "NOT", "NULL"):
        text = f"{change} SET NOT NULL"
    elif reader.accept("DROP", "NOT", "NULL"):
        text = f"{change} DROP NOT NULL"
    elif reader.accept("DROP", "DEFAULT"):
        text = f"{change} DROP DEFAULT"
        declared = Declared(column, found.type, None)
    elif reader.accept("UNSET", "COMMENT"):
        text = f"COMMENT ON COLUMN {quoted(*table, column)} IS NULL"
    elif reader.accept("COMMENT"):
        text = f"COMMENT ON COLUMN {quoted(*table, column)} IS {literal(reader.string())}"
    else:
        raise errors.UnsupportedError(f"ALTER COLUMN ... {reader.rest().partition(' ')[0].upper()}")
    reader.end()

    def run() -> None:
        with in_transaction(session):
            session.duck.execute(text)
            if declared is not None:
                declare(session, table, [declared])
            note_change(session, table)

    retry_conflicts(run)
    return True

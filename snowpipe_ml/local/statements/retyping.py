"""``ALTER TABLE t ALTER COLUMN c SET DATA TYPE``: the type changes that Snowflake allows.

https://docs.snowflake.com/en/sql-reference/sql/alter-table-column
"""

from __future__ import annotations

import re
import uuid

from sqlglot import exp

from snowpipe_ml.local.catalog.changes import note_change
from snowpipe_ml.local.catalog.columns import stored_columns
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.ddl import after_name
from snowpipe_ml.local.core.names import Name, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import in_transaction, retry_conflicts
from snowpipe_ml.local.translate.casts import data_type
from snowpipe_ml.sql import DataType


def retype(session: Session, table: Name, column: str, text: str) -> None:
    """Increase the length of a VARCHAR column, or the precision of a NUMBER column with the same scale.

    Raises:
        ProgrammingError: the column does not exist, or Snowflake does not allow the change.
    """
    found = next((c.column for c in stored_columns(session, table) if c.name == column), None)
    if found is None:
        raise errors.invalid_identifier(column)
    before, after = DataType.parse(found.snowflake).complete, DataType.parse(text).complete
    if before == after:
        return
    if not before.widens_to(after):
        raise errors.error(
            2108,
            "22000",
            f"SQL compilation error:\ncannot change column {column} from type {before} to {after}",
        )
    if before.name == "VARCHAR":
        change = _with_length(session, table, column, before.parameters[0], after.parameters[0])
    else:
        kind = data_type(exp.DataType.build(after.sql, dialect="snowflake"), session).sql(dialect="duckdb")
        change = [f"ALTER TABLE {quoted(*table)} ALTER COLUMN {quoted(column)} TYPE {kind}"]

    def run() -> None:
        with in_transaction(session):
            for statement in change:
                session.duck.execute(statement)
            note_change(session, table)

    retry_conflicts(run)


def _with_length(session: Session, table: Name, column: str, before: int, after: int) -> list[str]:
    """Return the statements that recreate the table with another length: DuckDB cannot change constraints."""
    ((definition, comment),) = session.duck.execute(
        "SELECT sql, comment FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?",
        list(table),
    ).fetchall()
    check = re.compile(
        rf'(CHECK\(\(length\((?:"{re.escape(column)}"|{re.escape(column)})\) <= ){before}(?=\)\))'
    )
    columns = check.sub(rf"\g<1>{after}", after_name(str(definition)))
    text = str(comment or "").replace("'", "''")
    aside = (*table[:2], f"_retyped_{uuid.uuid4().hex}")
    return [
        f"CREATE TABLE {quoted(*aside)}{columns}",
        f"INSERT INTO {quoted(*aside)} SELECT * FROM {quoted(*table)}",
        f"DROP TABLE {quoted(*table)}",
        f"ALTER TABLE {quoted(*aside)} RENAME TO {quoted(table[2])}",
        *([f"COMMENT ON TABLE {quoted(*table)} IS '{text}'"] if text else []),
    ]

"""``ALTER TABLE t ALTER COLUMN c SET DATA TYPE``: the type changes that Snowflake allows.

https://docs.snowflake.com/en/sql-reference/sql/alter-table-column
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from snowpipe_ml.local.catalog.columns import Declared, Keys, declare, stored_columns
from snowpipe_ml.local.catalog.properties import KEYS, set_property
from snowpipe_ml.local.catalog.tables import forget_column
from snowpipe_ml.local.catalog.versions import keep_version, note_change
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name, literal, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import in_transaction, retry_conflicts
from snowpipe_ml.local.statements.columns import ColumnDefinition, keep_definition
from snowpipe_ml.local.translate.casts import data_type
from snowpipe_ml.sql import DataType


def retype(session: Session, table: Name, column: str, text: str) -> None:
    """Increase the length of a VARCHAR column, or the precision of a NUMBER column with the same scale.

    Raises:
        ProgrammingError: the column does not exist, or Snowflake does not allow the change.
    """
    found = next((c for c in stored_columns(session, table) if c.name == column), None)
    if found is None:
        raise errors.invalid_identifier(column)
    before, after = DataType.parse(found.type).complete, DataType.parse(text).complete
    if before == after:
        return
    if not before.widens_to(after):
        raise errors.error(
            2108,
            "22000",
            f"SQL compilation error:\ncannot change column {column} from type {before} to {after}",
        )
    declared = Declared(column, after.sql.replace(", ", ","), found.default)
    if before.name == "VARCHAR":
        longer = replace(found, column=replace(found.column, length=declared.length))
        stored = stored_columns(session, table)
        change = rebuilt(session, table, [(longer if c.name == column else c).sql for c in stored])
    else:
        kind = data_type(exp.DataType.build(after.sql, dialect="snowflake"), session).sql(dialect="duckdb")
        change = [f"ALTER TABLE {quoted(*table)} ALTER COLUMN {quoted(column)} TYPE {kind}"]

    def run() -> None:
        with in_transaction(session):
            keep_version(session, table)
            for statement in change:
                session.duck.execute(statement)
            declare(session, table, [declared])
            note_change(session, table)

    retry_conflicts(session, run)


def rebuilt(
    session: Session, table: Name, columns: Sequence[str], names: Sequence[str] | None = None
) -> list[str]:
    """Return the statements that recreate a table: DuckDB cannot change constraints.

    Args:
        session: the current session.
        table: the table.
        columns: the columns of the new table in DuckDB's SQL; a new one gets its default.
        names: the names of these columns if a column of the table is not among them.
    """
    ((comment,),) = session.duck.execute(
        "SELECT comment FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?",
        list(table),
    ).fetchall()
    aside = (*table[:2], f"_rebuilt_{uuid.uuid4().hex}")
    kept = ", ".join(
        quoted(stored.name)
        for stored in stored_columns(session, table)
        if names is None or stored.name in names
    )
    return [
        f"CREATE TABLE {quoted(*aside)} ({', '.join(columns)})",
        f"INSERT INTO {quoted(*aside)} ({kept}) SELECT {kept} FROM {quoted(*table)}",
        f"DROP TABLE {quoted(*table)}",
        f"ALTER TABLE {quoted(*aside)} RENAME TO {quoted(table[2])}",
        *([f"COMMENT ON TABLE {quoted(*table)} IS {literal(comment)}"] if comment else []),
        *(
            f"COMMENT ON COLUMN {quoted(*table, stored.name)} IS {literal(stored.comment)}"
            for stored in stored_columns(session, table)
            if stored.comment is not None and stored.name in (names if names is not None else (stored.name,))
        ),
    ]


def alter_to(
    session: Session, table: Name, wanted: Sequence[ColumnDefinition], keys: Keys, comment: str | None
) -> None:
    """``CREATE OR ALTER TABLE``: give a table these columns, and keep the values of those that it has.

    Raises:
        ProgrammingError: Snowflake does not allow the change of a type.
    """
    before = {stored.name: stored for stored in stored_columns(session, table)}
    for definition in wanted:
        if definition.declared is None:
            raise errors.syntax(f"the column {definition.name} has no type")
        found = before.get(definition.name)
        if found is not None:
            old = DataType.parse(found.type).complete
            new = DataType.parse(definition.declared.type).complete
            if old != new and not old.widens_to(new):
                raise errors.error(
                    2108,
                    "22000",
                    f"SQL compilation error:\ncannot change column {definition.name} from type {old} to {new}",
                )
    change = rebuilt(session, table, [each.sql for each in wanted], [each.name for each in wanted])

    def run() -> None:
        with in_transaction(session):
            keep_version(session, table)
            for statement in change:
                session.duck.execute(statement)
            for name in before:
                forget_column(session, table, name)
            set_property(session, table, KEYS, None)
            keep_definition(session, table, wanted, keys)
            text = "NULL" if comment is None else literal(comment)
            session.duck.execute(f"COMMENT ON TABLE {quoted(*table)} IS {text}")
            note_change(session, table)

    retry_conflicts(session, run)

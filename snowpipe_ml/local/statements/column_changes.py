"""``ALTER TABLE t ALTER COLUMN c``: NOT NULL, DEFAULT and COMMENT; and ``ADD`` and ``DROP`` of keys.

https://docs.snowflake.com/en/sql-reference/sql/alter-table-column
"""

from __future__ import annotations

import itertools
from dataclasses import replace

from snowpipe_ml.local.catalog.columns import Declared, Keys, declare, keys_of, stored_columns
from snowpipe_ml.local.catalog.properties import KEYS, set_property
from snowpipe_ml.local.catalog.versions import note_change
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name, literal, quoted
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.transactions import in_transaction, retry_conflicts
from snowpipe_ml.local.statements.columns import table_definition
from snowpipe_ml.local.syntax.reader import Reader

_KEYS = ("PRIMARY", "UNIQUE", "FOREIGN", "CONSTRAINT")


def change_keys(session: Session, reader: Reader, table: Name) -> bool:
    """Run ``ADD | DROP`` of a key, which is stored and shown, and not enforced; False for others.

    https://docs.snowflake.com/en/sql-reference/sql/create-table-constraint

    Raises:
        ProgrammingError: the table has no such key, or already a primary key.
        UnsupportedError: a constraint is dropped by its name, which is not kept.
    """
    if reader.peek(1).upper not in _KEYS or not (reader.looking_at("ADD") or reader.looking_at("DROP")):
        return False
    there = {stored.name for stored in stored_columns(session, table)}
    known = keys_of(session, table)
    if reader.accept("ADD"):
        _, added = table_definition(reader.rest(), session)
        for column in (
            *added.primary,
            *itertools.chain(*added.unique),
            *(c for key in added.foreign for c in key[0]),
        ):
            if column not in there:
                raise errors.invalid_identifier(column)
        if added.primary and known.primary:
            raise errors.compilation(f"primary key already exists for table '{table[2]}'", "42710")
        changed = Keys(
            added.primary or known.primary, (*known.unique, *added.unique), (*known.foreign, *added.foreign)
        )
    else:
        reader.expect("DROP")
        if reader.accept("PRIMARY", "KEY"):
            if not known.primary:
                raise errors.missing("Primary key", ".".join(table))
            changed = replace(known, primary=())
        elif reader.accept("UNIQUE"):
            columns = _listed(reader)
            if columns not in known.unique:
                raise errors.missing("Unique constraint", ", ".join(columns))
            changed = replace(known, unique=tuple(key for key in known.unique if key != columns))
        elif reader.accept("FOREIGN", "KEY"):
            columns = _listed(reader)
            if all(key[0] != columns for key in known.foreign):
                raise errors.missing("Foreign key", ", ".join(columns))
            changed = replace(known, foreign=tuple(key for key in known.foreign if key[0] != columns))
        else:
            raise errors.UnsupportedError("DROP CONSTRAINT", "Drop a PRIMARY KEY, UNIQUE or FOREIGN KEY")
        if not (reader.accept("CASCADE") or reader.accept("RESTRICT")):
            reader.end()
    retry_conflicts(session, lambda: set_property(session, table, KEYS, changed.dumps()))
    return True


def _listed(reader: Reader) -> tuple[str, ...]:
    reader.expect("(")
    columns = [reader.identifier()]
    while reader.accept(","):
        columns.append(reader.identifier())
    reader.expect(")")
    return tuple(columns)


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
    if reader.looking_at(","):
        raise errors.UnsupportedError(
            "several changes in one ALTER COLUMN", "Send a statement for each column"
        )
    reader.end()

    def run() -> None:
        with in_transaction(session):
            session.duck.execute(text)
            if declared is not None:
                declare(session, table, [declared])
            note_change(session, table, 0)

    retry_conflicts(session, run)
    return True

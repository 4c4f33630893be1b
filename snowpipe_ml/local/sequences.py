"""Sequences: CREATE, DROP, SHOW, and ``name.NEXTVAL``.

https://docs.snowflake.com/en/user-guide/querying-sequences
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from snowpipe_ml.local import errors
from snowpipe_ml.local.objects import Modifiers, already_dropped, dropped, if_not_exists
from snowpipe_ml.local.statements import Result, Statement, command, rows, status
from snowpipe_ml.local.storage import quoted, retry_conflicts

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection

Name = tuple[str, str, str]


@command("CREATE SEQUENCE")
def create_sequence(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] SEQUENCE [IF NOT EXISTS] name [START = n] [INCREMENT = n]``."""
    connection, reader = statement.connection, statement.reader
    connection.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("SEQUENCE")
    lenient = if_not_exists(reader)
    name = connection.resolve(reader.name(), "CREATE SEQUENCE")
    start = step = 1
    reader.accept("WITH")
    while not reader.done:
        if reader.accept("START"):
            reader.accept("WITH") or reader.accept("=")
            start = int(reader.value())
        elif reader.accept("INCREMENT"):
            reader.accept("BY") or reader.accept("=")
            step = int(reader.value())
        elif (
            not (reader.accept("ORDER") or reader.accept("NOORDER") or reader.accept(","))
            and not reader.options()
        ):
            raise reader.unexpected()
    with connection.storage.naming(name):
        there = exists(connection, name)
        if there and lenient:
            return status(f"{name[2]} already exists, statement succeeded.")
        if there and not modifiers.replace:
            raise errors.exists(name[2])
        make(connection, name, start, step)
    return status(f"Sequence {name[2]} successfully created.")


def make(connection: Connection, name: Name, start: int, step: int) -> None:
    """Create or replace a sequence."""
    bounds = "MINVALUE -9223372036854775808 MAXVALUE 9223372036854775807"
    retry_conflicts(
        lambda: connection.duck.execute(
            f"CREATE OR REPLACE SEQUENCE {quoted(*name)} INCREMENT BY {step} {bounds} START WITH {start}"
        )
    )


def exists(connection: Connection, name: Name) -> bool:
    """Return whether there is a sequence of the name."""
    return bool(
        connection.duck.execute(
            "SELECT 1 FROM duckdb_sequences() WHERE database_name = ? AND schema_name = ? AND sequence_name = ?",
            list(name),
        ).fetchone()
    )


@command("DROP SEQUENCE")
def drop_sequence(statement: Statement) -> Result:
    """``DROP SEQUENCE [IF EXISTS] name``."""
    connection, reader = statement.connection, statement.reader
    connection.commit_open()
    reader.expect("DROP", "SEQUENCE")
    lenient = reader.accept("IF", "EXISTS")
    name = connection.resolve(reader.name(), "DROP SEQUENCE")
    if not exists(connection, name):
        if lenient:
            return already_dropped(name[2])
        raise errors.missing("Sequence", ".".join(name))
    connection.duck.execute(f"DROP SEQUENCE {quoted(*name)}")
    return dropped(name[2])


@command("SHOW SEQUENCES")
def show_sequences(statement: Statement) -> Result:
    """``SHOW SEQUENCES [LIKE 'x'] [IN ...]``."""
    from snowpipe_ml.local.shows import Scope

    scope = Scope.of(statement, "SEQUENCES")
    found = statement.connection.duck.execute(
        "SELECT sequence_name, database_name, schema_name, start_value, increment_by FROM duckdb_sequences() ORDER BY 2, 3, 1"
    ).fetchall()
    kept = [
        (name, database, schema, start, step)
        for name, database, schema, start, step in found
        if scope.keep(database, schema, name) and not name.startswith("_IDENTITY_")
    ]
    return rows(
        [
            ("name", "VARCHAR"),
            ("database_name", "VARCHAR"),
            ("schema_name", "VARCHAR"),
            ("next_value", "BIGINT"),
            ("interval", "BIGINT"),
        ],
        kept,
    )


def next_values(tree: exp.Expr, connection: Connection) -> None:
    """``S.NEXTVAL`` -> ``nextval('"DB"."SCHEMA"."S"')``."""
    for identifier in [i for i in tree.find_all(exp.Identifier) if i.name == "NEXTVAL"]:
        node = identifier.parent
        while isinstance(node.parent if node is not None else None, exp.Column | exp.Dot):
            node = node.parent  # type: ignore[union-attr]
        if node is None:
            continue
        found = node.parts if isinstance(node, exp.Column) else node.find_all(exp.Identifier, bfs=False)
        parts = [part.name for part in found]
        if len(parts) < 2:
            continue
        name = connection.resolve(tuple(part for part in parts if part != "NEXTVAL"))
        if exists(connection, name):
            call = exp.Anonymous(this="nextval", expressions=[exp.Literal.string(quoted(*name))])
            call.meta["ours"] = True
            node.replace(call)

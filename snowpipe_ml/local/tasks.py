"""Tasks: kept, shown, and run by hand with EXECUTE TASK. Nothing runs on a schedule here.

https://docs.snowflake.com/en/user-guide/tasks-intro
"""

from __future__ import annotations

import json
import logging
import uuid
from typing import TYPE_CHECKING, Any

from snowpipe_ml.local import errors
from snowpipe_ml.local.objects import Modifiers, already_dropped, claim, dropped, if_not_exists
from snowpipe_ml.local.statements import Result, Statement, command, rows, status
from snowpipe_ml.local.storage import dumps

if TYPE_CHECKING:
    from snowpipe_ml.local.connection import Connection

log = logging.getLogger("snowpipe_ml.local")
Name = tuple[str, str, str]


@command("CREATE TASK")
def create_task(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] TASK name [options] [AFTER a, b] [WHEN condition] AS statement``; it begins suspended."""
    connection, reader = statement.connection, statement.reader
    connection.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("TASK")
    lenient = if_not_exists(reader)
    name = connection.resolve(reader.name(), "CREATE TASK")
    definition: dict[str, Any] = {"options": {}, "after": [], "when": None}
    while not reader.accept("AS"):
        if reader.accept("AFTER"):
            definition["after"].append(list(connection.resolve(reader.name())))
            while reader.accept(","):
                definition["after"].append(list(connection.resolve(reader.name())))
        elif reader.accept("WHEN"):
            start = reader.peek().start
            while not reader.looking_at("AS"):
                reader.next()
            definition["when"] = reader.text[start : reader.peek().start].strip()
        elif not (found := reader.options()):
            raise reader.unexpected()
        else:
            definition["options"] |= found
    definition["text"] = reader.rest()
    tasks = connection.catalog(name[0], "TASKS")
    with connection.storage.lock:
        there = claim(connection, tasks, name[1], name[2], replace=modifiers.replace, lenient=lenient)
        if there is not None:
            return there
        connection.duck.execute(
            f"INSERT INTO {tasks} (schema_name, name, definition, state) VALUES (?, ?, ?, 'suspended')",
            [name[1], name[2], dumps(definition)],
        )
    return status(f"Task {name[2]} successfully created.")


def _get(connection: Connection, name: Name) -> dict[str, Any]:
    row = connection.duck.execute(
        f"SELECT definition, state FROM {connection.catalog(name[0], 'TASKS')} WHERE schema_name = ? AND name = ?",
        list(name[1:]),
    ).fetchone()
    if row is None:
        raise errors.missing("Task", ".".join(name))
    return {**json.loads(row[0]), "state": row[1]}


@command("ALTER TASK")
def alter_task(statement: Statement) -> Result:
    """``ALTER TASK [IF EXISTS] name RESUME | SUSPEND``."""
    connection, reader = statement.connection, statement.reader
    reader.expect("ALTER", "TASK")
    reader.accept("IF", "EXISTS")
    name = connection.resolve(reader.name(), "ALTER TASK")
    _get(connection, name)
    if reader.accept("RESUME"):
        state = "started"
    elif reader.accept("SUSPEND"):
        state = "suspended"
    else:
        raise errors.UnsupportedError(f"ALTER TASK ... {reader.peek().upper}")
    connection.duck.execute(
        f"UPDATE {connection.catalog(name[0], 'TASKS')} SET state = ? WHERE schema_name = ? AND name = ?",
        [state, *name[1:]],
    )
    return status("Statement executed successfully.")


@command("EXECUTE TASK")
def execute_task(statement: Statement) -> Result:
    """``EXECUTE TASK name``: it, then the resumed tasks that come after it, each once."""
    connection, reader = statement.connection, statement.reader
    reader.expect("EXECUTE", "TASK")
    name = connection.resolve(reader.name(), "EXECUTE TASK")
    reader.end()
    _get(connection, name)
    _run(connection, name, set())
    return status(f"Task {name[2]} is scheduled to run immediately.")


def _run(connection: Connection, name: Name, done: set[Name]) -> None:
    definition = _get(connection, name)
    done.add(name)
    if definition["when"] and not _holds(connection, definition["when"]):
        log.info("the task %s is skipped: %s is false", ".".join(name), definition["when"])
        return
    connection.perform(definition["text"], None, str(uuid.uuid4()))
    for schema, task, text, state in connection.duck.execute(
        f"SELECT schema_name, name, definition, state FROM {connection.catalog(name[0], 'TASKS')} ORDER BY 1, 2"
    ).fetchall():
        after = {tuple(other) for other in json.loads(text)["after"]}
        following = (name[0], schema, task)
        if name in after and after <= done and state == "started" and following not in done:
            _run(connection, following, done)


def _holds(connection: Connection, condition: str) -> bool:
    result = connection.perform(f"SELECT {condition}", None, str(uuid.uuid4()))
    return bool(result.table.column(0)[0].as_py())


@command("DROP TASK")
def drop_task(statement: Statement) -> Result:
    """``DROP TASK [IF EXISTS] name``."""
    connection, reader = statement.connection, statement.reader
    reader.expect("DROP", "TASK")
    lenient = reader.accept("IF", "EXISTS")
    name = connection.resolve(reader.name(), "DROP TASK")
    gone = connection.duck.execute(
        f"DELETE FROM {connection.catalog(name[0], 'TASKS')} WHERE schema_name = ? AND name = ? RETURNING 1",
        list(name[1:]),
    ).fetchall()
    if not gone and not lenient:
        raise errors.missing("Task", ".".join(name))
    return dropped(name[2]) if gone else already_dropped(name[2])


@command("SHOW TASKS")
def show_tasks(statement: Statement) -> Result:
    """``SHOW TASKS``."""
    from snowpipe_ml.local.shows import Scope

    connection = statement.connection
    scope = Scope.of(statement, "TASKS")
    found = []
    for database in connection.storage.databases():
        for schema, name, text, state in connection.duck.execute(
            f"SELECT schema_name, name, definition, state FROM {connection.catalog(database, 'TASKS')} ORDER BY 1, 2"
        ).fetchall():
            if scope.keep(database, schema, name):
                definition = json.loads(text)
                options = definition["options"]
                after = json.dumps([".".join(other) for other in definition["after"]])
                found.append(
                    (
                        name,
                        database,
                        schema,
                        str(options.get("WAREHOUSE", "")),
                        str(options.get("SCHEDULE", "")),
                        after,
                        state,
                        definition["text"],
                        definition["when"],
                    )
                )
    names = (
        "name",
        "database_name",
        "schema_name",
        "warehouse",
        "schedule",
        "predecessors",
        "state",
        "definition",
        "condition",
    )
    return rows([(n, "VARCHAR") for n in names], found)

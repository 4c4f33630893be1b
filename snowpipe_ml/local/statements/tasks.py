"""Tasks: stored, shown, and run with EXECUTE TASK. Schedules have no effect.

https://docs.snowflake.com/en/user-guide/tasks-intro
"""

from __future__ import annotations

import json
import logging
import uuid
from typing import Any

from snowpipe_ml.local.catalog.tasks import Tasks
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name, dumps
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import Modifiers, claim, if_not_exists

log = logging.getLogger("snowpipe_ml.local")


@command("CREATE TASK")
def create_task(statement: Statement) -> Result:
    """``CREATE [OR REPLACE] TASK name [options] [AFTER a, b] [WHEN condition] AS statement``, suspended."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("TASK")
    lenient = if_not_exists(reader)
    name = session.resolve(reader.name(), "CREATE TASK")
    definition: dict[str, Any] = {"options": {}, "after": [], "when": None}
    while not reader.accept("AS"):
        if reader.accept("AFTER"):
            definition["after"].append(list(session.resolve(reader.name())))
            while reader.accept(","):
                definition["after"].append(list(session.resolve(reader.name())))
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
    tasks = Tasks()
    with session.storage.lock:
        there = claim(session, tasks, name, replace=modifiers.replace, lenient=lenient)
        if there is not None:
            return there
        tasks.add(session, name, {"definition": dumps(definition), "state": "suspended"})
    return status(f"Task {name[2]} successfully created.")


def _get(session: Session, name: Name) -> dict[str, Any]:
    row = session.duck.execute(
        f"SELECT definition, state FROM {session.catalog(name[0], 'TASKS')} WHERE schema_name = ? AND name = ?",
        list(name[1:]),
    ).fetchone()
    if row is None:
        raise errors.missing("Task", ".".join(name))
    return {**json.loads(row[0]), "state": row[1]}


@command("ALTER TASK")
def alter_task(statement: Statement) -> Result:
    """``ALTER TASK [IF EXISTS] name RESUME | SUSPEND``."""
    session, reader = statement.session, statement.reader
    reader.expect("ALTER", "TASK")
    lenient = reader.accept("IF", "EXISTS")
    name = session.resolve(reader.name(), "ALTER TASK")
    if lenient and not Tasks().exists(session, name):
        return status("Statement executed successfully.")
    _get(session, name)
    if reader.accept("RESUME"):
        state = "started"
    elif reader.accept("SUSPEND"):
        state = "suspended"
    else:
        raise errors.UnsupportedError(f"ALTER TASK ... {reader.peek().upper}")
    session.duck.execute(
        f"UPDATE {session.catalog(name[0], 'TASKS')} SET state = ? WHERE schema_name = ? AND name = ?",
        [state, *name[1:]],
    )
    return status("Statement executed successfully.")


@command("EXECUTE TASK")
def execute_task(statement: Statement) -> Result:
    """``EXECUTE TASK name``: run the task, then the resumed tasks that depend on it, each once."""
    session, reader = statement.session, statement.reader
    reader.expect("EXECUTE", "TASK")
    name = session.resolve(reader.name(), "EXECUTE TASK")
    reader.end()
    _get(session, name)
    _run(session, name, set())
    return status(f"Task {name[2]} is scheduled to run immediately.")


def _run(session: Session, name: Name, done: set[Name]) -> None:
    definition = _get(session, name)
    done.add(name)
    if definition["when"] and not _holds(session, definition["when"]):
        log.info("the task %s is skipped: %s is false", ".".join(name), definition["when"])
        return
    session.client.perform(definition["text"], None, str(uuid.uuid4()))
    for schema, task, text, state in session.duck.execute(
        f"SELECT schema_name, name, definition, state FROM {session.catalog(name[0], 'TASKS')} ORDER BY 1, 2"
    ).fetchall():
        after = {tuple(other) for other in json.loads(text)["after"]}
        following = (name[0], schema, task)
        if name in after and after <= done and state == "started" and following not in done:
            _run(session, following, done)


def _holds(session: Session, condition: str) -> bool:
    result = session.client.perform(f"SELECT {condition}", None, str(uuid.uuid4()))
    return bool(result.table.column(0)[0].as_py())

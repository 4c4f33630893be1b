"""Tasks: CREATE, CREATE OR ALTER, ALTER and DESCRIBE. They are run in ``task_graphs.py``.

https://docs.snowflake.com/en/sql-reference/sql/create-task
https://docs.snowflake.com/en/sql-reference/sql/alter-task
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from snowpipe_ml.local.catalog.tasks import (
    MOST_LINKS,
    MOST_TASKS,
    STARTED,
    SUSPENDED,
    Graph,
    Task,
    Tasks,
    add,
    below,
    children,
    commit,
    copied,
    finalizer,
    find_task,
    members,
    new_id,
    roots,
    save,
    suspended,
    tasks_of,
    unlinked,
)
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.catalog_names import new_name
from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.result import Result, rows, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Options
from snowpipe_ml.local.scripting.parser import parse_block
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.modifiers import Modifiers, claim, if_not_exists
from snowpipe_ml.local.statements.task_options import check_together, is_option, read_condition, split_options
from snowpipe_ml.local.syntax.reader import Reader
from snowpipe_ml.local.syntax.script import starts_block

_DONE = "Statement executed successfully."


@dataclass
class _Clauses:
    """A parsed CREATE TASK statement."""

    options: Options = field(default_factory=dict)
    parameters: Options = field(default_factory=dict)
    after: tuple[str, ...] = ()
    finalize: str | None = None
    when: str | None = None
    text: str = ""


@command("CREATE TASK")
def create_task(statement: Statement) -> Result:
    """``CREATE [OR REPLACE | OR ALTER] TASK [IF NOT EXISTS] name [options] [AFTER a, b] [WHEN condition] AS statement``.

    Also ``CREATE TASK name CLONE other``. A new task is suspended.
    """
    session, reader = statement.session, statement.reader
    session.commit_open()
    modifiers = Modifiers(reader)
    reader.expect("TASK")
    lenient = if_not_exists(reader)
    name = new_name(session, reader.name(), "CREATE TASK")
    with session.storage.naming((*name[:2], "TASKS")):
        old = tasks_of(session, *name[:2]).get(name[2])
        if reader.accept("CLONE"):
            made = _cloned(session, name, reader)
        else:
            clauses = _read_clauses(session, reader, name)
            made = Task(
                name,
                new_id(),
                clauses.options,
                clauses.after,
                clauses.finalize,
                clauses.when,
                clauses.text,
                session.role or "",
                parameters=clauses.parameters,
            )
        if old is not None and modifiers.alter:
            made = replace(
                old,
                options=made.options,
                parameters=made.parameters,
                after=made.after,
                finalize=made.finalize,
                when=made.when,
                text=made.text,
            )
            _check(session, made, old)
            save(session, made)
            return status(_DONE)
        if old is None or not lenient:
            _check(session, made, old if modifiers.replace else None)
        there = claim(session, _OnlyRow(), name, replace=modifiers.replace, lenient=lenient)
        if there is not None:
            return there
        add(session, made)
    return status(f"Task {name[2]} successfully created.")


class _OnlyRow(Tasks):
    """Tasks that are replaced: other tasks stay linked to them."""

    def drop(self, session: Session, name: Name, arguments: str = "") -> bool:
        return self._delete(session, name[0], "schema_name = ? AND name = ?", name[1:])


def _cloned(session: Session, name: Name, reader: Reader) -> Task:
    source = session.resolve(reader.name(), "CREATE TASK")
    reader.end()
    task = find_task(session, source)
    if source[:2] != name[:2] and (task.after or task.finalize):
        raise errors.UnsupportedError("a clone of a child task in another schema")
    return copied(task, name)


def _read_clauses(session: Session, reader: Reader, name: Name) -> _Clauses:
    clauses = _Clauses()
    given: Options = {}
    while not reader.accept("AS"):
        if reader.accept("AFTER"):
            clauses.after = tuple(_names(session, reader, name))
        elif reader.accept("WHEN"):
            clauses.when = read_condition(reader)
        elif reader.accept("FINALIZE", "="):
            (clauses.finalize,) = _names(session, reader, name)
        elif reader.looking_at("EXECUTE", "AS") or reader.looking_at("WITH") or reader.looking_at("TAG"):
            raise errors.UnsupportedError(f"{reader.peek().upper} in CREATE TASK")
        elif not (found := _options(reader)):
            raise reader.unexpected()
        else:
            given |= found
    clauses.options, clauses.parameters = split_options(given)
    clauses.text = _body(reader)
    return clauses


def _options(reader: Reader) -> Options:
    """Read options up to FINALIZE, which names a task."""
    found: Options = {}
    while reader.peek(1).text == "=" and not reader.looking_at("FINALIZE"):
        key = reader.identifier()
        reader.next()
        found[key] = reader.value()
        reader.accept(",")
    return found


def _body(reader: Reader) -> str:
    if reader.done:
        raise reader.unexpected("expected a statement")
    if starts_block(reader.tokens, reader.index):
        text = reader.rest()
        parse_block(text)
        return text
    return reader.rest()


def _names(session: Session, reader: Reader, name: Name) -> list[str]:
    """Read the names of other tasks of the schema.

    Raises:
        ProgrammingError: a task does not exist, or is in another schema.
    """
    found = []
    while True:
        other = session.resolve(reader.name())
        if other[:2] != name[:2]:
            raise errors.syntax(
                f"the task {'.'.join(other)} is in another schema than {'.'.join(name)}: "
                "all tasks of a graph are in one schema"
            )
        find_task(session, other)
        found.append(other[2])
        if not reader.accept(","):
            return list(dict.fromkeys(found))


def _check(session: Session, task: Task, old: Task | None) -> None:
    """Check a new or changed task, and the graphs that it joins and leaves.

    https://docs.snowflake.com/en/user-guide/tasks-graphs

    Raises:
        ProgrammingError: a root task is not suspended, or the graph would not be one of Snowflake's.
    """
    name = task.name[2]
    graph = tasks_of(session, *task.name[:2])
    if old is not None:
        _require_suspended(graph, roots(graph, name))
    others = [*task.after, *([task.finalize] if task.finalize is not None else [])]
    for other in others:
        if graph[other].finalize is not None:
            raise errors.syntax(f"the finalizer task {other} cannot have child tasks")
        _require_suspended(graph, roots(graph, other))
    if name in task.after or (name in graph and not set(task.after).isdisjoint(below(graph, name))):
        raise errors.syntax(f"the task {name} would follow itself: a task graph has no cycles")
    check_together(session, task.options, root=task.is_root)
    if task.finalize is not None:
        _check_finalizer(graph, task)
    changed = {**graph, name: task}
    if len(task.after) > MOST_LINKS:
        raise errors.syntax(
            f"the task {name} has {len(task.after)} predecessors; at most {MOST_LINKS} are allowed"
        )
    for other in task.after:
        if len(children(changed, other)) > MOST_LINKS:
            raise errors.syntax(f"the task {other} has more than {MOST_LINKS} child tasks")
    tops = roots(changed, name)
    if len(tops) > 1:
        raise errors.syntax(
            f"the task {name} would be in the graphs of {' and '.join(sorted(tops))}: a graph has one root task"
        )
    for top in tops:
        if len(members(changed, top)) > MOST_TASKS:
            raise errors.syntax(f"the graph of the task {top} has more than {MOST_TASKS} tasks")
    if not task.is_root and (final := finalizer(graph, name)) is not None:
        raise errors.syntax(
            f"the task {name} has the finalizer {final.name[2]}, which only a root task can have"
        )


def _check_finalizer(graph: Graph, task: Task) -> None:
    root, name = str(task.finalize), task.name[2]
    if not graph[root].is_root or root == name:
        raise errors.syntax(f"FINALIZE of {name} names the task {root}, which is not a root task")
    if task.after:
        raise errors.syntax(f"the finalizer task {name} cannot have predecessors")
    if name in graph and children(graph, name):
        raise errors.syntax(f"the finalizer task {name} cannot have child tasks")
    other = finalizer(graph, root)
    if other is not None and other.name[2] != name:
        raise errors.syntax(f"the task {root} has the finalizer {other.name[2]} already")


def _require_suspended(graph: Graph, names: set[str]) -> None:
    for name in sorted(names):
        if name in graph and graph[name].state == STARTED:
            raise errors.error(
                91421,
                "22000",
                f"Unable to update graph with root task {'.'.join(graph[name].name)} "
                "since that root task is not suspended.",
            )


@command("ALTER TASK")
def alter_task(statement: Statement) -> Result:
    """``ALTER TASK [IF EXISTS] name RESUME | SUSPEND | SET | UNSET | MODIFY | REMOVE | ADD AFTER``."""
    session, reader = statement.session, statement.reader
    session.commit_open()
    reader.expect("ALTER", "TASK")
    lenient = reader.accept("IF", "EXISTS")
    name = session.resolve(reader.name(), "ALTER TASK")
    if lenient and not Tasks().exists(session, name):
        return status(_DONE)
    with session.storage.naming((*name[:2], "TASKS")):
        old = find_task(session, name)
        if reader.accept("RESUME"):
            reader.end()
            resume(session, old)
        elif reader.accept("SUSPEND"):
            reader.end()
            graph = tasks_of(session, *name[:2])
            _require_suspended(graph, roots(graph, name[2]) - {name[2]})
            save(session, suspended(old))
        else:
            made = _altered(session, old, reader)
            _check(session, made, old)
            save(session, made)
    return status(_DONE)


def resume(session: Session, task: Task) -> None:
    """Resume a task. Resuming a root task sets a version of its graph.

    Raises:
        ProgrammingError: the root task of its graph is not suspended.
    """
    graph = tasks_of(session, *task.name[:2])
    _require_suspended(graph, roots(graph, task.name[2]) - {task.name[2]})
    started = replace(task, state=STARTED, failures=0)
    save(session, started)
    if task.is_root and task.state == SUSPENDED:
        commit(session, started, {**graph, task.name[2]: started}, resumed=True)


def _altered(session: Session, task: Task, reader: Reader) -> Task:
    actions: dict[tuple[str, ...], Callable[[Session, Task, Reader], Task]] = {
        ("SET", "FINALIZE", "="): _set_finalize,
        ("UNSET", "FINALIZE"): _unset_finalize,
        ("SET", "TAG"): _unserved,
        ("UNSET", "TAG"): _unserved,
        ("SET", "CONTACT"): _unserved,
        ("SET", "EXECUTE"): _unserved,
        ("SET",): _set,
        ("UNSET",): _unset,
        ("MODIFY", "AS"): lambda session, task, reader: replace(task, text=_body(reader)),
        ("MODIFY", "WHEN"): lambda session, task, reader: replace(task, when=read_condition(reader)),
        ("REMOVE", "WHEN"): lambda session, task, reader: replace(task, when=None),
        ("ADD", "AFTER"): _add_after,
        ("REMOVE", "AFTER"): _remove_after,
    }
    for words, act in actions.items():
        if reader.accept(*words):
            made = act(session, task, reader)
            if words != ("MODIFY", "AS"):
                reader.end()
            return made
    raise reader.unexpected()


def _unserved(session: Session, task: Task, reader: Reader) -> Task:
    raise errors.UnsupportedError("tags, contacts and users of a task")


def _set(session: Session, task: Task, reader: Reader) -> Task:
    given = reader.options()
    if not given:
        raise reader.unexpected("expected options")
    options, parameters = split_options(given)
    return replace(task, options=task.options | options, parameters=task.parameters | parameters)


def _unset(session: Session, task: Task, reader: Reader) -> Task:
    options, parameters = dict(task.options), dict(task.parameters)
    while True:
        name = reader.identifier()
        if not is_option(name):
            raise errors.invalid_property(name, "TASK")
        options.pop(name, None)
        parameters.pop(name, None)
        if not reader.accept(","):
            return replace(task, options=options, parameters=parameters)


def _set_finalize(session: Session, task: Task, reader: Reader) -> Task:
    """``SET FINALIZE = root``, of a task without a schedule and predecessors.

    https://docs.snowflake.com/en/sql-reference/sql/alter-task
    """
    (root,) = _names(session, reader, task.name)
    graph = tasks_of(session, *task.name[:2])
    if task.finalize is not None:
        raise errors.syntax(f"the task {task.name[2]} finalizes {task.finalize}: UNSET FINALIZE first")
    _require_suspended(graph, {root})
    return replace(task, finalize=root)


def _unset_finalize(session: Session, task: Task, reader: Reader) -> Task:
    return suspended(replace(task, finalize=None), "FINALIZER_BECAME_ROOT") if task.finalize else task


def _add_after(session: Session, task: Task, reader: Reader) -> Task:
    names = _names(session, reader, task.name)
    if task.finalize is not None:
        raise errors.syntax(f"the finalizer task {task.name[2]} cannot have predecessors")
    return replace(task, after=tuple(dict.fromkeys([*task.after, *names])))


def _remove_after(session: Session, task: Task, reader: Reader) -> Task:
    names = _names(session, reader, task.name)
    for name in names:
        if name not in task.after:
            raise errors.syntax(f"the task {name} is not a predecessor of {task.name[2]}")
    return unlinked(task, tuple(other for other in task.after if other not in names))


@command("DESCRIBE TASK", "DESC TASK")
def describe_task(statement: Statement) -> Result:
    """``DESCRIBE TASK name``: its row of SHOW TASKS."""
    session, reader = statement.session, statement.reader
    reader.next()
    reader.expect("TASK")
    name = session.resolve(reader.name(), "DESCRIBE TASK")
    reader.end()
    find_task(session, name)
    found = [row for schema, task, row in Tasks().rows(session, name[0]) if (schema, task) == name[1:]]
    return rows([(column, type_) for column, type_, _ in Tasks.shown], found)

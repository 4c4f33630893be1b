"""Tasks and their graphs.

https://docs.snowflake.com/en/user-guide/tasks-graphs
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace

from snowpipe_ml.local.catalog.kind import Kept, Schema
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name, dumps
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.values import Options, Row, text_option

STARTED, SUSPENDED = "started", "suspended"
MOST_TASKS, MOST_LINKS = 1000, 100


@dataclass(frozen=True)
class Task:
    """A task as the catalog keeps it.

    Attributes:
        after: its predecessors, all of which are in its schema.
        finalize: the root task whose graph it finalizes.
        version: of a root task, the version of its graph: it grows when a changed graph is resumed or run.
        digest: of a root task, what its graph was at that version.
        failures: of a root task, how many runs of its graph have failed one after the other.
    """

    name: Name
    id: str
    options: Options
    after: tuple[str, ...]
    finalize: str | None
    when: str | None
    text: str
    owner: str
    state: str = SUSPENDED
    created_on: dt.datetime | None = None
    last_committed_on: str | None = None
    last_suspended_on: str | None = None
    last_suspended_reason: str | None = None
    version: int = 0
    digest: str = ""
    failures: int = 0
    parameters: Options = field(default_factory=dict)

    @property
    def is_root(self) -> bool:
        """Return whether the task has no predecessor and finalizes no graph."""
        return not self.after and self.finalize is None

    @property
    def committed(self) -> dt.datetime | None:
        """When a version of the task was last set."""
        return dt.datetime.fromisoformat(self.last_committed_on) if self.last_committed_on else None


Graph = Mapping[str, Task]
"""The tasks of a schema, by name."""

_KEPT = ("name", "state", "created_on")


def new_id() -> str:
    """Return the id of a new task."""
    return str(uuid.uuid4())


class Tasks(Kept):
    """Tasks. A cloned task is suspended; the tasks of a cloned schema follow each other.

    https://docs.snowflake.com/en/sql-reference/sql/show-tasks
    https://docs.snowflake.com/en/user-guide/object-clone
    """

    word = "TASK"
    table = "TASKS"
    shown = (
        ("created_on", "TIMESTAMP WITH TIME ZONE", ""),
        ("name", "VARCHAR", ""),
        ("id", "VARCHAR", ""),
        ("database_name", "VARCHAR", ""),
        ("schema_name", "VARCHAR", ""),
        ("owner", "VARCHAR", ""),
        ("comment", "VARCHAR", ""),
        ("warehouse", "VARCHAR", ""),
        ("schedule", "VARCHAR", ""),
        ("predecessors", "VARCHAR", ""),
        ("state", "VARCHAR", ""),
        ("definition", "VARCHAR", ""),
        ("condition", "VARCHAR", ""),
        ("allow_overlapping_execution", "VARCHAR", ""),
        ("error_integration", "VARCHAR", ""),
        ("last_committed_on", "TIMESTAMP WITH TIME ZONE", ""),
        ("last_suspended_on", "TIMESTAMP WITH TIME ZONE", ""),
        ("owner_role_type", "VARCHAR", ""),
        ("config", "VARCHAR", ""),
        ("task_relations", "VARCHAR", ""),
        ("last_suspended_reason", "VARCHAR", ""),
        ("success_integration", "VARCHAR", ""),
        ("scheduling_mode", "VARCHAR", ""),
        ("target_completion_interval", "VARCHAR", ""),
        ("execute_as_user", "VARCHAR", ""),
    )

    def rows(self, session: Session, database: str) -> list[tuple[str, str, Row]]:
        """List the tasks of a database: schema, name, and the row of SHOW TASKS."""
        found: list[tuple[str, str, Row]] = []
        schemas = session.duck.execute(
            f"SELECT DISTINCT schema_name FROM {session.catalog(database, self.table)} ORDER BY 1"
        ).fetchall()
        for (schema,) in schemas:
            graph = tasks_of(session, database, schema)
            found += [(schema, name, _row(task, graph)) for name, task in graph.items()]
        return found

    def drop(self, session: Session, name: Name, arguments: str = "") -> bool:
        """Delete a task and sever its links.

        https://docs.snowflake.com/en/user-guide/tasks-graphs
        """
        dropped = super().drop(session, name)
        if dropped:
            for task in tasks_of(session, *name[:2]).values():
                if name[2] in task.after:
                    rest = tuple(other for other in task.after if other != name[2])
                    save(session, unlinked(task, rest))
                elif task.finalize == name[2]:
                    save(session, suspended(replace(task, finalize=None), "FINALIZER_BECAME_ROOT"))
        return dropped

    def clone(self, session: Session, source: Schema, target: Schema) -> None:
        """Clone the tasks of a schema, suspended."""
        for task in tasks_of(session, *source).values():
            add(session, copied(task, (*target, task.name[2])))


def _row(task: Task, graph: Graph) -> Row:
    place = ".".join(task.name[:2])
    relations: dict[str, object] = {"Predecessors": [f"{place}.{other}" for other in task.after]}
    if task.finalize is not None:
        relations["FinalizedRootTask"] = f"{place}.{task.finalize}"
    final = finalizer(graph, task.name[2])
    if final is not None:
        relations["FinalizerTask"] = f"{place}.{final.name[2]}"
    suspended_on = dt.datetime.fromisoformat(task.last_suspended_on) if task.last_suspended_on else None
    return (
        task.created_on,
        task.name[2],
        task.id,
        *task.name[:2],
        task.owner,
        text_option(task.options, "COMMENT") or "",
        text_option(task.options, "WAREHOUSE") or "",
        text_option(task.options, "SCHEDULE"),
        json.dumps(relations["Predecessors"]),
        task.state,
        task.text,
        task.when,
        "false" if task.is_root else None,
        None,
        task.committed,
        suspended_on,
        "ROLE",
        text_option(task.options, "CONFIG"),
        json.dumps(relations, sort_keys=True),
        task.last_suspended_reason,
        None,
        "FIXED" if "SCHEDULE" in task.options and "WAREHOUSE" not in task.options else None,
        text_option(task.options, "TARGET_COMPLETION_INTERVAL"),
        None,
    )


def tasks_of(session: Session, database: str, schema: str) -> dict[str, Task]:
    """Read the tasks of a schema, by name."""
    found = session.duck.execute(
        f"SELECT name, definition, state, created_on FROM {session.catalog(database, 'TASKS')} "
        "WHERE schema_name = ? ORDER BY name",
        [schema],
    ).fetchall()
    return {row[0]: _read((database, schema, row[0]), *row[1:]) for row in found}


def _read(name: Name, text: str, state: str, created_on: dt.datetime) -> Task:
    kept = json.loads(text)
    # Earlier versions kept the whole names of predecessors, and no ids.
    after = tuple(other if isinstance(other, str) else other[-1] for other in kept.pop("after"))
    kept = {"id": "", "finalize": None, "owner": "SYSADMIN", **kept}
    return Task(name=name, after=after, state=state, created_on=created_on, **kept)


def find_task(session: Session, name: Name) -> Task:
    """Read a task.

    Raises:
        ProgrammingError: it does not exist.
    """
    found = tasks_of(session, *name[:2]).get(name[2])
    if found is None:
        raise errors.missing("Task", ".".join(name))
    return found


def add(session: Session, task: Task) -> None:
    """Add a task to the catalog."""
    Tasks().add(session, task.name, {"definition": _kept(task), "state": task.state})


def save(session: Session, task: Task) -> None:
    """Write a changed task."""
    session.duck.execute(
        f"UPDATE {session.catalog(task.name[0], 'TASKS')} SET definition = ?, state = ? "
        "WHERE schema_name = ? AND name = ?",
        [_kept(task), task.state, *task.name[1:]],
    )


def _kept(task: Task) -> str:
    return dumps({key: value for key, value in asdict(task).items() if key not in _KEPT})


def copied(task: Task, name: Name) -> Task:
    """Return a clone of a task, which is suspended and has no version yet."""
    return replace(
        task,
        name=name,
        id=new_id(),
        state=SUSPENDED,
        last_committed_on=None,
        last_suspended_on=None,
        last_suspended_reason=None,
        version=0,
        digest="",
        failures=0,
    )


def suspended(task: Task, reason: str = "USER_SUSPENDED") -> Task:
    """Return a task as it is after it was suspended."""
    if task.state == SUSPENDED:
        return task
    now = dt.datetime.now(dt.UTC).isoformat()
    return replace(task, state=SUSPENDED, last_suspended_on=now, last_suspended_reason=reason)


def unlinked(task: Task, after: tuple[str, ...]) -> Task:
    """Return a task with fewer predecessors; without any it becomes a root task, which is suspended."""
    changed = replace(task, after=after)
    return changed if after else suspended(changed, "CHILD_BECAME_ROOT")


def children(graph: Graph, name: str) -> list[str]:
    """List the tasks that have a task as a predecessor."""
    return [other for other, task in graph.items() if name in task.after]


def finalizer(graph: Graph, root: str) -> Task | None:
    """Return the finalizer of a root task, if it has one."""
    return next((task for task in graph.values() if task.finalize == root), None)


def roots(graph: Graph, name: str) -> set[str]:
    """Return the root tasks of the graph that a task is in."""
    task = graph[name]
    if task.finalize is not None:
        return {task.finalize}
    found: set[str] = set()
    seen: set[str] = set()
    left = [name]
    while left:
        one = left.pop()
        if one in seen:
            continue
        seen.add(one)
        above = [other for other in graph[one].after if other in graph]
        left += above
        if not above:
            found.add(one)
    return found


def below(graph: Graph, name: str) -> list[str]:
    """List a task and all that follow it, each after its predecessors among them; without a finalizer."""
    reached = {name}
    left = [name]
    while left:
        for other in children(graph, left.pop()):
            if other not in reached:
                reached.add(other)
                left.append(other)
    order: list[str] = []
    while len(order) < len(reached):
        ready = [
            other
            for other in graph
            if other in reached
            and other not in order
            and not reached.intersection(graph[other].after).difference(order)
        ]
        order += ready
    return order


def members(graph: Graph, root: str) -> list[str]:
    """List the tasks of a graph, with its finalizer."""
    final = finalizer(graph, root)
    return below(graph, root) + ([final.name[2]] if final is not None else [])


def commit(session: Session, root: Task, graph: Graph, *, resumed: bool = False) -> Task:
    """Set a version of a graph if it was changed or is resumed, and return its root task as it is then.

    The intervals of a schedule are counted from then on.

    https://docs.snowflake.com/en/user-guide/tasks-graphs
    """
    names = members(graph, root.name[2])
    digest = _digest(graph, names)
    if digest == root.digest and not resumed:
        return root
    now = dt.datetime.now(dt.UTC).isoformat()
    for name in names:
        task = replace(graph[name], last_committed_on=now)
        if name == root.name[2]:
            grown = root.version + (digest != root.digest)
            task = root = replace(root, last_committed_on=now, digest=digest, version=grown)
        save(session, task)
    return root


def _digest(graph: Graph, names: Collection[str]) -> str:
    """Digest what a run of a graph depends on."""
    parts = [
        [
            name,
            task.id,
            task.options,
            task.parameters,
            sorted(task.after),
            task.finalize,
            task.when,
            task.text,
        ]
        for name, task in sorted((name, graph[name]) for name in names)
    ]
    return hashlib.sha256(dumps(parts).encode()).hexdigest()

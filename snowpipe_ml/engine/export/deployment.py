"""Creates, changes and drops the task graph of a pipeline on its target."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import closing

from snowpipe_ml.engine.export.graph import TaskGraph
from snowpipe_ml.errors import UsageError
from snowpipe_ml.plugins.connection import Connection, execute
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, StagePath, like_pattern, sql
from snowpipe_ml.temporary import TemporaryFolder

Say = Callable[[str], None]


def deploy(exported: TaskGraph, say: Say = lambda text: None) -> None:
    """Stage the files, and create the tasks or change those that exist; then resume the graph.

    Tasks of steps that the spec no longer has are dropped.

    Args:
        exported: the task graph.
        say: receives what is done, a line at a time.

    Raises:
        TargetError: the target cannot be reached.
        UsageError: the graph runs when streams have changes, and one does not exist yet.
    """
    with closing(exported.pipeline.connect(exported.spec.target_name)) as connection:
        if exported.start.streams:
            _require_streams(connection, exported)
        for statement in exported.before():
            execute(connection, statement)
        _upload(connection, exported, say)
        old = _tasks(connection, exported.root)
        execute(connection, exported.suspend())
        kept = {exported.root, exported.finalizer, *(exported.named(one.name) for one in exported.tasks)}
        for name in old:
            if name not in kept:
                execute(connection, sql("DROP TASK IF EXISTS {name}", name=name))
                say(f"dropped the task {name.name.name}")
        execute(connection, exported.create_procedure())
        for statement in exported.create_tasks():
            execute(connection, statement)
        execute(connection, exported.resume())
        say(f"{len(kept)} tasks of {exported.root.sql} are resumed: {exported.start.text}")


def drop(exported: TaskGraph, say: Say = lambda text: None) -> None:
    """Drop the tasks of a pipeline, their procedure and their stage. What its runs have made is kept.

    Raises:
        TargetError: the target cannot be reached.
    """
    with closing(exported.pipeline.connect(exported.spec.target_name)) as connection:
        for statement in drop_statements(exported, _tasks(connection, exported.root)):
            execute(connection, statement)
        say(f"dropped the task graph {exported.root.sql}")


def drop_statements(exported: TaskGraph, tasks: list[QualifiedName]) -> list[Sql]:
    """Return the statements that drop a graph, its tasks in the order in which they follow each other."""
    names = [*reversed(tasks), exported.finalizer, exported.root]
    return [
        exported.suspend(),
        *(sql("DROP TASK IF EXISTS {name}", name=name) for name in dict.fromkeys(names)),
        sql("DROP PROCEDURE IF EXISTS {name}(VARCHAR, VARCHAR)", name=exported.procedure),
        sql("DROP STAGE IF EXISTS {name}", name=exported.stage),
    ]


def _tasks(connection: Connection, root: QualifiedName) -> list[QualifiedName]:
    """The tasks of a graph that exists; none if it does not."""
    schema = QualifiedName(root.parts[:-1])
    shown = execute(
        connection,
        sql("SHOW TASKS LIKE {name} IN SCHEMA {schema}", name=like_pattern(root.name), schema=schema),
    )
    if not any(row["name"] == root.name.name for row in shown):
        return []
    rows = execute(
        connection,
        sql(
            "SELECT NAME FROM TABLE({database}.INFORMATION_SCHEMA.TASK_DEPENDENTS(TASK_NAME => {root}))",
            database=root.parts[0],
            root=Literal(root.sql),
        ),
    )
    return [QualifiedName((*root.parts[:-1], Identifier(str(name)))) for (name,) in rows]


def _require_streams(connection: Connection, exported: TaskGraph) -> None:
    for name in exported.start.streams:
        shown = execute(
            connection,
            sql(
                "SHOW STREAMS LIKE {name} IN SCHEMA {schema}",
                name=like_pattern(name.name),
                schema=QualifiedName(name.parts[:-1]),
            ),
        )
        if not any(row["name"] == name.name.name for row in shown):
            raise UsageError(
                f"the stream {name.sql} does not exist yet, and the root task waits for its changes: run the pipeline once "
                "before you deploy its tasks"
            )


def _upload(connection: Connection, exported: TaskGraph, say: Say) -> None:
    """Stage the archives that are not on the stage yet."""
    files = {archive.file: archive.data for archive in (exported.engine, exported.files)}
    upload(connection, files, StagePath(exported.stage, ""), say)


def upload(connection: Connection, files: Mapping[str, bytes], place: StagePath, say: Say) -> None:
    """Stage files that are not in a folder of a stage yet. A name always has the same content."""
    there = {
        str(row["name"]).rsplit("/", 1)[-1] for row in execute(connection, sql("LIST {place}", place=place))
    }
    with TemporaryFolder("export") as folder:
        for name, data in files.items():
            if name in there:
                continue
            path = folder / name
            path.write_bytes(data)
            execute(
                connection,
                sql(
                    "PUT {file} {place} AUTO_COMPRESS = FALSE OVERWRITE = FALSE",
                    file=Literal(path.as_uri() if os.name == "nt" else f"file://{path}"),
                    place=place,
                ),
            )
            say(f"staged {name} ({len(data) / 1000:,.0f} kB)")

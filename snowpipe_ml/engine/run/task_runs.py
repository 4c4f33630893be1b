"""The keys of runs that are graph runs of Snowflake's tasks, and the cancellation of such a graph run.

https://docs.snowflake.com/en/user-guide/tasks-graphs
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from snowpipe_ml.plugins.connection import Row
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, sql

log = logging.getLogger("snowpipe_ml.engine")
_KEY = "task:"


def key_prefix(root: str) -> str:
    """Return the beginning of the keys of all runs of a graph.

    Args:
        root: the root task, with its database and schema.
    """
    return f"{_KEY}{root}/"


def cancel_tasks(run: Callable[[Sql], Sequence[Row]], run_key: str) -> None:
    """Cancel the tasks of a graph run that execute, if the run with the key is one.

    Snowflake retries neither them nor those after them. The finalizer still runs.
    https://docs.snowflake.com/en/sql-reference/functions/system_user_task_cancel_ongoing_executions

    Args:
        run: runs a statement on the target.
        run_key: the key of the run.
    """
    root, slash, group = run_key.removeprefix(_KEY).rpartition("/")
    if not run_key.startswith(_KEY) or not slash:
        return
    name = QualifiedName.parse(root)
    runs = sql(
        "SELECT COUNT(*) FROM TABLE({database}.INFORMATION_SCHEMA.CURRENT_TASK_GRAPHS()) "
        "WHERE GRAPH_RUN_GROUP_ID = {group} AND STATE = 'EXECUTING'",
        database=name.parts[0],
        group=Literal(group),
    )
    tasks = sql(
        "SELECT NAME FROM TABLE({database}.INFORMATION_SCHEMA.TASK_DEPENDENTS(TASK_NAME => {root}))",
        database=name.parts[0],
        root=Literal(root),
    )
    try:
        if not run(runs)[0][0]:
            return
        for (task,) in run(tasks):
            full = QualifiedName((*name.parts[:-1], Identifier(str(task))))
            run(sql("SELECT SYSTEM$USER_TASK_CANCEL_ONGOING_EXECUTIONS({name})", name=Literal(full.sql)))
    except Exception as error:  # the statements of the tasks are canceled in any case
        log.warning("the tasks of the graph run %s could not be canceled: %s", group, error)

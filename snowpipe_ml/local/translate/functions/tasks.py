"""System functions of tasks: what a task knows of its run, and the values that tasks pass on.

https://docs.snowflake.com/en/user-guide/tasks-graphs
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from snowpipe_ml.local.catalog.tasks import (
    STARTED,
    below,
    commit,
    finalizer,
    find_task,
    roots,
    save,
    tasks_of,
)
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.queries import select
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.task_runs import TaskRun
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.syntax.reader import Reader
from snowpipe_ml.local.translate.compiled import compiled
from snowpipe_ml.local.translate.compiler import to_sql
from snowpipe_ml.local.translate.constants import constant
from snowpipe_ml.local.translate.moments import checked
from snowpipe_ml.local.translate.registry import scalar_function
from snowpipe_ml.local.translate.types import T
from snowpipe_ml.sql import Literal

_LONGEST_VALUE = 10_240  # bytes


def _run(session: Session, function: str) -> TaskRun:
    if session.task is None:
        raise errors.error(90233, "22023", f"Function {function} must be called from within a task run.")
    return session.task


def _text(call: exp.Expr, session: Session) -> str:
    (argument,) = checked(call, 1, 1)
    return str(constant(session, argument))


def _value(value: str | None) -> exp.Expr:
    return exp.Null() if value is None else exp.Literal.string(value)


@scalar_function("SYSTEM$TASK_RUNTIME_INFO", returns=T.VARCHAR)
def _runtime_info(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``SYSTEM$TASK_RUNTIME_INFO('CURRENT_TASK_NAME')``.

    https://docs.snowflake.com/en/sql-reference/functions/system_task_runtime_info
    """
    run = _run(session, "SYSTEM$TASK_RUNTIME_INFO")
    what = _text(call, session)
    last = run.last_scheduled
    known: dict[str, str | None] = {
        "CURRENT_TASK_NAME": run.task[2],
        "CURRENT_ROOT_TASK_NAME": run.root[2],
        "CURRENT_ROOT_TASK_UUID": run.root_id,
        "CURRENT_TASK_GRAPH_RUN_GROUP_ID": run.group,
        "CURRENT_TASK_GRAPH_ORIGINAL_SCHEDULED_TIMESTAMP": run.scheduled.isoformat(" ", "milliseconds"),
        "LAST_SUCCESSFUL_TASK_GRAPH_RUN_GROUP_ID": run.last_group,
        "LAST_SUCCESSFUL_TASK_GRAPH_ORIGINAL_SCHEDULED_TIMESTAMP": (
            last.isoformat(" ", "milliseconds") if last is not None else None
        ),
    }
    if what.upper() not in known:
        raise errors.error(
            1008, "22023", f"SQL compilation error:\ninvalid value [{what}] for SYSTEM$TASK_RUNTIME_INFO"
        )
    return _value(known[what.upper()])


@scalar_function("SYSTEM$CURRENT_USER_TASK_NAME", returns=T.VARCHAR)
def _current_task(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``SYSTEM$CURRENT_USER_TASK_NAME()``.

    https://docs.snowflake.com/en/sql-reference/functions/system_current_user_task_name
    """
    checked(call, 0, 0)
    return _value(session.task.task[2] if session.task is not None else None)


@scalar_function("SYSTEM$GET_TASK_GRAPH_CONFIG", returns=T.VARCHAR)
def _graph_config(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``SYSTEM$GET_TASK_GRAPH_CONFIG(['path'])``.

    https://docs.snowflake.com/en/sql-reference/functions/system_get_task_graph_config
    """
    config = _run(session, "SYSTEM$GET_TASK_GRAPH_CONFIG").config
    path = checked(call, 0, 1)
    if not path or config is None:
        return _value(config)
    place = str(constant(session, path[0]))
    query = parse(f"SELECT GET_PATH(PARSE_JSON({Literal(config).sql}), {Literal(place).sql})::VARCHAR AS V")
    with compiled(session, query) as translated:
        _, table = select(session, to_sql(translated))
    return _value(table.column(0)[0].as_py())


@scalar_function("SYSTEM$SET_RETURN_VALUE", returns=T.VARCHAR)
def _set_return_value(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``SYSTEM$SET_RETURN_VALUE('text')``.

    https://docs.snowflake.com/en/sql-reference/functions/system_set_return_value
    """
    run = _run(session, "SYSTEM$SET_RETURN_VALUE")
    value = _text(call, session)
    if len(value.encode()) > _LONGEST_VALUE:
        raise errors.error(1008, "22023", "The return value of a task is longer than 10 kB.")
    run.value = value
    return exp.Literal.string("true")


@scalar_function("SYSTEM$GET_PREDECESSOR_RETURN_VALUE", returns=T.VARCHAR)
def _predecessor_return_value(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``SYSTEM$GET_PREDECESSOR_RETURN_VALUE(['task'])``.

    https://docs.snowflake.com/en/sql-reference/functions/system_get_predecessor_return_value
    """
    function = "SYSTEM$GET_PREDECESSOR_RETURN_VALUE"
    run = _run(session, function)
    given = checked(call, 0, 1)
    if given:
        name = str(constant(session, given[0]))
        if name not in run.values:
            raise errors.error(
                90234, "22023", f"{function}: {name} is not an enabled predecessor of {run.task[2]}."
            )
        return _value(run.values[name])
    if len(run.predecessors) != 1:
        raise errors.error(
            90234,
            "22023",
            f"{function}: {run.task[2]} has {len(run.predecessors)} enabled predecessors: name one of them.",
        )
    return _value(run.values.get(run.predecessors[0]))


def _named(call: exp.Expr, session: Session) -> Name:
    return session.resolve(Reader(_text(call, session)).name())


@scalar_function("SYSTEM$TASK_DEPENDENTS_ENABLE", returns=T.VARCHAR)
def _dependents_enable(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``SYSTEM$TASK_DEPENDENTS_ENABLE('task')``: resume a task and all that depend on it.

    https://docs.snowflake.com/en/sql-reference/functions/system_task_dependents_enable
    """
    name = _named(call, session)
    task = find_task(session, name)
    graph = tasks_of(session, *name[:2])
    names = below(graph, name[2])
    final = finalizer(graph, name[2])
    for other in [*names, *([final.name[2]] if final is not None else [])]:
        if graph[other].state != STARTED:
            save(session, replace(graph[other], state=STARTED, failures=0))
    for root in roots(graph, name[2]) if task.is_root else ():
        started = tasks_of(session, *name[:2])
        commit(session, started[root], started, resumed=True)
    return exp.Literal.string("true")


@scalar_function("SYSTEM$USER_TASK_CANCEL_ONGOING_EXECUTIONS", returns=T.VARCHAR)
def _cancel_ongoing(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``SYSTEM$USER_TASK_CANCEL_ONGOING_EXECUTIONS('task')``.

    https://docs.snowflake.com/en/sql-reference/functions/system_user_task_cancel_ongoing_executions
    """
    name = _named(call, session)
    find_task(session, name)
    for running in list(session.storage.running_tasks.get(name, [])):
        running.interrupt()
    return exp.Literal.string("true")

"""The table functions of tasks: TASK_HISTORY, TASK_DEPENDENTS, COMPLETE_TASK_GRAPHS and CURRENT_TASK_GRAPHS.

https://docs.snowflake.com/en/sql-reference/functions/task_history
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from sqlglot import exp

from snowpipe_ml.cron import Cron, parse_schedule
from snowpipe_ml.local.catalog.task_history import (
    CANCELLED,
    COLUMNS,
    ENDED_BADLY,
    EXECUTING,
    FAILED,
    SKIPPED,
    SUCCEEDED,
    TaskHistory,
)
from snowpipe_ml.local.catalog.tasks import (
    STARTED,
    Task,
    Tasks,
    below,
    children,
    finalizer,
    find_task,
    tasks_of,
)
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.queries import select
from snowpipe_ml.local.core.result import rows
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.reader import Reader
from snowpipe_ml.local.translate.arrow_relation import arrow_relation
from snowpipe_ml.local.translate.compiled import compiled
from snowpipe_ml.local.translate.compiler import Compiler, to_sql
from snowpipe_ml.local.translate.registry import table_function

_PLACE = {name: index for index, (name, _) in enumerate(COLUMNS)}
_AGO = dt.timedelta(days=7)
_RECENT = dt.timedelta(minutes=60)
_SOON = dt.timedelta(days=8)
Run = Sequence[object]


def _named(arguments: list[exp.Expr], function: str, *names: str) -> dict[str, exp.Expr]:
    """Read arguments that are given by name, the first also without it."""
    found: dict[str, exp.Expr] = {}
    for position, argument in enumerate(arguments):
        if isinstance(argument, exp.Kwarg):
            name, value = argument.name.upper(), argument.expression
        elif position < len(names):
            name, value = names[position], argument
        else:
            name, value = "", argument
        if name not in names:
            raise errors.syntax(f"invalid argument {name or value.sql()} of {function}")
        found[name] = value
    return found


def _value(session: Session, node: exp.Expr | None) -> object:
    """Evaluate a constant expression, such as DATEADD('hour', -1, CURRENT_TIMESTAMP())."""
    if node is None:
        return None
    with compiled(session, exp.select(exp.alias_(node.copy(), "A"))) as query:
        _, table = select(session, to_sql(query))
    return table.column(0)[0].as_py()


def _instant(session: Session, node: exp.Expr | None) -> dt.datetime | None:
    value = _value(session, None if node is None else exp.cast(node.copy(), exp.DataType.Type.TIMESTAMPLTZ))
    if not isinstance(value, dt.datetime):
        return None
    return value if value.tzinfo is not None else value.replace(tzinfo=dt.UTC)


def _limit(session: Session, node: exp.Expr | None, default: int) -> int:
    value = _value(session, node)
    number = default if value is None else int(str(value))
    if not 1 <= number <= 10_000:
        raise errors.error(
            1008, "22023", f"SQL compilation error:\ninvalid value [{number}] for RESULT_LIMIT"
        )
    return number


def _part(text: object) -> str:
    return Reader(str(text)).name()[-1]


def _runs(session: Session) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for database in session.storage.databases():
        found += TaskHistory(session, database).rows()
    return found


@table_function("TASK_HISTORY")
def _task_history(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(INFORMATION_SCHEMA.TASK_HISTORY(TASK_NAME => 'x', ...))``: past, running and scheduled runs."""
    session = compiler.session
    given = _named(
        arguments,
        "TASK_HISTORY",
        "SCHEDULED_TIME_RANGE_START",
        "SCHEDULED_TIME_RANGE_END",
        "RESULT_LIMIT",
        "TASK_NAME",
        "DATABASE_NAME",
        "SCHEMA_NAME",
        "ERROR_ONLY",
        "ROOT_TASK_ID",
    )
    now = dt.datetime.now(dt.UTC)
    start = _instant(session, given.get("SCHEDULED_TIME_RANGE_START"))
    end = _instant(session, given.get("SCHEDULED_TIME_RANGE_END"))
    if any(bound is not None and bound < now - _AGO for bound in (start, end)):
        raise errors.error(
            91005,
            "22023",
            "Cannot retrieve data from more than 7 days ago: SCHEDULED_TIME_RANGE_START or _END is earlier.",
        )
    if "SCHEMA_NAME" in given and "DATABASE_NAME" not in given:
        raise errors.syntax("SCHEMA_NAME of TASK_HISTORY needs DATABASE_NAME")
    equal: dict[str, object] = {}
    if "TASK_NAME" in given:
        equal["NAME"] = str(_value(session, given["TASK_NAME"])).upper()
    for name in ("DATABASE_NAME", "SCHEMA_NAME"):
        if name in given:
            equal[name] = _part(_value(session, given[name]))
    if "ROOT_TASK_ID" in given:
        equal["ROOT_TASK_ID"] = _value(session, given["ROOT_TASK_ID"])
    error_only = bool(_value(session, given.get("ERROR_ONLY")))
    limit = _limit(session, given.get("RESULT_LIMIT"), 100)
    found = [
        run
        for run in [*_scheduled(session, now), *_runs(session)]
        if _matches(run, equal)
        and (not error_only or run[_PLACE["STATE"]] in ENDED_BADLY)
        and _between(run[_PLACE["SCHEDULED_TIME"]], max(start, now - _AGO) if start else now - _AGO, end)
    ]
    found.sort(key=lambda run: str(run[_PLACE["SCHEDULED_TIME"]]), reverse=True)
    result = rows(COLUMNS, found[:limit])
    return arrow_relation(compiler, result.columns, result.table)


def _matches(run: Run, equal: Mapping[str, object]) -> bool:
    for name, value in equal.items():
        own = run[_PLACE[name]]
        if (str(own).upper() if name == "NAME" else own) != value:
            return False
    return True


def _between(moment: object, start: dt.datetime, end: dt.datetime | None) -> bool:
    return isinstance(moment, dt.datetime) and start <= moment and (end is None or moment <= end)


def next_scheduled(task: Task, after: dt.datetime) -> dt.datetime | None:
    """Return when a root task is next scheduled to run; None without a schedule."""
    text = task.options.get("SCHEDULE")
    if text is None:
        return None
    schedule = parse_schedule(str(text))
    if isinstance(schedule, Cron):
        return schedule.next(after)
    return schedule.next(after, task.committed or after)


def _scheduled(session: Session, now: dt.datetime) -> list[tuple[object, ...]]:
    """The next scheduled runs of the root tasks that are resumed."""
    found: list[tuple[object, ...]] = []
    for database in session.storage.databases():
        schemas = {schema for schema, _, _ in Tasks().rows(session, database)}
        for schema in schemas:
            for task in tasks_of(session, database, schema).values():
                moment = next_scheduled(task, now) if task.is_root and task.state == STARTED else None
                if moment is not None:
                    values: dict[str, object] = {
                        "NAME": task.name[2],
                        "DATABASE_NAME": database,
                        "SCHEMA_NAME": schema,
                        "QUERY_TEXT": task.text,
                        "CONDITION_TEXT": task.when,
                        "STATE": "SCHEDULED",
                        "SCHEDULED_TIME": moment,
                        "ROOT_TASK_ID": task.id,
                        "GRAPH_VERSION": task.version,
                        "RUN_ID": int(moment.timestamp() * 1000),
                        "SCHEDULED_FROM": "SCHEDULE",
                        "ATTEMPT_NUMBER": 1,
                        "CONFIG": task.options.get("CONFIG"),
                    }
                    found.append(tuple(values.get(name) for name, _ in COLUMNS))
    return found


_DEPENDENTS = (
    *("created_on", "name", "database_name", "schema_name", "owner", "comment"),
    *("warehouse", "schedule", "predecessors", "state", "definition", "condition"),
)


@table_function("TASK_DEPENDENTS")
def _task_dependents(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(INFORMATION_SCHEMA.TASK_DEPENDENTS(TASK_NAME => 'x' [, RECURSIVE => FALSE]))``.

    https://docs.snowflake.com/en/sql-reference/functions/task_dependents
    """
    session = compiler.session
    given = _named(arguments, "TASK_DEPENDENTS", "TASK_NAME", "RECURSIVE")
    if "TASK_NAME" not in given:
        raise errors.syntax("TASK_DEPENDENTS needs TASK_NAME")
    name = session.resolve(Reader(str(_value(session, given["TASK_NAME"]))).name())
    find_task(session, name)
    graph = tasks_of(session, *name[:2])
    names = below(graph, name[2])
    if "RECURSIVE" in given and not _value(session, given["RECURSIVE"]):
        names = [name[2], *children(graph, name[2])]
    final = finalizer(graph, name[2])
    names += [final.name[2]] if final is not None else []
    shown = {task: row for schema, task, row in Tasks().rows(session, name[0]) if schema == name[1]}
    places = [[column for column, _, _ in Tasks.shown].index(column) for column in _DEPENDENTS]
    columns = [
        (column.upper(), Tasks.shown[place][1]) for column, place in zip(_DEPENDENTS, places, strict=True)
    ]
    result = rows(columns, [tuple(shown[task][place] for place in places) for task in names])
    return arrow_relation(compiler, result.columns, result.table)


_GRAPHS = (
    ("ROOT_TASK_NAME", "VARCHAR"),
    ("DATABASE_NAME", "VARCHAR"),
    ("SCHEMA_NAME", "VARCHAR"),
    ("STATE", "VARCHAR"),
    ("SCHEDULED_FROM", "VARCHAR"),
    ("FIRST_ERROR_TASK_NAME", "VARCHAR"),
    ("FIRST_ERROR_CODE", "BIGINT"),
    ("FIRST_ERROR_MESSAGE", "VARCHAR"),
    ("SCHEDULED_TIME", "TIMESTAMP WITH TIME ZONE"),
    ("QUERY_START_TIME", "TIMESTAMP WITH TIME ZONE"),
    ("NEXT_SCHEDULED_TIME", "TIMESTAMP WITH TIME ZONE"),
    ("COMPLETED_TIME", "TIMESTAMP WITH TIME ZONE"),
    ("ROOT_TASK_ID", "VARCHAR"),
    ("GRAPH_VERSION", "BIGINT"),
    ("RUN_ID", "BIGINT"),
    ("ATTEMPT_NUMBER", "BIGINT"),
    ("CONFIG", "VARCHAR"),
    ("GRAPH_RUN_GROUP_ID", "VARCHAR"),
    ("BACKFILL_INFO", "VARCHAR"),
)


@table_function("COMPLETE_TASK_GRAPHS")
def _complete_task_graphs(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(INFORMATION_SCHEMA.COMPLETE_TASK_GRAPHS(...))``: the graph runs that ended in the last hour.

    https://docs.snowflake.com/en/sql-reference/functions/complete_task_graphs
    """
    session = compiler.session
    given = _named(arguments, "COMPLETE_TASK_GRAPHS", "RESULT_LIMIT", "ROOT_TASK_NAME", "ERROR_ONLY")
    limit = _limit(session, given.get("RESULT_LIMIT"), 1000)
    wanted = _value(session, given.get("ROOT_TASK_NAME"))
    error_only = bool(_value(session, given.get("ERROR_ONLY")))
    roots = _root_names(session)
    found = [
        graph
        for runs in _graph_runs(session)
        if (graph := _graph(runs, roots)) is not None
        and (wanted is None or str(graph["ROOT_TASK_NAME"]).upper() == str(wanted).upper())
        and (not error_only or graph["STATE"] in ENDED_BADLY)
    ]
    found.sort(key=lambda graph: str(graph["COMPLETED_TIME"]), reverse=True)
    values = [tuple(graph.get(name) for name, _ in _GRAPHS) for graph in found[:limit]]
    result = rows(_GRAPHS, values)
    return arrow_relation(compiler, result.columns, result.table)


_CURRENT = tuple(column for column in _GRAPHS if column[0] != "COMPLETED_TIME")


@table_function("CURRENT_TASK_GRAPHS")
def _current_task_graphs(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(INFORMATION_SCHEMA.CURRENT_TASK_GRAPHS(...))``: the graph runs that are running or scheduled next.

    https://docs.snowflake.com/en/sql-reference/functions/current_task_graphs
    """
    session = compiler.session
    given = _named(arguments, "CURRENT_TASK_GRAPHS", "RESULT_LIMIT", "ROOT_TASK_NAME")
    limit = _limit(session, given.get("RESULT_LIMIT"), 1000)
    wanted = _value(session, given.get("ROOT_TASK_NAME"))
    now = dt.datetime.now(dt.UTC)
    roots = _root_names(session)
    found: list[dict[str, object]] = []
    for runs in _graph_runs(session):
        if any(run["STATE"] == EXECUTING for run in runs):
            found.append({**runs[0], **_first_error(runs), "STATE": EXECUTING})
    for row in _scheduled(session, now):
        run = _run(row)
        moment = run["SCHEDULED_TIME"]
        if isinstance(moment, dt.datetime) and moment <= now + _SOON:
            found.append(run)
    for graph in found:
        graph["ROOT_TASK_NAME"] = roots.get(str(graph["ROOT_TASK_ID"]))
    kept = [
        graph
        for graph in found
        if wanted is None or str(graph["ROOT_TASK_NAME"]).upper() == str(wanted).upper()
    ]
    kept.sort(key=lambda graph: str(graph["SCHEDULED_TIME"]), reverse=True)
    values = [tuple(graph.get(name) for name, _ in _CURRENT) for graph in kept[:limit]]
    result = rows(_CURRENT, values)
    return arrow_relation(compiler, result.columns, result.table)


def _run(row: Run) -> dict[str, object]:
    return dict(zip((name for name, _ in COLUMNS), row, strict=True))


def _graph_runs(session: Session) -> list[list[dict[str, object]]]:
    """The runs of tasks of each run of a graph, in the order in which they started."""
    graphs: dict[tuple[object, object], list[dict[str, object]]] = {}
    for run in map(_run, _runs(session)):
        graphs.setdefault((run["GRAPH_RUN_GROUP_ID"], run["ATTEMPT_NUMBER"]), []).append(run)
    return [sorted(runs, key=lambda run: str(run["QUERY_START_TIME"])) for runs in graphs.values()]


def _root_names(session: Session) -> dict[str, str]:
    """The names of tasks by their ids."""
    return {
        task.id: task.name[2]
        for database in session.storage.databases()
        for schema in {schema for schema, _, _ in Tasks().rows(session, database)}
        for task in tasks_of(session, database, schema).values()
    }


def _first_error(runs: Sequence[Mapping[str, object]]) -> dict[str, object]:
    failed: Mapping[str, object] = next((run for run in runs if run["ERROR_MESSAGE"] is not None), {})
    return {
        "FIRST_ERROR_TASK_NAME": failed.get("NAME"),
        "FIRST_ERROR_CODE": failed.get("ERROR_CODE"),
        "FIRST_ERROR_MESSAGE": failed.get("ERROR_MESSAGE"),
    }


def _graph(runs: list[dict[str, object]], roots: Mapping[str, str]) -> dict[str, object] | None:
    """Sum up the runs of the tasks of one graph run; None if it is still running, ended long ago or was skipped."""
    ended = [run["COMPLETED_TIME"] for run in runs]
    moments = [moment for moment in ended if isinstance(moment, dt.datetime)]
    first = runs[0]
    name = roots.get(str(first["ROOT_TASK_ID"]))
    states = {run["STATE"] for run in runs}
    if len(moments) < len(runs) or max(moments) < dt.datetime.now(dt.UTC) - _RECENT or name is None:
        return None
    if first["NAME"] == name and first["STATE"] == SKIPPED:
        return None
    bad = states.intersection(ENDED_BADLY) - {CANCELLED}
    return {
        **first,
        "ROOT_TASK_NAME": name,
        "STATE": FAILED if bad else CANCELLED if CANCELLED in states else SUCCEEDED,
        **_first_error(runs),
        "COMPLETED_TIME": max(moments),
    }

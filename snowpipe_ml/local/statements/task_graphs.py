"""Runs task graphs: EXECUTE TASK, and what the scheduler of ``serve --tasks`` starts.

Each task runs in a separate session, and tasks that do not follow each other run at the same time. On
Snowflake, EXECUTE TASK returns before the tasks have run. Here it returns when they have ended, so that scripts
and tests need not wait; how they ended is in TASK_HISTORY, as on Snowflake.

https://docs.snowflake.com/en/user-guide/tasks-graphs
https://docs.snowflake.com/en/sql-reference/sql/execute-task
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

from snowpipe_ml.local.catalog.task_history import (
    CANCELLED,
    ENDED_BADLY,
    FAILED,
    SKIPPED,
    SUCCEEDED,
    GraphRun,
    TaskHistory,
)
from snowpipe_ml.local.catalog.tasks import (
    STARTED,
    Task,
    below,
    commit,
    finalizer,
    find_task,
    save,
    suspended,
    tasks_of,
)
from snowpipe_ml.local.core import connector, errors
from snowpipe_ml.local.core.connector_errors import connector_errors
from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.result import Result, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.task_runs import TaskRun
from snowpipe_ml.local.core.values import number_option
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.session import set_parameters
from snowpipe_ml.local.statements.task_options import read_config

log = logging.getLogger("snowpipe_ml.local")

From = Literal["SCHEDULE", "EXECUTE_TASK", "MANUAL RETRY", "AUTOMATIC RETRY", "TRIGGER"]
_AT_ONCE = 4  # tasks of a graph that run at the same time
_HOUR_MS = 3_600_000  # the default of USER_TASK_TIMEOUT_MS
_FAILURES = 10  # the default of SUSPEND_TASK_AFTER_NUM_FAILURES
_TO_FINALIZE = 60.0  # seconds that the finalizer of a canceled graph may take
_RETRIED_WITHIN = dt.timedelta(days=14)
_PASSED = "PASSED"  # a suspended task, which counts as one that succeeded
_NOT_RUN = "NOT RUN"  # a task whose predecessors did not succeed


@command("EXECUTE TASK")
def execute_task(statement: Statement) -> Result:
    """``EXECUTE TASK name [[USING CONFIG = json] [AWAIT] | RETRY LAST | RETRY GRAPH RUN GROUP id]``.

    AWAIT changes nothing, since the statement always waits for the tasks.
    """
    session, reader = statement.session, statement.reader
    session.commit_open()
    reader.expect("EXECUTE", "TASK")
    name = session.resolve(reader.name(), "EXECUTE TASK")
    config: str | None = None
    group: str | None = None
    retried = False
    if reader.accept("USING", "CONFIG", "="):
        config = reader.string()
        read_config(config)
    elif reader.accept("RETRY", "LAST"):
        retried = True
    elif reader.accept("RETRY", "GRAPH", "RUN", "GROUP"):
        retried, group = True, reader.string()
    if not retried:
        reader.accept("AWAIT")
    reader.end()
    task = find_task(session, name)
    if not task.is_root:
        raise errors.error(
            91090,
            "22023",
            f"Cannot execute task {'.'.join(name)}: only a standalone task or the root task of a graph can be executed.",
        )
    if session.task is not None and session.task.root == name:
        raise errors.UnsupportedError("EXECUTE TASK of the graph in which the statement runs")
    if retried:
        retry_graph(session, name, group)
    else:
        run_graph(session, name, dt.datetime.now(dt.UTC), "EXECUTE_TASK", config)
    return status(f"Task {name[2]} is scheduled to run immediately.")


def retry_graph(session: Session, name: Name, group: str | None) -> str:
    """Run the tasks of a graph again that failed in its last run, or in that of a group, and those after them.

    Raises:
        ProgrammingError: the last run did not fail, or the graph was changed since.
    """
    with _alone(session, name):
        root = find_task(session, name)
        last = TaskHistory(session, name[0]).last(name, root.id, group)
        where = f"the graph of the task {'.'.join(name)}"
        if last is None:
            raise errors.error(91091, "22023", f"Cannot retry {where}: it has no such run.")
        if dt.datetime.now(dt.UTC) - last.original > _RETRIED_WITHIN:
            raise errors.error(91091, "22023", f"Cannot retry {where}: the run is older than 14 days.")
        states = TaskHistory(session, name[0]).states(last)
        if not any(state in ENDED_BADLY for state, _ in states.values()):
            raise errors.error(91091, "22023", f"Cannot retry {where}: its last run has not failed.")
        root = commit(session, root, tasks_of(session, *name[:2]))
        if root.version != last.version:
            raise errors.error(91091, "22023", f"Cannot retry {where}: it was modified since that run.")
        run = replace(last, attempt=last.attempt + 1, scheduled_from="MANUAL RETRY")
        return _Graph(session, root, run).execute()


def run_graph(
    session: Session, name: Name, scheduled: dt.datetime, scheduled_from: From, config: str | None = None
) -> str:
    """Run a graph, with its automatic retries, and return how it ended.

    Args:
        session: a session on the warehouse, which the tasks do not use.
        name: the root task.
        scheduled: when the run was scheduled.
        scheduled_from: what started the run.
        config: a configuration of this run, which is merged with that of the root task.
    """
    with _alone(session, name):
        root = find_task(session, name)
        root = commit(session, root, tasks_of(session, *name[:2]))
        merged = _merged(root.options.get("CONFIG"), config)
        run = GraphRun(name, root.id, str(uuid.uuid4()), 1, root.version, scheduled, scheduled_from, merged)
        return _Graph(session, root, run).execute()


def _merged(default: object, config: str | None) -> str | None:
    """Merge the configuration of a run with the default one, object by object."""
    if config is None or default is None:
        return config if config is not None else (str(default) if default is not None else None)

    def merge(one: dict[str, object], other: dict[str, object]) -> dict[str, object]:
        found = dict(one)
        for key, value in other.items():
            before = found.get(key)
            found[key] = (
                merge(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
            )
        return found

    return json.dumps(merge(read_config(str(default)), read_config(config)))


@contextmanager
def _alone(session: Session, name: Name) -> Iterator[None]:
    """Wait until no other run of a graph is running."""
    with session.storage.naming((*name, "TASK GRAPH")):
        yield


class _Graph:
    """One run of a graph, with its retries."""

    def __init__(self, session: Session, root: Task, run: GraphRun) -> None:
        self.session = session
        self.root = root
        self.run = run
        self.history = TaskHistory(session, root.name[0])
        self.last = self.history.last_success(root.name, root.id)
        # The version of the graph that runs, whatever is changed meanwhile.
        self.tasks = tasks_of(session, *root.name[:2])
        self.order = below(self.tasks, root.name[2])
        self.states: dict[str, str] = {}
        self.values: dict[str, str | None] = {}
        limit = root.options.get("USER_TASK_TIMEOUT_MS")
        self.deadline = time.monotonic() + int(limit) / 1000 if isinstance(limit, int) and limit else None

    def execute(self) -> str:
        """Run the graph, and again after a failure as often as its root task says."""
        retries = number_option(self.root.options, "TASK_AUTO_RETRY_ATTEMPTS", 0)
        ended = self._attempt()
        for _ in range(retries):
            if ended != FAILED:
                break
            self.run = replace(self.run, attempt=self.run.attempt + 1, scheduled_from="AUTOMATIC RETRY")
            ended = self._attempt()
        self._count(ended)
        return ended

    def _attempt(self) -> str:
        if self.run.attempt > 1:
            before = self.history.states(replace(self.run, attempt=self.run.attempt - 1))
            for name, (state, value) in before.items():
                if state in (SUCCEEDED, SKIPPED):
                    self.states[name], self.values[name] = state, value
        self.states = {name: state for name, state in self.states.items() if state in (SUCCEEDED, SKIPPED)}
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="task") as pool:
            running: dict[Future[tuple[str, str | None]], str] = {}
            while True:
                self._start(pool, running)
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    name = running.pop(future)
                    self.states[name], self.values[name] = future.result()
        states = [self.states[name] for name in self.order]
        final = finalizer(self.tasks, self.root.name[2])
        if final is not None and final.state == STARTED and states[0] != SKIPPED:
            state, _ = self._run(final, ())
            states.append(state)
        if FAILED in states:
            return FAILED
        return CANCELLED if CANCELLED in states else states[0]

    def _start(self, pool: ThreadPoolExecutor, running: dict[Future[tuple[str, str | None]], str]) -> None:
        """Start the tasks whose predecessors have ended, and settle those that do not run."""
        for name in self.order:
            task = self.tasks[name]
            if name in self.states or name in running.values():
                continue
            if any(other not in self.states for other in task.after if other in self.tasks):
                continue
            state = self._settled(task)
            if state is not None:
                self.states[name] = state
            else:
                enabled = tuple(other for other in task.after if self.states[other] != _PASSED)
                running[pool.submit(self._run, task, enabled)] = name

    def _settled(self, task: Task) -> str | None:
        """Return the state of a task that does not run; None if it runs.

        A suspended task counts as one that succeeded. A task with several predecessors runs if at least one of
        them is not suspended, and all of those have succeeded.
        """
        above = [self.states[other] for other in task.after if other in self.tasks]
        if any(state not in (SUCCEEDED, _PASSED) for state in above):
            return _NOT_RUN
        if len(above) > 1 and all(state == _PASSED for state in above):
            return _NOT_RUN
        return _PASSED if task.state != STARTED and not task.is_root else None

    def _run(self, task: Task, enabled: tuple[str, ...]) -> tuple[str, str | None]:
        """Run one task in a separate session, and return its state and return value."""
        query_id = str(uuid.uuid4())
        first = self.run.attempt == 1 and task.name == self.root.name
        self.history.begin(self.run, task, query_id, self.run.original if first else dt.datetime.now(dt.UTC))
        client = self.session.client.another(*task.name[:2])
        session = client.session
        context = session.task = TaskRun(
            task.name,
            self.root.name,
            self.root.id,
            self.run.group,
            self.run.original,
            self.last[0] if self.last is not None else None,
            self.last[1] if self.last is not None else None,
            self.run.config,
            enabled,
            dict(self.values),
        )
        state, code, message = FAILED, None, None

        final = task.finalize is not None

        def interrupt() -> None:
            if final:  # it frees what the tasks have reserved
                timer = threading.Timer(_TO_FINALIZE, session.interrupt)
                timer.daemon = True
                timers.append(timer)
                timer.start()
            else:
                session.interrupt()

        timers: list[threading.Timer] = []
        running = self.session.storage.running_tasks
        running.setdefault(task.name, []).append(session)
        try:
            session.task_seconds = self._seconds(task)
            with (
                self.session.cancellation.stopping(interrupt, again=not final, late=final),
                connector_errors(client.translated),
            ):
                session.role = task.owner or None
                set_parameters(session, dict(task.parameters))
                if "WAREHOUSE" in task.options:
                    session.warehouse = str(task.options["WAREHOUSE"])
                if task.when is not None and not holds(session, task.when):
                    state = SKIPPED
                else:
                    client.perform(task.text, None, query_id)
                    state = SUCCEEDED
        except connector.ProgrammingError as error:
            state = CANCELLED if error.errno == errors.canceled().errno else FAILED
            code, message = error.errno, error.raw_msg or str(error)
            log.warning("the task %s failed: %s", ".".join(task.name), message)
        except BaseException as error:
            message = f"{type(error).__name__}: {error}"
            raise
        finally:
            for timer in timers:
                timer.cancel()
            running[task.name].remove(session)
            self.history.end(query_id, state, context.value, code, message)
            client.close()
        return state, context.value

    def _seconds(self, task: Task) -> float:
        """Return how long a task may run: its own limit overrides that of the whole graph."""
        if (task.name != self.root.name and "USER_TASK_TIMEOUT_MS" in task.options) or self.deadline is None:
            return (number_option(task.options, "USER_TASK_TIMEOUT_MS", _HOUR_MS)) / 1000
        return max(0.001, self.deadline - time.monotonic())

    def _count(self, ended: str) -> None:
        """Suspend a root task that has failed too often in a row."""
        root = find_task(self.session, self.root.name)
        if root.id != self.root.id or ended not in (SUCCEEDED, FAILED):
            return
        failures = root.failures + 1 if ended == FAILED else 0
        limit = self.root.options.get("SUSPEND_TASK_AFTER_NUM_FAILURES", _FAILURES)
        changed = replace(root, failures=failures)
        if isinstance(limit, int) and 0 < limit <= failures and root.state == STARTED:
            changed = suspended(changed, "SUSPENDED_DUE_TO_ERRORS")
            self.history.auto_suspended(self.run)
        if changed != root:
            save(self.session, changed)


def holds(session: Session, condition: str) -> bool:
    """Evaluate the condition of a task."""
    result = session.client.perform(f"SELECT ({condition})::BOOLEAN", None, str(uuid.uuid4()))
    return bool(result.table.column(0)[0].as_py())

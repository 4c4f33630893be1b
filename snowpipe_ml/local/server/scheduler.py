"""Runs the tasks of a warehouse by their schedules and streams, while ``serve --tasks`` is up.

https://docs.snowflake.com/en/user-guide/tasks-intro
https://docs.snowflake.com/en/user-guide/tasks-triggered
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from dataclasses import dataclass

from snowpipe_ml.local.catalog.tasks import STARTED, Task, members, tasks_of
from snowpipe_ml.local.client.connection import Connection
from snowpipe_ml.local.core import connector
from snowpipe_ml.local.core.connector_errors import connector_errors
from snowpipe_ml.local.core.names import Name
from snowpipe_ml.local.core.storage import Storage
from snowpipe_ml.local.core.values import number_option
from snowpipe_ml.local.statements.task_graphs import From, holds, run_graph
from snowpipe_ml.local.statements.task_relations import next_scheduled

log = logging.getLogger("snowpipe_ml.local")

_TICK = 1.0  # seconds between looks at the clock
_POLL = dt.timedelta(seconds=5)  # between looks at a stream without data
_TRIGGER_SECONDS = 30  # the default of USER_TASK_MINIMUM_TRIGGER_INTERVAL_IN_SECONDS


@dataclass
class _Running:
    """A graph that runs."""

    thread: threading.Thread
    client: Connection


class Scheduler:
    """Starts the graphs of resumed root tasks when they are due.

    A run that is due while the graph runs is skipped, and so is one that was due while nothing was served.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._client = Connection(storage, None, None, shared=True)
        # When each root task is due, by its name and by what its schedule depends on.
        self._due: dict[tuple[Name, str, object, object], dt.datetime] = {}
        self._running: dict[Name, _Running] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="task-scheduler", daemon=True)

    def start(self) -> None:
        """Look at the clock from now on."""
        self._thread.start()

    def close(self) -> None:
        """Cancel the tasks that run, and start no others."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()
        for running in self._running.values():
            running.client.session.interrupt()
        self.wait()
        self._client.close()

    def wait(self) -> None:
        """Wait until no graph runs."""
        for running in list(self._running.values()):
            running.thread.join()

    def _loop(self) -> None:
        while not self._closed.wait(_TICK):
            try:
                with connector_errors(self._client.translated):
                    self.tick(dt.datetime.now(dt.UTC))
            except connector.ProgrammingError as error:
                log.error("the tasks could not be read: %s", error)

    def tick(self, now: dt.datetime) -> list[Name]:
        """Start the graphs that are due at an instant, and return their root tasks."""
        started = []
        seen = set()
        for task, busy in self._roots():
            key = (task.name, task.id, task.options.get("SCHEDULE"), task.last_committed_on)
            seen.add(key)
            triggered = "SCHEDULE" not in task.options
            if key not in self._due:
                self._due[key] = now if triggered else next_scheduled(task, now) or now
            due = self._due[key]
            if now < due:
                continue
            if triggered:
                if busy or not self._has_data(task):
                    self._due[key] = now + _POLL
                    continue
                seconds = number_option(
                    task.options, "USER_TASK_MINIMUM_TRIGGER_INTERVAL_IN_SECONDS", _TRIGGER_SECONDS
                )
                self._due[key] = now + dt.timedelta(seconds=seconds)
            else:
                self._due[key] = next_scheduled(task, now) or now
            if busy:
                log.warning(
                    "the run of the task %s at %s is skipped: its graph runs", ".".join(task.name), due
                )
                continue
            self._run(task.name, now if triggered else due, "TRIGGER" if triggered else "SCHEDULE")
            started.append(task.name)
        self._due = {key: due for key, due in self._due.items() if key in seen}
        return started

    def _roots(self) -> list[tuple[Task, bool]]:
        """The resumed root tasks with a schedule or a stream, and whether their graphs run."""
        session = self._client.session
        found = []
        for database in self._storage.databases():
            schemas = session.duck.execute(
                f"SELECT DISTINCT schema_name FROM {session.catalog(database, 'TASKS')} WHERE state = '{STARTED}'"
            ).fetchall()
            for (schema,) in schemas:
                graph = tasks_of(session, database, schema)
                for task in graph.values():
                    on_stream = "SYSTEM$STREAM_HAS_DATA" in (task.when or "").upper()
                    if task.state == STARTED and task.is_root and ("SCHEDULE" in task.options or on_stream):
                        own = self._running.get(task.name)
                        busy = (own is not None and own.thread.is_alive()) or any(
                            self._storage.running_tasks.get((database, schema, name))
                            for name in members(graph, task.name[2])
                        )
                        found.append((task, busy))
        return found

    def _has_data(self, task: Task) -> bool:
        client = self._client.another(*task.name[:2])
        try:
            with connector_errors(client.translated):
                return holds(client.session, str(task.when))
        except connector.ProgrammingError as error:
            log.error("the condition of the task %s failed: %s", ".".join(task.name), error)
            return False
        finally:
            client.close()

    def _run(self, name: Name, scheduled: dt.datetime, scheduled_from: From) -> None:
        client = self._client.another(*name[:2])

        def run() -> None:
            try:
                with client.session.cancellable(), connector_errors(client.translated):
                    run_graph(client.session, name, scheduled, scheduled_from)
            except connector.ProgrammingError as error:
                log.error("the graph of the task %s could not run: %s", ".".join(name), error)
            finally:
                client.close()

        thread = threading.Thread(target=run, name=f"graph {name[2]}", daemon=True)
        self._running[name] = _Running(thread, client)
        thread.start()

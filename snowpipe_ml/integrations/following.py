"""Whole runs, followed task by task, for the integrations with orchestrators."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from snowpipe_ml.engine.events import Event, RunStarted, StepFinished
from snowpipe_ml.engine.plan.tasks import Task
from snowpipe_ml.engine.run.outcome import RunResult, StepOutcome, together
from snowpipe_ml.plugins import Kind, Resource
from snowpipe_ml.spec.fanout import base_name, is_object


class TaskEnds:
    """Listens to a run, and tells of each task when all of its nodes have ended.

    Args:
        tasks: the tasks of the pipeline.
        tell: called with the outcome of each task that has ended.
        started: called with the run's id when it starts.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        tell: Callable[[StepOutcome], None],
        started: Callable[[str], None] = lambda run_id: None,
    ) -> None:
        self._of_object = {node: task.name for task in tasks for node in task.nodes if is_object(node)}
        self._tell, self._started = tell, started
        self._waiting: dict[str, set[str]] = {}
        self._ended: dict[str, list[StepOutcome]] = {}

    def __call__(self, event: Event) -> None:
        """Take an event of the run."""
        if isinstance(event, RunStarted):
            for node in event.steps:
                self._waiting.setdefault(self._task_of(node), set()).add(node)
            self._started(event.run_id)
        elif isinstance(event, StepFinished):
            task = self._task_of(event.step)
            self._ended.setdefault(task, []).append(_outcome(event))
            self._waiting[task].discard(event.step)
            if not self._waiting[task]:
                parts = self._ended.pop(task)
                self._tell(parts[0] if [part.name for part in parts] == [task] else together(task, parts))

    def _task_of(self, node: str) -> str:
        return self._of_object.get(node, node if is_object(node) else base_name(node))


def _outcome(event: StepFinished) -> StepOutcome:
    return StepOutcome(
        event.step,
        event.status,
        event.rows,
        event.seconds,
        event.message,
        event.warnings,
        event.error,
        event.blamed,
        event.metrics,
        {"outputs": list(event.outputs)},
    )


class Followed:
    """A run in a separate thread, which yields its tasks as they end.

    Iterate over it to get the outcome of each task; afterwards ``result`` has that of the run. If the
    iteration ends early, as when the orchestrator stops its task, the run is canceled on the target.

    Args:
        run: runs the pipeline with a listener and an event that cancels it.
        tasks: the tasks of the pipeline.
    """

    def __init__(
        self, run: Callable[[Callable[[Event], None], threading.Event], RunResult], tasks: Collection[Task]
    ) -> None:
        self._run, self._tasks = run, tasks
        self._ends: queue.Queue[StepOutcome | None] = queue.Queue()
        self._cancel = threading.Event()
        self._result: RunResult | None = None
        self._error: BaseException | None = None
        self.run_id: str | None = None

    def __iter__(self) -> Iterator[StepOutcome]:
        """Run the pipeline.

        Raises:
            SnowpipeMLError: the run could not be made.
        """
        thread = threading.Thread(target=self._work, name="snowpipe-ml-run", daemon=True)
        thread.start()
        try:
            # A wait without a limit would not be interrupted by a signal on some platforms.
            while (outcome := self._next()) is not None:
                yield outcome
        finally:
            if thread.is_alive():
                self._cancel.set()
            thread.join()
        if self._error is not None:
            raise self._error

    @property
    def result(self) -> RunResult:
        """The result of the run, once all of its tasks have been given."""
        assert self._result is not None
        return self._result

    def _next(self) -> StepOutcome | None:
        while True:
            try:
                return self._ends.get(timeout=1)
            except queue.Empty:
                continue

    def _work(self) -> None:
        def started(run_id: str) -> None:
            self.run_id = run_id

        try:
            self._result = self._run(TaskEnds(self._tasks, self._ends.put, started), self._cancel)
        except BaseException as error:  # it is raised in the thread that iterates
            self._error = error
        finally:
            self._ends.put(None)


def writers(tasks: Iterable[Task]) -> Mapping[Resource, str]:
    """Return the last task that writes each table."""
    return {resource: task.name for task in tasks for resource in task.writes if resource.kind is Kind.TABLE}


def version(outcome: StepOutcome) -> str | None:
    """Return a text that changes with what a task has written; None if it writes nothing."""
    return " ".join(sorted(f"{name}@{token}" for _, name, token, _ in outcome.outputs)) or None

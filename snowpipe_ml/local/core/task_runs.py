"""The run of a task in whose session a statement runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from snowpipe_ml.local.core.names import Name


@dataclass
class TaskRun:
    """One run of a task, as the system functions of its session see it.

    Attributes:
        task: the task.
        root: the root task of its graph.
        root_id: the id of the root task.
        group: the id of the graph run group, which a retry shares with the run that it retries.
        scheduled: when the first run of the group was scheduled.
        last_group: the id of the last successful graph run group, if there is one.
        last_scheduled: when that was scheduled.
        config: the configuration of the graph run, as JSON.
        predecessors: the enabled predecessors.
        values: the return values of the tasks that ran before it, by their names.
        value: the return value that the task has set.
    """

    task: Name
    root: Name
    root_id: str
    group: str
    scheduled: dt.datetime
    last_group: str | None
    last_scheduled: dt.datetime | None
    config: str | None
    predecessors: tuple[str, ...]
    values: Mapping[str, str | None]
    value: str | None = None

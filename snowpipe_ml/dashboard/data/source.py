"""A pipeline on a target, as the pages of the dashboard see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from snowpipe_ml.dashboard.data.attributes import Attributes, attributes_of
from snowpipe_ml.dashboard.data.reader import Reader
from snowpipe_ml.dashboard.data.runs import RunQueries
from snowpipe_ml.dashboard.data.subject import Subject, subjects
from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.records.history import History
from snowpipe_ml.engine.records.state import State
from snowpipe_ml.engine.retry import DOES_NOT_EXIST, number_of
from snowpipe_ml.engine.run.opening import connector, state_schema
from snowpipe_ml.plugins import PlanContext
from snowpipe_ml.plugins.connection import Connection
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.sql import Identifier, QualifiedName, sql

T = TypeVar("T")


@dataclass(frozen=True)
class Source:
    """A pipeline on a target.

    Attributes:
        pipeline: the pipeline.
        spec: its spec, rendered for the target.
        graph: its graph.
        ctx: the context for planning.
        reader: reads from the target.
        subjects: the tables of forecasts of the spec.
        inside: whether Snowflake runs the dashboard: runs are then started by the task graph.
    """

    pipeline: Pipeline
    spec: Spec
    graph: Graph
    ctx: PlanContext
    reader: Reader
    subjects: tuple[Subject, ...]
    inside: bool = False

    @property
    def local(self) -> bool:
        """Whether the target is an embedded warehouse."""
        return self.spec.target.type == "local"

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be on the target yet: to look would create it."""
        return not self.inside and self.spec.target.is_empty(self.pipeline.base_dir)

    def attributes(self, subject: Subject) -> Attributes | None:
        """Return the attributes of a subject's series."""
        return attributes_of(subject, [node.step for node in self.graph.nodes.values()])

    def history(self, read: Callable[[History], T]) -> T:
        """Call a function that reads the run metadata."""

        def on(connection: Connection) -> T:
            state = State(connection, state_schema(self.spec, connection))
            return read(History(state, self.spec.pipeline.name, self.spec.target_name))

        return self.reader.call(on)

    def runs(self) -> RunQueries:
        """Return the queries on the run metadata."""
        schema = self.reader.call(lambda connection: state_schema(self.spec, connection))
        events, runs = (QualifiedName((*schema.parts, Identifier(name))) for name in ("EVENTS", "RUNS"))
        return RunQueries(events, runs, self.spec.pipeline.name, self.spec.target_name)

    def version(self) -> str | None:
        """Return a text that changes with each record of a run on the target; None if there is none."""
        if self.is_empty:
            return None
        statement = sql("SELECT COUNT(*), MAX(AT) FROM {events}", events=self.runs().events)
        try:
            ((count, last),) = self.reader.rows(statement)
        except Exception as error:
            if number_of(error) not in DOES_NOT_EXIST:
                raise
            return None
        return f"{count} until {last}" if count else None


def open_source(
    path: Path,
    target: str | None = None,
    variables: Mapping[str, object] | None = None,
    connect: Callable[[], Connection] | None = None,
) -> Source:
    """Load a pipeline for the dashboard. The target is opened by the first query.

    Args:
        path: the spec.
        target: the target's name; the default target if None.
        variables: values of ``vars`` that override those of the file.
        connect: returns a connection to use, such as that of the session in which Snowflake runs the dashboard; by
            default, one is opened as the target says.

    Raises:
        SpecError: the spec is invalid.
        UsageError: the target or a variable does not exist.
    """
    pipeline = Pipeline.from_yaml(path, variables)
    spec, graph, ctx = pipeline.load(target)
    if connect is None and spec.target.type == "local":
        reader = Reader(connector(spec, path))
    else:
        reader = Reader(connect or connector(spec, path), idle=None)
    return Source(pipeline, spec, graph, ctx, reader, tuple(subjects(graph, ctx)), inside=connect is not None)

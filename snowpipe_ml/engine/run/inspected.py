"""The methods of a pipeline that do not run it: load, validate, plan, connect, read the history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import date
from typing import TYPE_CHECKING

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.records.history import History
from snowpipe_ml.engine.records.state import State
from snowpipe_ml.engine.run.backfill import Backfill
from snowpipe_ml.engine.run.opening import connector, opener, state_schema
from snowpipe_ml.engine.run.planned import Look, PlannedStep, planned
from snowpipe_ml.engine.run.source import Source
from snowpipe_ml.engine.run.whole import What
from snowpipe_ml.errors import UsageError
from snowpipe_ml.plugins import Server
from snowpipe_ml.plugins.connection import Connection
from snowpipe_ml.sql import QualifiedName

if TYPE_CHECKING:
    from snowflake.snowpark import DataFrame, Session


class Inspected(Source):
    """A pipeline that can be loaded, validated, planned and drawn, and whose target can be opened.

    Args:
        path: the spec. It is read by each method that needs it.
        variables: values of ``vars`` that override those of the file.
    """

    def validate(self, target: str | None = None) -> Graph:
        """Check the whole spec and the files that it names, without a connection.

        Returns:
            The graph.

        Raises:
            SpecError: the spec is invalid; holds every problem.
        """
        return self.load(target, whole=True)[1]

    def plan(
        self,
        target: str | None = None,
        *,
        select: Iterable[str] = (),
        exclude: Iterable[str] = (),
        compare: bool = False,
        full_refresh: bool = False,
        run_date: date | None = None,
        backfill: str | None = None,
        by: str | None = None,
        look: Look | None = None,
    ) -> list[PlannedStep]:
        """Plan a run: the nodes in order, and what each would do.

        Args:
            target: the target's name; the default target if None.
            select: the steps to select; all if empty.
            exclude: the steps to exclude.
            compare: connect to the target and decide which nodes would run or be skipped, and why.
                Without it, no connection is made.
            full_refresh: plan as if nothing had run before.
            run_date: the run date; today if None.
            backfill: plan the backfill of an interval, as :meth:`run` takes it.
            by: the unit of its intervals.
            look: called with the open connection of a plan that is compared.

        Raises:
            SpecError: the spec is invalid.
            TargetError: the target cannot be reached.
        """
        what = What(run_date, tuple(select), tuple(exclude), full_refresh, backfill=Backfill.of(backfill, by))
        return planned(self, target, what, compare=compare, look=look)

    def graph(self, target: str | None = None) -> Graph:
        """Build the graph of the pipeline."""
        return self.load(target)[1]

    def session(self, target: str | None = None) -> Session:
        """Open a Session on a target, in its database and schema."""
        spec, _, _ = self.load(target)
        return opener(spec, self.path)()

    def frame(self, name: str, target: str | None = None, *, session: Session | None = None) -> DataFrame:
        """Return a table or view of a target as a Snowpark DataFrame, whose operations the target runs.

        Args:
            name: the table, such as one that a step writes.
            target: the target's name; the default target if None.
            session: an open Session of the caller's. Without one, a Session is opened: close it, as
                ``frame.session.close()``, when the frame is no longer needed.

        Raises:
            SpecError: the spec is invalid.
            TargetError: the target cannot be reached.
            UsageError: the text is not a name.
        """
        try:
            table = QualifiedName.parse(name)
        except ValueError as error:
            raise UsageError(str(error)) from error
        return (session or self.session(target)).table(table.sql)

    def connect(self, target: str | None = None) -> Connection:
        """Open a connection to a target, in its database and schema, for statements that need no Session.

        Raises:
            SpecError: the spec is invalid.
            TargetError: the target cannot be reached.
        """
        spec, _, _ = self.load(target)
        return connector(spec, self.path)()

    def serve(
        self, target: str | None = None, port: int = 0, *, tasks: bool = False, strict: bool = False
    ) -> AbstractContextManager[Server]:
        """Serve a target to Snowflake's own clients, while the context is open.

        Args:
            target: the target's name; the default target if None.
            port: the port on 127.0.0.1; any free one if 0.
            tasks: run the tasks of the target by their schedules, as Snowflake does.
            strict: require a warehouse for queries and DML, and give sessions odd parameters.

        Raises:
            UsageError: the target is not a local one.
            TargetError: the port is in use.
        """
        spec, _, _ = self.load(target)
        return spec.target.serve(self.base_dir, port, tasks=tasks, strict=strict)

    @contextmanager
    def history(self, target: str | None = None) -> Iterator[History]:
        """Open the history of the pipeline on a target; its connection is closed when the context exits.

        Raises:
            SpecError: the spec is invalid.
            TargetError: the target cannot be reached.
        """
        spec, _, _ = self.load(target)
        with closing(connector(spec, self.path)()) as connection:
            state = State(connection, state_schema(spec, connection))
            yield History(state, spec.pipeline.name, spec.target_name)

    def last_run(self, target: str | None = None) -> list[dict[str, object]]:
        """Return the step records of the last run on a target; empty if there was none."""
        spec, _, _ = self.load(target)
        with closing(connector(spec, self.path)()) as connection:
            return State(connection, state_schema(spec, connection)).last_run(spec.pipeline.name)

"""Run a pipeline at two commits on throw-away warehouses, and compare what it has written."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from snowpipe_ml.comparison.forecasts import ForecastChange, backtest_errors, compared
from snowpipe_ml.comparison.found import Comparison, Cost, Failure
from snowpipe_ml.comparison.options import Options
from snowpipe_ml.comparison.steps import Side
from snowpipe_ml.comparison.tables import TableChange, absent, at_base, table_changes, written
from snowpipe_ml.comparison.throwaway import Throwaway, copy_warehouse, put_beside
from snowpipe_ml.data_diff.subjects import whole_name
from snowpipe_ml.engine.events import Status
from snowpipe_ml.engine.records.rates import Rates
from snowpipe_ml.engine.records.state import State
from snowpipe_ml.engine.run.opening import state_schema
from snowpipe_ml.engine.run.outcome import RunResult, cause
from snowpipe_ml.engine.run.run import new_run
from snowpipe_ml.errors import StatementError, UsageError
from snowpipe_ml.plugins import Kind as ResourceKind
from snowpipe_ml.plugins.connection import Connection
from snowpipe_ml.spec.fanout import base_name
from snowpipe_ml.steps.forecasting.train import TrainForecasters


@dataclass(frozen=True)
class Runs:
    """The runs at both commits.

    Args:
        base: the pipeline at the base.
        head: the pipeline at the head.
        options: the options.
        tell: called with what is being done, in words.
    """

    base: Side
    head: Side
    options: Options
    tell: Callable[[str], None]

    def compared(self, found: Comparison) -> Comparison:
        """Run the pipeline at both commits, and add to a comparison what is only known then.

        Raises:
            StatementError: a table cannot be compared.
            UsageError: a key or a pattern names what is not compared.
        """
        changed = [step.name for step in found.steps if not step.declared]
        left_out = _left_out(self.base, changed) | _left_out(self.head, changed)
        changed = [name for name in changed if name not in left_out]
        results = self._run(self.base, changed), self._run_head(changed)
        failed = [_failed(result) for result in results]
        known = [name for name in changed if not any(name in each for each in failed)]
        shared = [name for name in known if name in self.base.graph.nodes and name in self.head.graph.nodes]
        self.tell(f"comparing the outputs of {len(shared)} step{'' if len(shared) == 1 else 's'}")
        with closing(self.head.pipeline.connect(self.options.target)) as connection:
            try:
                tables = [*self._tables(connection, shared), *self._alone(known)]
                forecasts = list(self._forecasts(connection, shared))
            except _connector_error() as error:
                raise StatementError(str(error)) from error
            cost = self._cost(connection, results, shared)
        return replace(
            found,
            ran=True,
            failures=_failures(*results),
            fixed=sorted(_errors(results[0]).keys() - _failed(results[1])),
            warnings=_new_warnings(*results),
            tables=tables,
            forecasts=forecasts,
            cost=cost,
            left_out=sorted(left_out),
        )

    def _run(self, side: Side, changed: Sequence[str]) -> RunResult | None:
        """Run the steps that change and those that they need; None if the pipeline has none of them."""
        names = {name for name in changed if name in side.graph.nodes}
        wanted = {
            base_name(name)
            for name in names | side.graph.ancestors(names)
            if not side.graph.nodes[name].declared
        }
        if not wanted:
            return None
        self.tell(
            f"running {len(wanted)} step{'' if len(wanted) == 1 else 's'} at {'base' if side is self.base else 'head'}"
        )
        sampled = Throwaway(side.pipeline.path, self.options.variables, _folder(side), self.options.series)
        return sampled.run(self.options.target, select=sorted(wanted), threads=self.options.threads)

    def _run_head(self, changed: Sequence[str]) -> RunResult | None:
        """Run the head where the base has run, and put the databases of the base beside those of the head."""
        base, head = _folder(self.base), _folder(self.head)
        if base.is_dir() and not self.options.fresh:
            copy_warehouse(base, head)
        samples = self.base.pipeline.base_dir / ".snowpipe" / "cache"
        if samples.is_dir():
            shutil.copytree(samples, self.head.pipeline.base_dir / ".snowpipe" / "cache", dirs_exist_ok=True)
        result = self._run(self.head, changed)
        if base.is_dir() and head.is_dir():
            put_beside(base, head)
        return result

    def _tables(self, connection: Connection, shared: Sequence[str]) -> Iterator[TableChange]:
        yield from table_changes(connection, self.base, self.head, shared, self.options.question)

    def _alone(self, known: Sequence[str]) -> Iterator[TableChange]:
        """Yield the tables of the steps that only one of the commits has."""
        for side, other in ((self.base, self.head), (self.head, self.base)):
            there = {name for _, name in written(other, other.graph.nodes)}
            own = [name for name in known if name in side.graph.nodes and name not in other.graph.nodes]
            for step, name in written(side, own):
                if name not in there:
                    yield absent(name, step, head=side is self.head)

    def _forecasts(self, connection: Connection, shared: Sequence[str]) -> Iterator[ForecastChange]:
        for name in shared:
            steps = [side.graph.nodes[name].step for side in (self.base, self.head)]
            if not all(isinstance(step, TrainForecasters) for step in steps):
                continue
            errors = []
            for side, step in zip((self.base, self.head), steps, strict=True):
                assert isinstance(step, TrainForecasters)
                table = whole_name(step.settings.writes, side.spec.target)
                if side is self.base:
                    table = at_base(table)
                errors.append(backtest_errors(connection, table, step.key(side.ctx)))
            (before, models), (now, others) = errors
            yield compared(name, before, now, (models, others))

    def _cost(
        self,
        connection: Connection,
        results: tuple[RunResult | None, RunResult | None],
        shared: Sequence[str],
    ) -> Cost | None:
        base, head = results
        if base is None or head is None:
            return None
        spec = self.head.spec
        rates = Rates(spec, State(connection, state_schema(spec, connection)), self.head.ctx)
        seconds, used, known = [0.0, 0.0], [0.0, 0.0], True
        for name in shared:
            if any(
                name not in each.steps or each.steps[name].status is not Status.SUCCESS
                for each in (base, head)
            ):
                continue
            for place, (side, result) in enumerate(((self.base, base), (self.head, head))):
                seconds[place] += result.steps[name].seconds
                try:
                    used[place] += result.steps[name].seconds * rates.of(side.graph.nodes[name]) / 3600
                except UsageError:  # its credits do not follow from a size
                    known = False
        return Cost((seconds[0], seconds[1]), (used[0], used[1]) if known else None)


def _folder(side: Side) -> Path:
    assert isinstance(side.pipeline, Throwaway)
    assert side.pipeline.folder is not None  # as for all that is run
    return side.pipeline.folder


def _connector_error() -> type[Exception]:
    from snowflake.connector.errors import Error

    return Error


def _left_out(side: Side, changed: Sequence[str]) -> set[str]:
    """Return the steps of which nothing can be compared and that no other step needs.

    They write only files, or tables that are named after the run.
    """
    stable = {name for _, name in written(_again(side), side.graph.nodes)}
    found: set[str] = set()
    for name in reversed(list(side.graph.nodes)):
        node = side.graph.nodes[name]
        if name not in changed or not side.graph.dependents(name) <= found or not node.writes:
            continue
        if all(
            r.kind is ResourceKind.STAGE or (r.kind is ResourceKind.TABLE and r.name not in stable)
            for r in node.writes
        ):
            found.add(name)
    return found


def _again(side: Side) -> Side:
    """Read a pipeline for another run."""
    return Side.read(
        side.pipeline, side.spec.target_name, replace(new_run(), model_id="MODEL_OF_ANOTHER_RUN")
    )


def _failed(result: RunResult | None) -> set[str]:
    """Return the steps that have no new outputs: they failed, or were skipped since another one did."""
    if result is None:
        return set()
    bad = [name for name, step in result.steps.items() if not step.status.good]
    return {*bad, *map(base_name, bad)}  # the items of a query are one node before it has run


def _errors(result: RunResult | None) -> dict[str, str]:
    if result is None:
        return {}
    return {
        name: cause(step.error) if step.error is not None else step.message
        for name, step in result.steps.items()
        if step.status is Status.FAILED
    }


def _failures(base: RunResult | None, head: RunResult | None) -> list[Failure]:
    if head is None:
        return []
    before = _errors(base)
    return [
        Failure(
            name,
            error,
            name in before,
            tuple(other for other, step in head.steps.items() if step.blamed == name and other != name),
        )
        for name, error in _errors(head).items()
    ]


def _new_warnings(base: RunResult | None, head: RunResult | None) -> list[tuple[str, str]]:
    """Return the warnings at the head that the base does not give, of the steps that ran."""
    if head is None:
        return []
    known = {(name, text) for name, step in base.steps.items() for text in step.warnings} if base else set()
    return [
        (name, text)
        for name, step in head.steps.items()
        for text in step.warnings
        if (name, text) not in known and step.status is Status.SUCCESS
    ]

"""The forecasts of a spec, with the steps that made them and those that judge them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.plugins import PlanContext, Step, StepSettings
from snowpipe_ml.sql import Identifier, QualifiedName
from snowpipe_ml.steps.forecasting.evaluation import EvaluateForecasts
from snowpipe_ml.steps.forecasting.features import Features
from snowpipe_ml.steps.forecasting.forecast import ForecastFromSaved
from snowpipe_ml.steps.forecasting.leaderboard import Leaderboard
from snowpipe_ml.steps.forecasting.models import name_of
from snowpipe_ml.steps.forecasting.monitor import Anomalies, Monitor
from snowpipe_ml.steps.forecasting.train import TrainForecasters

_StepT = TypeVar("_StepT", bound=Step[StepSettings])


@dataclass(frozen=True)
class Subject:
    """A table of forecasts, and the steps around it.

    Attributes:
        table: the table.
        source: the step that writes it.
        features: the step that writes the features of its series.
        trained: the step that trained the models; None if it is in another spec.
        model: the name of the model that makes the forecasts, such as ``ensemble``; None if it is in another spec.
        interval: the fraction of the values that the intervals should contain; None if it is in another spec.
        leaderboard: the step that scores the models of the backtest.
        evaluation: the step that scores the validation periods of each run.
        monitors: the steps that compare earlier forecasts with what came true.
        anomalies: the steps that list the values outside of their intervals.
    """

    table: QualifiedName
    source: TrainForecasters | ForecastFromSaved
    features: Features
    trained: TrainForecasters | None
    model: str | None
    interval: float | None
    leaderboard: Leaderboard | None = None
    evaluation: EvaluateForecasts | None = None
    monitors: tuple[Monitor, ...] = ()
    anomalies: tuple[Anomalies, ...] = ()

    @property
    def name(self) -> str:
        """The name for choosing among several."""
        return str(self.table)

    @property
    def key(self) -> Identifier:
        """The column that identifies a series."""
        return self.features.settings.partition_by

    @property
    def target(self) -> Identifier:
        """The column that is forecast."""
        return self.features.settings.target

    @property
    def history(self) -> tuple[QualifiedName, Identifier] | None:
        """The table with the history and its column, if the forecasts' table has only forecasts."""
        if isinstance(self.source, TrainForecasters):
            return None
        return self.source.settings.features, self.target

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels of the hierarchy from the top; empty without one."""
        columns = self.features.settings.hierarchy
        return ("TOTAL", *(column.name for column in columns)) if columns else ()


def subjects(graph: Graph, ctx: PlanContext) -> list[Subject]:
    """Return the tables of forecasts of a spec, in the order of the graph."""
    steps = [node.step for node in graph.nodes.values()]
    return [
        _subject(step, steps, ctx) for step in steps if isinstance(step, TrainForecasters | ForecastFromSaved)
    ]


def _subject(
    source: TrainForecasters | ForecastFromSaved, steps: Iterable[Step[StepSettings]], ctx: PlanContext
) -> Subject:
    name, features = source.settings.writes, source.features(ctx)
    trained = source if isinstance(source, TrainForecasters) else source.trained(ctx)
    # The backtest is in the table of the training.
    tested = trained.settings.writes if trained is not None else name
    kept = source.settings.forecast_history
    return Subject(
        name,
        source,
        features,
        trained,
        None if trained is None else name_of(trained.deployed(ctx).settings.model),
        None if trained is None else trained.deployed(ctx).settings.interval,
        next((one for one in _of(steps, Leaderboard) if one.settings.forecasts == tested), None),
        next((one for one in _of(steps, EvaluateForecasts) if one.settings.forecasts == tested), None),
        tuple(one for one in _of(steps, Monitor) if kept is not None and one.settings.history == kept),
        tuple(one for one in _of(steps, Anomalies) if kept is not None and one.settings.history == kept),
    )


def _of(steps: Iterable[Step[StepSettings]], kind: type[_StepT]) -> Iterator[_StepT]:
    return (step for step in steps if isinstance(step, kind))

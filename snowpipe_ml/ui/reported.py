"""The forecasts of a run for its report, as far as the target still has them."""

from __future__ import annotations

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.records.history import History
from snowpipe_ml.errors import SnowpipeMLError
from snowpipe_ml.plugins import PlanContext
from snowpipe_ml.plugins.connection import Asked
from snowpipe_ml.steps.report.reading import read_forecasts, sources_of
from snowpipe_ml.steps.report.reported import Reported


def read_forecasts_of(
    history: History, run_id: str, graph: Graph, ctx: PlanContext
) -> tuple[list[Reported], str]:
    """Read the tables of forecasts that are as they were after a run.

    Args:
        history: the run metadata, with the connection.
        run_id: the run.
        graph: the graph of the pipeline.
        ctx: the context for planning.

    Returns:
        The forecasts, and why some are missing; the reason is empty if none are. A report without them is better
        than none, so that an error of the target is a reason too.
    """
    from snowflake.connector.errors import Error

    found, problems = [], []
    try:
        sources = sources_of((node.step for node in graph.nodes.values()), ctx)
    except SnowpipeMLError as error:  # the spec is another one by now
        return [], str(error)
    if not sources:
        return [], ""
    as_left = history.as_left(run_id, {table for one in sources for table in one.tables})
    for one in sources:
        if one.table not in as_left:
            problems.append(f"{one.table.name} has changed since, or is gone")
            continue
        try:
            found.append(read_forecasts(Asked(history.state.connection), one, as_left))
        except (Error, SnowpipeMLError) as error:
            problems.append(f"{one.table.name} cannot be read: {error}")
    return found, "; ".join(problems)

"""The end of a run that removes what the spec says not to keep."""

from __future__ import annotations

import logging

from snowpipe_ml.engine.events import Status
from snowpipe_ml.engine.records.pruning import Past
from snowpipe_ml.engine.run.opened import OpenRun
from snowpipe_ml.engine.run.outcome import RunResult
from snowpipe_ml.sql import Identifier, QualifiedName

log = logging.getLogger("snowpipe_ml.engine")


def tidy(at: OpenRun, result: RunResult) -> None:
    """Drop old tables of steps with ``keep``, and delete old records as ``keep_runs`` says.

    The run has succeeded or failed before, so a statement that fails here is a warning.
    """
    if result.interrupted:
        return
    keeps = {name: node.step.keeps for name, node in at.graph.nodes.items() if node.step.keeps is not None}
    worked = {
        name: number
        for name, number in keeps.items()
        if name in result.steps and result.steps[name].status is Status.SUCCESS
    }
    state = at.state
    past = Past(state.ask, QualifiedName((*state.schema.parts, Identifier("EVENTS"))), *at.key)
    try:
        if worked:
            written = [resource.name for node in at.graph.nodes.values() for resource in node.writes]
            tables = [name for name in written if isinstance(name, QualifiedName)]
            past.drop_old_tables(at.run.id, worked, tables)
        if at.spec.pipeline.keep_runs is not None:
            past.prune(at.spec.pipeline.keep_runs, keeps)
    except Exception as error:
        log.warning("what earlier runs have left could not be removed, the next run tries again: %s", error)

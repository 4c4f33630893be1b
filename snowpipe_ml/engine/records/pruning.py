"""Records and tables of earlier runs that a run removes at its end.

The records of the last runs are kept, and of older ones those that later runs compare their steps with: the last
success of each step, and the intervals that backfills have computed. A step with the setting ``keep`` keeps the tables
of its last runs; the older ones are dropped, and that is recorded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping

from snowpipe_ml.engine.plan.versions import from_json
from snowpipe_ml.engine.records.intervals import FINISHED, STARTED
from snowpipe_ml.plugins import Kind
from snowpipe_ml.plugins.connection import Row
from snowpipe_ml.sql import Fragment, Literal, QualifiedName, Sql, join, sql

_OUTPUTS = """SELECT EVENT, STEP, DETAILS FROM {events}
WHERE PIPELINE = {pipeline} AND TARGET = {target} AND STEP IN ({steps})
  AND (EVENT = 'output_dropped' OR EVENT = 'step_finished' AND STATUS = 'success')
ORDER BY AT"""

_DROPPED = """INSERT INTO {events} (RUN_ID, PIPELINE, TARGET, EVENT, AT, STEP, DETAILS)
SELECT {run}, {pipeline}, {target}, 'output_dropped', SYSDATE(), {step}, {details}"""

# The successes that are kept, and the oldest of the runs whose records are kept as a whole.
_PRUNE = """DELETE FROM {events} WHERE PIPELINE = {pipeline} AND TARGET = {target}
AND RUN_ID < (SELECT MIN(RUN_ID) FROM (
  SELECT RUN_ID FROM {events} WHERE PIPELINE = {pipeline} AND TARGET = {target} AND EVENT = 'run_started'
  GROUP BY RUN_ID QUALIFY ROW_NUMBER() OVER (ORDER BY RUN_ID DESC) <= {keep}))
AND EVENT NOT IN ({intervals})
AND NOT (EVENT LIKE 'run%' AND RUN_ID IN (SELECT RUN_ID FROM ({kept}) UNION ALL
  SELECT RUN_ID FROM {events} WHERE PIPELINE = {pipeline} AND TARGET = {target} AND EVENT IN ({intervals})))
AND NOT (EVENT = 'step_finished' AND CONCAT(RUN_ID, ' ', STEP) IN (SELECT CONCAT(RUN_ID, ' ', STEP) FROM ({kept})))"""

_KEPT = """SELECT RUN_ID, STEP FROM {events}
WHERE PIPELINE = {pipeline} AND TARGET = {target} AND EVENT = 'step_finished' AND STATUS = 'success'
QUALIFY ROW_NUMBER() OVER (PARTITION BY STEP ORDER BY AT DESC) <= {number}"""


class Past:
    """The records of a pipeline on a target, and the tables that its steps have made.

    Args:
        run: runs a statement on the connection of the state store, with retries.
        events: the table of events.
        pipeline: the pipeline's name.
        target: the target's name.
    """

    def __init__(
        self, run: Callable[[Sql], list[Row]], events: QualifiedName, pipeline: str, target: str
    ) -> None:
        self._run = run
        self._names: dict[str, Fragment] = {
            "events": events,
            "pipeline": Literal(pipeline),
            "target": Literal(target),
        }

    def drop_old_tables(
        self, run_id: str, keeps: Mapping[str, int], others: Collection[QualifiedName]
    ) -> None:
        """Drop the tables that steps have made in earlier runs, but for the last ones of each.

        Args:
            run_id: the run that drops them.
            keeps: how many tables each step keeps.
            others: the tables that steps write now, which are not dropped.
        """
        steps = join(", ", [Literal(step) for step in keeps])
        made: dict[str, dict[QualifiedName, None]] = {step: {} for step in keeps}
        for event, step, text in self._run(sql(_OUTPUTS, steps=steps, **self._names)):
            details = json.loads(text)
            if event == "output_dropped":
                made[step].pop(QualifiedName.parse(details["table"]), None)
                continue
            for resource in from_json(details.get("outputs") or ()):
                if resource.kind is Kind.TABLE and isinstance(resource.name, QualifiedName):
                    made[step].pop(resource.name, None)
                    made[step][resource.name] = None
        for step, tables in made.items():
            for name in list(tables)[: -keeps[step]]:
                if name in others:
                    continue
                self._run(sql("DROP TABLE IF EXISTS {name}", name=name))
                details = Literal(json.dumps({"table": name.sql}))
                self._run(
                    sql(_DROPPED, run=Literal(run_id), step=Literal(step), details=details, **self._names)
                )

    def prune(self, keep: int, keeps: Mapping[str, int]) -> None:
        """Delete the records of all but the last runs, and keep what later runs compare their steps with.

        Args:
            keep: how many runs keep all of their records.
            keeps: how many tables steps keep, whose records say which ones they are.
        """
        cases = [sql("WHEN {step} THEN {n}", step=Literal(step), n=Literal(n)) for step, n in keeps.items()]
        number = sql("CASE STEP {cases} ELSE 1 END", cases=join(" ", cases)) if cases else Literal(1)
        kept = sql(_KEPT, number=number, **self._names)
        intervals = join(", ", [Literal(STARTED), Literal(FINISHED)])
        self._run(sql(_PRUNE, keep=Literal(keep), kept=kept, intervals=intervals, **self._names))

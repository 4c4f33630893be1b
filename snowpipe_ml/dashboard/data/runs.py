"""The queries on the run metadata for the pages Runs and Monitor.

The details of a record may hold images of the report, so that the warehouse takes from them what is shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from snowpipe_ml.sql import Literal, QualifiedName, Sql, sql


@dataclass(frozen=True)
class RunQueries:
    """The queries on the runs of a pipeline on a target.

    Attributes:
        events: the table of events.
        runs: the view of runs.
        pipeline: the pipeline's name.
        target: the target's name.
    """

    events: QualifiedName
    runs: QualifiedName
    pipeline: str
    target: str

    def last(self, most: int = 50) -> Sql:
        """Return the query of the last runs, newest first.

        RUN_ID, STARTED_AT (UTC), STATUS (NULL while it runs, or if it was killed), SECONDS, and the number of steps
        by how they ended.
        """
        return sql(
            """SELECT R.RUN_ID, R.STARTED_AT, R.STATUS, R.SECONDS, COALESCE(S.SUCCESS, 0) AS SUCCESS,
  COALESCE(S.FAILED, 0) AS FAILED, COALESCE(S.SKIPPED, 0) AS SKIPPED, COALESCE(S.REUSED, 0) AS REUSED
FROM {runs} R LEFT JOIN (
  SELECT RUN_ID, COUNT_IF(STATUS = 'success') AS SUCCESS, COUNT_IF(STATUS = 'failed') AS FAILED,
    COUNT_IF(STATUS = 'skipped') AS SKIPPED, COUNT_IF(STATUS = 'reused') AS REUSED
  FROM (
    SELECT RUN_ID, STATUS FROM {events} WHERE {own} AND EVENT = 'step_finished'
    QUALIFY ROW_NUMBER() OVER (PARTITION BY RUN_ID, STEP ORDER BY AT DESC) = 1
  ) GROUP BY RUN_ID
) S ON S.RUN_ID = R.RUN_ID
WHERE R.PIPELINE = {pipeline} AND R.TARGET = {target} ORDER BY R.RUN_ID DESC LIMIT {most}""",
            runs=self.runs,
            events=self.events,
            own=self._own(),
            pipeline=Literal(self.pipeline),
            target=Literal(self.target),
            most=Literal(most),
        )

    def variables(self) -> Sql:
        """Return the query of the variables that the last run was given: RUN_ID, VARIABLES (JSON)."""
        return sql(
            "SELECT RUN_ID, PARSE_JSON(DETAILS):variables::VARCHAR AS VARIABLES FROM {events} "
            "WHERE {own} AND EVENT = 'run_started' ORDER BY AT DESC LIMIT 1",
            events=self.events,
            own=self._own(),
        )

    def steps(self, run_id: str) -> Sql:
        """Return the query of the steps of a run: STEP, STATUS, SECONDS, ROW_COUNT, MESSAGE, ERROR, WARNINGS, AT, in order.

        WARNINGS is the number of them. A step that has begun and not ended has the status ``running``.
        """
        return sql(
            """SELECT STEP, IFF(EVENT = 'step_started', 'running', STATUS) AS STATUS, SECONDS, ROW_COUNT, MESSAGE, ERROR,
  NULLIF(ARRAY_SIZE(PARSE_JSON(DETAILS):warnings), 0) AS WARNINGS, AT
FROM {events} WHERE {own} AND RUN_ID = {run} AND EVENT IN ('step_started', 'step_finished')
QUALIFY ROW_NUMBER() OVER (PARTITION BY STEP ORDER BY AT DESC, IFF(EVENT = 'step_started', 0, 1) DESC) = 1
ORDER BY AT, STEP""",
            events=self.events,
            own=self._own(),
            run=Literal(run_id),
        )

    def details(self, run_id: str, step: str) -> Sql:
        """Return the query of what is recorded of a step in a run, without images.

        WARNINGS, METRICS, SETTINGS, INPUTS, OUTPUTS and CHECKS, as JSON.
        """
        return sql(
            """SELECT STATUS, MESSAGE, ERROR, D:warnings::VARCHAR AS WARNINGS, D:metrics::VARCHAR AS METRICS,
  D:settings::VARCHAR AS SETTINGS, D:inputs::VARCHAR AS INPUTS, D:outputs::VARCHAR AS OUTPUTS, D:checks::VARCHAR AS CHECKS
FROM (
  SELECT STATUS, MESSAGE, ERROR, AT, PARSE_JSON(DETAILS) AS D FROM {events}
  WHERE {own} AND RUN_ID = {run} AND STEP = {step} AND EVENT = 'step_finished'
) ORDER BY AT DESC LIMIT 1""",
            events=self.events,
            own=self._own(),
            run=Literal(run_id),
            step=Literal(step),
        )

    def metrics(self, most: int = 50) -> Sql:
        """Return the query of the metrics that steps recorded in the last runs: RUN_ID, STEP, METRIC, VALUE."""
        return sql(
            """SELECT E.RUN_ID, E.STEP, F.KEY AS METRIC, F.VALUE::FLOAT AS VALUE
FROM {events} E, LATERAL FLATTEN(INPUT => PARSE_JSON(E.DETAILS):metrics) F
WHERE {own} AND E.EVENT = 'step_finished' AND E.STATUS = 'success'
QUALIFY DENSE_RANK() OVER (ORDER BY E.RUN_ID DESC) <= {most} ORDER BY E.RUN_ID, E.STEP, METRIC""",
            events=self.events,
            own=self._own(),
            most=Literal(most),
        )

    def alerts(self) -> Sql:
        """Return the query of the warnings and errors that stand: RUN_ID, STEP, STATUS, ERROR, WARNINGS (JSON)."""
        return sql(
            """SELECT * FROM (
  SELECT RUN_ID, STEP, STATUS, ERROR, PARSE_JSON(DETAILS):warnings::VARCHAR AS WARNINGS
  FROM {events} WHERE {own} AND EVENT = 'step_finished' AND STATUS IN ('success', 'failed')
  QUALIFY ROW_NUMBER() OVER (PARTITION BY STEP ORDER BY AT DESC) = 1
) WHERE STATUS = 'failed' OR COALESCE(WARNINGS, '[]') <> '[]' ORDER BY STATUS, STEP""",
            events=self.events,
            own=self._own(),
        )

    def _own(self) -> Sql:
        return sql("PIPELINE = {p} AND TARGET = {t}", p=Literal(self.pipeline), t=Literal(self.target))

"""The look at the records before a run decides: one query, which changes nothing.

A run that finds nothing to do sends no other statement to the records, and needs no lock: it writes nothing. The
text of the query is the same in each run and names no changing function, so that Snowflake answers it from its
cache of results without a warehouse, unless the records have changed:
https://docs.snowflake.com/en/user-guide/querying-persisted-results
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from snowpipe_ml.engine.plan.decisions import Success
from snowpipe_ml.engine.records.migrations import MIGRATIONS
from snowpipe_ml.engine.retry import DOES_NOT_EXIST, number_of
from snowpipe_ml.plugins.connection import Row
from snowpipe_ml.sql import Fragment, Literal, Sql, sql

_QUERY = """SELECT 'version' AS WHAT, NULL::VARCHAR AS RUN_ID, NULL::VARCHAR AS STEP, NULL::VARCHAR AS DETAILS,
  MAX(VERSION) AS N, NULL::TIMESTAMP_NTZ AS AT FROM {migrations}
UNION ALL SELECT 'lock', RUN_ID, NULL, NULL, TOKEN, NULL FROM {locks} WHERE PIPELINE = {pipeline} AND TARGET = {target}
UNION ALL SELECT DISTINCT 'writes', NULL, NULL, PARSE_JSON(DETAILS):writes::VARCHAR, NULL, NULL
FROM {events} WHERE PIPELINE = {pipeline} AND TARGET = {target} AND EVENT IN ('run_started', 'run_resumed')
UNION ALL SELECT 'success', RUN_ID, STEP, DETAILS, ROW_COUNT, AT FROM (
  SELECT RUN_ID, STEP, DETAILS, ROW_COUNT, AT FROM {events}
  WHERE PIPELINE = {pipeline} AND TARGET = {target} AND EVENT = 'step_finished' AND STATUS = 'success'
  QUALIFY ROW_NUMBER() OVER (PARTITION BY STEP ORDER BY AT DESC) = 1
)"""


@dataclass(frozen=True)
class Glance:
    """The state of a pipeline on a target, as the records have it.

    Attributes:
        successes: the last success of each step.
        written: the names of the tables that past runs were going to write.
        token: the fencing token of the last run that held the lock.
        held: whether a run holds the lock, or was killed while it did.
    """

    successes: Mapping[str, Success] = field(default_factory=dict)
    written: frozenset[str] = frozenset()
    token: int = 0
    held: bool = False


def glance(
    run: Callable[[Sql], list[Row]], names: Mapping[str, Fragment], pipeline: str, target: str
) -> Glance | None:
    """Look at the records; None if there are none yet, or those of another version of this package.

    Args:
        run: runs one statement and returns its rows.
        names: the tables of migrations, locks and events.
        pipeline: the pipeline's name.
        target: the target's name.
    """
    try:
        rows = run(sql(_QUERY, pipeline=Literal(pipeline), target=Literal(target), **names))
    except Exception as error:
        if number_of(error) not in DOES_NOT_EXIST:
            raise
        return None
    by_kind: dict[str, list[Row]] = {}
    for row in rows:
        by_kind.setdefault(str(row["WHAT"]), []).append(row)
    if [row["N"] for row in by_kind["version"]] != [len(MIGRATIONS)]:
        return None
    locks = by_kind.get("lock", [])
    written = [json.loads(row["DETAILS"]) for row in by_kind.get("writes", []) if row["DETAILS"]]
    return Glance(
        {
            str(row["STEP"]): Success.read(
                str(row["RUN_ID"]), json.loads(row["DETAILS"]), row["N"], row["AT"]
            )
            for row in by_kind.get("success", [])
        },
        frozenset(name for names in written for name in names),
        max((int(row["N"]) for row in locks), default=0),
        any(row["RUN_ID"] is not None for row in locks),
    )

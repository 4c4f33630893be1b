"""The cost of a run in credits, as the account has attributed them to its statements by their query tags.

The credits of a statement do not contain the time in which its warehouse was idle; the metering of the warehouse
has both. Both views are hours late:
https://docs.snowflake.com/en/sql-reference/account-usage/query_attribution_history
https://docs.snowflake.com/en/sql-reference/account-usage/warehouse_metering_history
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from snowpipe_ml.engine.records.history import History, StepRecord
from snowpipe_ml.engine.retry import DOES_NOT_EXIST, number_of
from snowpipe_ml.errors import UsageError
from snowpipe_ml.plugins import Kind
from snowpipe_ml.plugins.connection import Row
from snowpipe_ml.sql import Literal, Sql, join, sql

_DENIED = 3001  # insufficient privileges

_ATTRIBUTED = """SELECT QUERY_TAG, WAREHOUSE_NAME, COUNT(*) AS STATEMENTS,
  SUM(CREDITS_ATTRIBUTED_COMPUTE + COALESCE(CREDITS_USED_QUERY_ACCELERATION, 0)) AS CREDITS,
  MIN(START_TIME) AS BEGAN, MAX(END_TIME) AS ENDED
FROM SNOWFLAKE.ACCOUNT_USAGE.QUERY_ATTRIBUTION_HISTORY
WHERE CONTAINS(QUERY_TAG, {run})
GROUP BY QUERY_TAG, WAREHOUSE_NAME"""

# The hours of a warehouse in which a statement of the run ran; they are those of all its users.
_METERED = """SELECT M.WAREHOUSE_NAME, SUM(M.CREDITS_USED_COMPUTE) AS USED,
  SUM(M.CREDITS_ATTRIBUTED_COMPUTE_QUERIES) AS ATTRIBUTED
FROM SNOWFLAKE.ACCOUNT_USAGE.WAREHOUSE_METERING_HISTORY M
JOIN (SELECT COLUMN1 AS NAME, COLUMN2::TIMESTAMP_LTZ AS BEGAN, COLUMN3::TIMESTAMP_LTZ AS ENDED FROM VALUES {spans}) S
  ON S.NAME = M.WAREHOUSE_NAME AND M.START_TIME <= S.ENDED AND M.END_TIME > S.BEGAN
GROUP BY M.WAREHOUSE_NAME"""


@dataclass(frozen=True)
class StepCost:
    """The credits of a step.

    Attributes:
        step: the name of the step.
        credits: the credits of its statements.
        statements: how many statements they were; those of a tenth of a second and less are not attributed.
        warehouses: the warehouses that ran them.
        seconds: the duration of the step.
        outputs: the tables and stages that it wrote.
    """

    step: str
    credits: float
    statements: int
    warehouses: tuple[str, ...]
    seconds: float | None
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class WarehouseCost:
    """The credits of a warehouse in the hours in which a run used it.

    Attributes:
        name: the name of the warehouse.
        credits: those of the statements of the run.
        used: those of the warehouse, for all its users.
        idle: those of the time in which it waited for statements.
    """

    name: str
    credits: float
    used: float
    idle: float

    @property
    def advice(self) -> str | None:
        """The advice on the settings of the warehouse; None if it was busy for more than half of the time."""
        if self.idle <= self.used / 2:
            return None
        return (
            f"{self.name} was idle for {self.idle / self.used:.0%} of its time: set a lower `auto_suspend`, choose a "
            "smaller `size`, or let its steps use the warehouse of other steps"
        )


@dataclass(frozen=True)
class RunCost:
    """The cost of a run.

    Attributes:
        run_id: the run.
        steps: the credits by step, the most expensive one first.
        warehouses: the credits by warehouse.
    """

    run_id: str
    steps: tuple[StepCost, ...] = ()
    warehouses: tuple[WarehouseCost, ...] = field(default=())

    @property
    def credits(self) -> float:
        """The credits of all steps, without idle time."""
        return sum(step.credits for step in self.steps)

    @property
    def advice(self) -> tuple[str, ...]:
        """The advice on the warehouses."""
        return tuple(text for warehouse in self.warehouses if (text := warehouse.advice) is not None)


def run_cost(history: History, run_id: str | None = None) -> RunCost:
    """Return what a run has cost, as far as the account has attributed it by now.

    Args:
        history: the history of the pipeline.
        run_id: the run; None for the last one.

    Raises:
        UsageError: the run does not exist, or the role cannot read the views.
    """
    found = history.run(run_id)
    records = history.steps(found.id)
    run = history.state.ask
    wanted = {"run": Literal(json.dumps({"run": found.id})[1:-1])}
    by_step: dict[str, list[Row]] = {}
    by_warehouse: dict[str, list[Row]] = {}
    for row in _asked(run, sql(_ATTRIBUTED, **wanted)):
        by_step.setdefault(str(json.loads(row["QUERY_TAG"])["step"]), []).append(row)
        by_warehouse.setdefault(str(row["WAREHOUSE_NAME"]), []).append(row)
    known = {record.step: record for record in records}
    steps = [_step(name, rows, known.get(name)) for name, rows in by_step.items()]
    return RunCost(
        found.id,
        tuple(sorted(steps, key=lambda step: (-step.credits, step.step))),
        tuple(_warehouses(run, by_warehouse)) if by_warehouse else (),
    )


def _step(name: str, rows: list[Row], record: StepRecord | None) -> StepCost:
    outputs = record.versions("outputs") if record is not None else {}
    return StepCost(
        name,
        sum(float(row["CREDITS"] or 0) for row in rows),
        sum(int(row["STATEMENTS"]) for row in rows),
        tuple(sorted({str(row["WAREHOUSE_NAME"]) for row in rows})),
        None if record is None else record.seconds,
        tuple(str(resource.name) for resource in outputs if resource.kind in (Kind.TABLE, Kind.STAGE)),
    )


def _warehouses(
    run: Callable[[Sql], list[Row]], by_warehouse: dict[str, list[Row]]
) -> Iterable[WarehouseCost]:
    spans = [
        Literal(
            [
                name,
                min(row["BEGAN"] for row in rows).isoformat(),
                max(row["ENDED"] for row in rows).isoformat(),
            ]
        )
        for name, rows in by_warehouse.items()
    ]
    metered = {str(row["WAREHOUSE_NAME"]): row for row in _asked(run, sql(_METERED, spans=join(", ", spans)))}
    for name, rows in sorted(by_warehouse.items()):
        own = sum(float(row["CREDITS"] or 0) for row in rows)
        row = metered.get(name)
        used = float(row["USED"] or 0) if row is not None else own
        busy = float(row["ATTRIBUTED"] or 0) if row is not None else own
        yield WarehouseCost(name, own, used, max(0.0, used - busy))


def _asked(run: Callable[[Sql], list[Row]], statement: Sql) -> list[Row]:
    try:
        return run(statement)
    except Exception as error:
        if number_of(error) not in DOES_NOT_EXIST | {_DENIED}:
            raise
        raise UsageError(
            "this role cannot read the costs in SNOWFLAKE.ACCOUNT_USAGE: an administrator gives it the privilege with "
            "GRANT DATABASE ROLE SNOWFLAKE.USAGE_VIEWER TO ROLE, and the name of the role"
        ) from error

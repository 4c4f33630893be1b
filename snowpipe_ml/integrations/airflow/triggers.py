"""The trigger that waits for the end of a step which another task runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

OUTCOMES = "outcomes"
"""The key of the XCom with the outcomes of the steps so far, by name."""

_ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}


class StepEnded(BaseTrigger):
    """Waits until a step has ended in the run of another task, or that task has ended without it.

    Args:
        dag_id: the DAG.
        run_id: the DAG run.
        producer: the task that runs the pipeline.
        step: the step.
        seconds: how long to wait between two looks.
    """

    def __init__(self, *, dag_id: str, run_id: str, producer: str, step: str, seconds: float) -> None:
        super().__init__()
        self.dag_id, self.run_id, self.producer, self.step, self.seconds = (
            dag_id,
            run_id,
            producer,
            step,
            seconds,
        )

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow stores of the trigger."""
        return (
            "snowpipe_ml.integrations.airflow.triggers.StepEnded",
            {
                "dag_id": self.dag_id,
                "run_id": self.run_id,
                "producer": self.producer,
                "step": self.step,
                "seconds": self.seconds,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look for the outcome until there is one."""
        while True:
            state = await asyncio.to_thread(self._state)  # before the outcome, which may be told meanwhile
            # A task that has not run yet has no XComs, and asking for them would log errors.
            outcome = await asyncio.to_thread(self._outcome) if state in _ENDED | {"running"} else None
            if outcome is not None or state in _ENDED:
                yield TriggerEvent({"outcome": outcome, "state": state})
                return
            await asyncio.sleep(self.seconds)

    def _outcome(self) -> Any:
        from airflow.sdk.execution_time.xcom import XCom  # not needed to draw a DAG

        found = XCom.get_one(key=OUTCOMES, dag_id=self.dag_id, task_id=self.producer, run_id=self.run_id)
        return (found or {}).get(self.step)

    def _state(self) -> str | None:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        states = RuntimeTaskInstance.get_task_states(
            dag_id=self.dag_id, task_ids=[self.producer], run_ids=[self.run_id]
        )
        found = states.get(self.run_id, {}).get(self.producer)
        return None if found is None else str(getattr(found, "value", found))

"""Runs the example in one process of Airflow, and prints what Airflow knows of it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta

from snowpipe_ml.integrations.airflow import PipelineDag


def main() -> None:
    spec, *days = sys.argv[1:]
    dag = PipelineDag(
        spec, schedule=None, start_date=datetime(2022, 1, 1, tzinfo=UTC), retry_delay=timedelta(0)
    )
    shown = []
    for day in days:
        run = dag.test(logical_date=datetime.fromisoformat(day).replace(tzinfo=UTC))
        tasks = {f"{t.task_id}{t.map_index}": [str(t.state), t.try_number] for t in run.get_task_instances()}
        shown.append({"state": str(run.state), "tasks": tasks})
    print(json.dumps(shown))


if __name__ == "__main__":
    main()

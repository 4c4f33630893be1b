"""A DAG file of the example, which runs its DAG in one process and prints what Airflow knows of it."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG

from snowpipe_ml import Pipeline
from snowpipe_ml.integrations.airflow import PipelineDag, pipeline_tasks

once = {"schedule": None, "start_date": datetime(2022, 1, 1, tzinfo=UTC)}
if "ORDERS_GROUP" in os.environ:
    with DAG("grouped", **once) as dag:
        pipeline_tasks(
            os.environ["ORDERS_SPEC"], group_id=os.environ["ORDERS_GROUP"], retry_delay=timedelta(0)
        )
else:
    dag = PipelineDag(os.environ["ORDERS_SPEC"], retry_delay=timedelta(0), **once)


def main(days: list[str]) -> None:
    shown = []
    run = None
    for day in days:
        if run is not None:  # its run is begun again, and left unfinished
            Pipeline.from_yaml(os.environ["ORDERS_SPEC"]).begin_run(run_key=f"airflow:orders/{run.run_id}")
        run = dag.test(logical_date=datetime.fromisoformat(day).replace(tzinfo=UTC))
        tasks = {f"{t.task_id}{t.map_index}": [str(t.state), t.try_number] for t in run.get_task_instances()}
        shown.append({"state": str(run.state), "tasks": tasks})
    print(json.dumps(shown))


if __name__ == "__main__":
    main(sys.argv[1:])

"""Runs the example in Prefect with its own server, and prints what Prefect knows of it."""

from __future__ import annotations

import json
import os
import sys
from datetime import date

from prefect.client.orchestration import get_client
from prefect.testing.utilities import prefect_test_harness

from snowpipe_ml import Pipeline
from snowpipe_ml.integrations.prefect import SnowflakeConnection, pipeline_flow
from tests.integrations.pictures import pictures_in


def main() -> None:
    spec, day, *left = sys.argv[1:]
    with prefect_test_harness(server_startup_timeout=300):
        block, select = None, []
        if "SERVED" in os.environ:
            parameters = json.loads(os.environ["SERVED"])
            secrets = {"password": parameters.pop("password")}
            SnowflakeConnection(parameters=parameters, secrets=secrets).save("served")
            block, select = "served", ["a"]
        flow = pipeline_flow(spec, retry_delay_seconds=0.1, connection=block, select=select)
        state = flow(run_date=date.fromisoformat(day), return_state=True)
        if left:  # its run is begun again, and left unfinished
            key = f"prefect:{state.state_details.flow_run_id}"
            Pipeline.from_yaml(spec).begin_run(run_key=key)
            state = flow(run_date=date.fromisoformat(day), return_state=True)
        with get_client(sync_client=True) as client:
            runs = client.read_task_runs()
            artifacts = client.read_artifacts()
    tasks = {run.name: [run.state.name, run.run_count] for run in runs if run.state is not None}
    keys = sorted(str(artifact.key) for artifact in artifacts)
    pictures = pictures_in(
        "".join(str(artifact.data) for artifact in artifacts if artifact.type == "markdown")
    )
    print(json.dumps({"state": state.name, "tasks": tasks, "artifacts": keys, "pictures": pictures}))


if __name__ == "__main__":
    main()

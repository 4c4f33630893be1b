"""Draw a pipeline with a custom translator, run it with Sessions of the caller, and print what Dagster knows."""

from __future__ import annotations

import json
import os
import sys

import dagster as dg
from snowflake.snowpark import Session

from snowpipe_ml.engine.plan.tasks import Task
from snowpipe_ml.integrations.dagster import Translator, definitions, pipeline_assets


class Own(Translator):
    """Keys, groups and kinds of a company."""

    def asset_key(self, pipeline: str, task: Task) -> dg.AssetKey:
        return dg.AssetKey(["lake", task.name])

    def group(self, pipeline: str, task: Task) -> str:
        return f"{pipeline}_{task.type}"

    def kinds(self, task: Task) -> set[str]:
        return {"sql"}


def main() -> None:
    parameters = json.loads(os.environ["SERVED"])
    found = pipeline_assets(
        sys.argv[1],
        select=["a"],
        translator=Own(),
        session_factory=lambda: Session.builder.configs(parameters).create(),
    )
    job = definitions(found).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert isinstance(found, dg.AssetsDefinition)
    (spec,) = found.specs
    print(
        json.dumps(
            {
                "ok": result.success,
                "key": spec.key.path,
                "group": spec.group_name,
                "kinds": sorted(spec.kinds),
                "owners": list(spec.owners),
                "tags": sorted(tag for tag in spec.tags if tag.startswith("snowpipe_ml/")),
                "made": [e.asset_key.path for e in result.get_asset_materialization_events() if e.asset_key],
            }
        )
    )


if __name__ == "__main__":
    main()

"""Runs the example in Dagster, and prints what Dagster knows of it: arguments are the spec, the mode and dates."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from snowpipe_ml import Pipeline
from snowpipe_ml.integrations.dagster import definitions, pipeline_assets
from tests.integrations.pictures import pictures_in

spec, mode, *dates = sys.argv[1:]
retries = dg.RetryPolicy(max_retries=2, delay=0.1)
partitions = dg.StaticPartitionsDefinition(dates)


def shown(result: dg.ExecuteInProcessResult, statements: dict[str, str]) -> dict[str, Any]:
    return {
        "sql": statements,
        "ok": result.success,
        "assets": {
            event.asset_key.path[-1]: {
                "rows": event.materialization.metadata["dagster/row_count"].value
                if "dagster/row_count" in event.materialization.metadata
                else None,
                "status": event.materialization.metadata["status"].value,
                "version": event.materialization.tags["dagster/data_version"],
                "report": event.materialization.metadata["report"].value,
                "pictures": pictures_in(
                    "".join(
                        value.md_str
                        for value in event.materialization.metadata.values()
                        if isinstance(value, dg.MarkdownMetadataValue)
                    )
                ),
            }
            for event in result.get_asset_materialization_events()
            if event.asset_key is not None
        },
        "checks": {e.check_name: [e.passed, e.severity.value] for e in result.get_asset_check_evaluations()},
        "retried": sorted(event.step_key for event in result.all_events if event.is_step_up_for_retry),
    }


def stale() -> None:
    """Print which assets Dagster calls stale: after a run, after two changes of the spec, and after a second run."""
    file = Path(spec)
    text = file.read_text()
    with dg.DagsterInstance.ephemeral() as instance:
        told = []
        for now, runs in (
            (text, True),
            (text.replace("name: ", "description: other words\nname: "), False),
            (text.replace("X + 1", "X + 2"), False),
            (text.replace("X + 1", "X + 2"), True),
        ):
            file.write_text(now)
            defs = definitions(pipeline_assets(spec))
            if runs:
                assert (
                    defs.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance).success
                )
            graph = defs.resolve_asset_graph()
            statuses = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
            told.append({key.path[-1]: statuses.get_status(key).value for key in graph.get_all_asset_keys()})
    print(json.dumps(told))


def main() -> None:
    found = pipeline_assets(
        spec,
        partitions_def=partitions,
        op_per_step=mode in ("ops", "left"),
        retry_policy=retries if mode == "ops" else None,
    )
    job = definitions(found).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        if mode == "backfill":
            tags = {
                "dagster/asset_partition_range_start": dates[0],
                "dagster/asset_partition_range_end": dates[-1],
            }
            results = [job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)]
        elif mode == "left":
            first = job.execute_in_process(instance=instance, partition_key=dates[0])
            # A run that Dagster's run has left unfinished.
            Pipeline.from_yaml(spec).begin_run(run_key=f"dagster:{first.run_id}/left")
            results = [job.execute_in_process(instance=instance, partition_key=dates[0])]
        else:
            selections: list[Any] = [None, None] if mode == "whole" else [None]
            if mode == "subset":
                selections += [[dg.AssetKey(["orders", "sold"])], [dg.AssetKey(["orders", "by_region"])]]
            results = [
                job.execute_in_process(
                    instance=instance, partition_key=dates[0], asset_selection=selection, raise_on_error=False
                )
                for selection in selections
            ]
    for result in results:
        for event in result.all_events:
            if event.is_failure:
                print(event.message, getattr(event.event_specific_data, "error", None), file=sys.stderr)
    statements = {
        spec.key.path[-1]: spec.metadata["SQL"].value
        for assets in ([found] if isinstance(found, dg.AssetsDefinition) else found)
        for spec in assets.specs
        if "SQL" in spec.metadata
    }
    print(json.dumps([shown(result, statements) for result in results]))


if __name__ == "__main__":
    stale() if mode == "stale" else main()

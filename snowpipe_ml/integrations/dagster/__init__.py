"""Pipelines as assets of Dagster, with the extra ``dagster``.

>>> from dagster import Definitions  # doctest: +SKIP
>>> defs = Definitions(assets=[pipeline_assets("citibike.yaml", target="prod")])  # doctest: +SKIP

By default, a pipeline is one ``multi_asset``: Dagster's run is one run of the pipeline in one process, which runs
its steps in parallel, and any part of the assets can be selected. With ``op_per_step`` each step has an op, which
Dagster schedules, retries and limits; all ops of Dagster's run share one run of the pipeline.

https://docs.dagster.io/guides/build/assets/defining-assets
"""

from __future__ import annotations

from snowpipe_ml.errors import MissingExtraError

try:
    import dagster  # noqa: F401 - the modules below need it
except ImportError as error:
    raise MissingExtraError("dagster", "snowpipe_ml.integrations.dagster") from error

from snowpipe_ml.integrations.dagster.assets import definitions, pipeline_assets
from snowpipe_ml.integrations.dagster.component import PipelineComponent
from snowpipe_ml.integrations.dagster.drawing import Translator

__all__ = ["PipelineComponent", "Translator", "definitions", "pipeline_assets"]

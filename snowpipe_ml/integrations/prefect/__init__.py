"""Pipelines as flows of Prefect, with the extra ``prefect``.

>>> flow = pipeline_flow("citibike.yaml", target="prod")  # doctest: +SKIP
>>> flow.serve(cron="0 6 2 * *")  # doctest: +SKIP

A flow run is one run of the pipeline, in one process, with a task for each step.

https://docs.prefect.io/v3/concepts/flows
"""

from __future__ import annotations

from snowpipe_ml.errors import MissingExtraError

try:
    import prefect  # noqa: F401 - the modules below need it
except ImportError as error:
    raise MissingExtraError("prefect", "snowpipe_ml.integrations.prefect") from error

from snowpipe_ml.integrations.prefect.connection import SnowflakeConnection
from snowpipe_ml.integrations.prefect.flow import StepFailedError, pipeline_flow

__all__ = ["SnowflakeConnection", "StepFailedError", "pipeline_flow"]

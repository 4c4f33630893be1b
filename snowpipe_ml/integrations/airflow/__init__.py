"""Pipelines as DAGs of Airflow 3, with the extra ``airflow``.

>>> dag = PipelineDag("citibike.yaml", target="prod", schedule="@monthly")  # doctest: +SKIP

The run date is the logical date. A DAG run is one run of the pipeline: with the mode ``tasks`` each step is a task in
a separate process; with ``watch`` one task runs the whole graph, and the other tasks wait, without a worker, for
their steps. Importing the libraries takes longer than most steps, so that ``watch`` is faster, while ``tasks`` lets
Airflow place, limit and retry each step.

https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/dags.html
"""

from __future__ import annotations

from snowpipe_ml.errors import MissingExtraError

try:
    import airflow.sdk  # noqa: F401 - the modules below need it
except ImportError as error:
    raise MissingExtraError("airflow", "snowpipe_ml.integrations.airflow") from error

from snowpipe_ml.integrations.airflow.dag import PipelineDag, pipeline_tasks

__all__ = ["PipelineDag", "pipeline_tasks"]

"""OpenLineage events for runs, written to a file or sent to a collector such as Marquez or DataHub.

https://openlineage.io/docs/spec/object-model
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from snowpipe_ml.engine.events import Event, RunFinished, RunStarted, Status, StepFinished, StepStarted
from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.errors import MissingExtraError
from snowpipe_ml.plugins import Kind, Resource
from snowpipe_ml.spec.fanout import is_object
from snowpipe_ml.sql import QualifiedName
from snowpipe_ml.text.redaction import redact
from snowpipe_ml.version import __version__

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import RunEvent, RunState

log = logging.getLogger("snowpipe_ml.integrations")
NAMESPACE = "snowpipe-ml"
PRODUCER = f"https://pypi.org/project/snowpipe-ml/{__version__}"


@dataclass(frozen=True)
class Datasets:
    """The datasets that a step reads and writes, as OpenLineage's pairs of (namespace, name)."""

    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]


class OpenLineage:
    """Listens to a run and emits its events: one job for the pipeline, with a child job for each step.

    If events cannot be delivered, one warning is logged and the run continues.

    Args:
        client: the OpenLineage client.
        datasets: the datasets of each step, by the step's name.
        namespace: the namespace of the jobs.
    """

    def __init__(
        self, client: OpenLineageClient, datasets: Mapping[str, Datasets], namespace: str = NAMESPACE
    ) -> None:
        self._client = client
        self._datasets = datasets
        self._namespace = namespace
        self._run: RunStarted | None = None
        self._warned = False
        self._begun: set[str] = set()

    @classmethod
    def to(cls, destination: str, pipeline: Pipeline, target: str | None = None) -> OpenLineage:
        """Create a listener that appends JSON lines to a file or posts to an http(s) URL.

        Raises:
            MissingExtraError: the OpenLineage client is not installed.
            SpecError: the spec is invalid.
        """
        try:
            from openlineage.client import OpenLineageClient
            from openlineage.client.transport.file import FileConfig, FileTransport
            from openlineage.client.transport.http import HttpConfig, HttpTransport
        except ImportError as error:
            raise MissingExtraError("openlineage", "--openlineage") from error
        transport: Any
        if destination.startswith(("http://", "https://")):
            transport = HttpTransport(HttpConfig(url=destination, retry={"total": 1}))
        else:
            transport = FileTransport(FileConfig(log_file_path=destination, append=True))
        return cls(OpenLineageClient(transport=transport), datasets_of(pipeline, target))

    def __call__(self, event: Event) -> None:
        """Emit the OpenLineage event that an event of the run corresponds to, if any."""
        from openlineage.client.event_v2 import RunState

        match event:
            case RunStarted():
                self._run = event
                self._emit(None, RunState.START, event.at)
            case StepStarted() if not is_object(event.step):
                self._begun.add(event.step)
                self._emit(event.step, RunState.START)
            case StepFinished(status=Status.SUCCESS) if not is_object(event.step):
                self._emit(event.step, RunState.COMPLETE, rows=event.rows)
            case StepFinished(status=Status.FAILED) if not is_object(event.step):
                self._emit(event.step, RunState.FAIL, error=event.message)
            case StepFinished(status=Status.OMITTED) if event.step in self._begun:
                self._emit(event.step, RunState.ABORT)
            case RunFinished(status=Status.CANCELED):
                self._emit(None, RunState.ABORT)
            case RunFinished():
                self._emit(None, RunState.COMPLETE if event.status is Status.SUCCESS else RunState.FAIL)

    def _emit(
        self,
        step: str | None,
        state: RunState,
        at: datetime | None = None,
        *,
        rows: int | None = None,
        error: str = "",
    ) -> None:
        try:
            self._client.emit(self._event(step, state, at or datetime.now(UTC), rows, error))
        except Exception as problem:
            if not self._warned:
                log.warning("OpenLineage: events cannot be delivered: %s", redact(str(problem)))
            self._warned = True

    def _event(
        self, step: str | None, state: RunState, at: datetime, rows: int | None, error: str
    ) -> RunEvent:
        from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent
        from openlineage.client.facet_v2 import (
            error_message_run,
            job_type_job,
            output_statistics_output_dataset,
            parent_run,
        )

        assert self._run is not None
        run_facets: dict[str, Any] = {}
        found = Datasets((), ())
        if step is not None:
            # The items of a `foreach` query are not known in advance, and neither are their datasets.
            found = self._datasets.get(step, found)
            run_facets["parent"] = parent_run.ParentRunFacet(
                parent_run.Run(self._run_id(None)), parent_run.Job(self._namespace, self._run.pipeline)
            )
        if error:
            run_facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(redact(error), "SQL")
        kind = job_type_job.JobTypeJobFacet("BATCH", "SNOWPIPE_ML", "DAG" if step is None else "TASK")
        statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=rows)
        facets: dict[str, Any] = (
            {"outputStatistics": statistics} if rows is not None and len(found.outputs) == 1 else {}
        )
        return RunEvent(
            eventTime=at.isoformat(),
            eventType=state,
            producer=PRODUCER,
            run=Run(self._run_id(step), run_facets),
            job=Job(self._namespace, ".".join(filter(None, (self._run.pipeline, step))), {"jobType": kind}),
            inputs=[InputDataset(*name) for name in found.inputs],
            outputs=[OutputDataset(*name, outputFacets=facets) for name in found.outputs],
        )

    def _run_id(self, step: str | None) -> str:
        """The stable UUID of the run or of a step's run: OpenLineage identifies runs by UUIDs."""
        from openlineage.client.uuid import generate_static_uuid

        assert self._run is not None
        return str(generate_static_uuid(self._run.at, f"{self._run.run_id}/{step or ''}".encode()))


def datasets_of(pipeline: Pipeline, target: str | None = None) -> dict[str, Datasets]:
    """The datasets that each step of a pipeline reads and writes."""
    spec, graph, _ = pipeline.load(target)
    namespace = spec.target.namespace(pipeline.path.resolve().parent)
    home = (spec.target.database, spec.target.schema_)

    def named(resources: Iterable[Resource]) -> tuple[tuple[str, str], ...]:
        found = []
        for resource in resources:
            if resource.kind is Kind.TABLE and isinstance(resource.name, QualifiedName):
                parts = (*home[: 3 - len(resource.name.parts)], *resource.name.parts)
                found.append((namespace, ".".join(part.name for part in parts)))
            elif resource.kind is Kind.STAGE:
                found.append((namespace, str(resource.name)))
        return tuple(dict.fromkeys(found))

    return {
        name: Datasets(named(node.reads), named(node.writes))
        for name, node in graph.nodes.items()
        if not node.declared
    }

"""The handle of a run whose steps are run one by one, in any process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from snowpipe_ml.errors import UsageError
from snowpipe_ml.plugins import RunInfo


@dataclass(frozen=True)
class RunHandle:
    """A run that was begun: what another process needs to run a step of it.

    It contains no secrets. The variables, the items of ``foreach`` and the selection are in the run metadata
    of the target.

    Attributes:
        run_id: the run's id.
        pipeline: the pipeline's name.
        target: the target's name.
        token: the fencing token with which all steps of the run publish.
        run_date: the run date.
        model_id: the id of the models trained in the run.
        started_at: when the run was begun first.
        run_key: the key that the run was begun with; None if it has none.
        tasks: the names of the run's tasks, in an order in which they can run.
        groups: the nodes of each step with ``foreach``, by the step's name.
    """

    run_id: str
    pipeline: str
    target: str
    token: int
    run_date: date
    model_id: str
    started_at: datetime
    run_key: str | None = None
    tasks: tuple[str, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def run(self) -> RunInfo:
        """The identity of the run."""
        return RunInfo(self.run_id, self.started_at, self.model_id, self.run_date)

    def to_json(self) -> dict[str, object]:
        """Return the handle as plain data, for another process: texts, numbers, lists and dicts."""
        return {
            "run_id": self.run_id,
            "pipeline": self.pipeline,
            "target": self.target,
            "token": self.token,
            "run_date": self.run_date.isoformat(),
            "model_id": self.model_id,
            "started_at": self.started_at.isoformat(),
            "run_key": self.run_key,
            "tasks": list(self.tasks),
            "groups": {name: list(nodes) for name, nodes in self.groups.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object] | RunHandle) -> RunHandle:
        """Create a handle from what :meth:`to_json` returned; a handle is returned as it is.

        Raises:
            UsageError: it is neither.
        """
        if isinstance(data, RunHandle):
            return data
        try:
            values = dict(data)
            tasks, groups = values["tasks"], values["groups"]
            assert isinstance(tasks, list | tuple)
            assert isinstance(groups, Mapping)
            return cls(
                run_id=str(values["run_id"]),
                pipeline=str(values["pipeline"]),
                target=str(values["target"]),
                token=int(str(values["token"])),
                run_date=date.fromisoformat(str(values["run_date"])),
                model_id=str(values["model_id"]),
                started_at=datetime.fromisoformat(str(values["started_at"])),
                run_key=None if values.get("run_key") is None else str(values["run_key"]),
                tasks=tuple(map(str, tasks)),
                groups={str(name): tuple(map(str, nodes)) for name, nodes in groups.items()},
            )
        except (KeyError, ValueError, TypeError, AssertionError) as error:
            raise UsageError(
                f"not the handle of a run: {error!r}; give what begin_run returned, or its to_json()"
            ) from error

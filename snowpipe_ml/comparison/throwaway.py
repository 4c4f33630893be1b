"""A pipeline on a throw-away embedded warehouse, with the models of some series only."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.errors import UsageError
from snowpipe_ml.plugins import RunInfo
from snowpipe_ml.spec.fanout import Rows
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.steps.forecasting.train import TrainForecasters
from snowpipe_ml.targets.local import LocalTarget
from snowpipe_ml.unit_tests.isolated import placed

AT_BASE = "_AT_BASE"
"""Ends the name of a database of the base beside that of the head."""


class Throwaway(Pipeline):
    """A pipeline whose target is an embedded warehouse that is removed afterwards.

    Args:
        path: the spec.
        variables: values of ``vars`` that override those of the file.
        folder: the folder of the warehouse; None for the target of the spec, if nothing is run.
        series: how many series `train_forecasters` trains; None for all.
    """

    def __init__(
        self,
        path: Path,
        variables: Mapping[str, object],
        folder: Path | None,
        series: int | None = None,
    ) -> None:
        super().__init__(path, variables)
        self.folder = folder
        self._series = series

    def read(
        self, target: str | None, variables: Mapping[str, object], run: RunInfo, rows: Rows | None
    ) -> Spec:
        """Read the spec, with the warehouse as its target, without hooks.

        Raises:
            UsageError: the target is not an embedded warehouse.
        """
        spec = super().read(target, variables, run, rows)
        if self.folder is None:
            return spec
        if not isinstance(spec.target, LocalTarget):
            raise UsageError(
                f"the target {spec.target_name} is not an embedded warehouse, on which compare could run the pipeline: name "
                "one with --target, or compare only steps and SQL with --no-run"
            )
        for step in spec.steps.values():
            if isinstance(step, TrainForecasters):
                step.series = self._series
        return placed(spec, LocalTarget.in_place_of(spec.target, self.folder))


def copy_warehouse(base: Path, head: Path) -> None:
    """Copy a warehouse that no process has open."""
    shutil.copytree(base, head, symlinks=True)


def put_beside(base: Path, head: Path) -> None:
    """Put the databases of the base beside those of the head, so that one connection sees both."""
    for file in sorted((base / "databases").glob("*.duckdb*")):
        name, dot, rest = file.name.partition(".")
        if name != "_ACCOUNT":
            shutil.copy2(file, head / "databases" / f"{name}{AT_BASE}{dot}{rest}")

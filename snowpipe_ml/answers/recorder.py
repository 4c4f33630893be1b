"""Runs a pipeline and keeps a record of what its target answers."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from snowpipe_ml.answers.format import VERSION, Header, Record
from snowpipe_ml.answers.masking import Masking
from snowpipe_ml.answers.observer import Observer
from snowpipe_ml.engine.events import Listener
from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.engine.run.opening import connector
from snowpipe_ml.plugins import RunInfo, Target
from snowpipe_ml.plugins.connection import execute
from snowpipe_ml.spec.fanout import Rows
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.sql import Identifier, Sql
from snowpipe_ml.targets.local import LocalTarget
from snowpipe_ml.version import __version__

if TYPE_CHECKING:
    from snowflake.snowpark import Session


def record(
    pipeline: Pipeline,
    target: str | None = None,
    *,
    schema: Identifier | None = None,
    hash_names: bool = False,
    salt: str | None = None,
    select: Iterable[str] = (),
    exclude: Iterable[str] = (),
    listeners: Iterable[Listener] = (),
    allow_destructive: bool = False,
) -> Record:
    """Run every step of a pipeline, one after the other, and return what the target answered.

    Steps that fail are part of the record. The statements of the login are not.

    Args:
        pipeline: the pipeline.
        target: the target's name; the default target if None.
        schema: where the steps run instead of the target's schema. The run metadata is in another one, whose name ends
            in ``_RUNS``. The record has the names of the target. Hooks do not run.
        hash_names: replace the names of objects and columns by hashes.
        salt: with what they are hashed; random if None.
        select: the steps to run; all if empty.
        exclude: the steps to exclude.
        listeners: called with every event of the run.
        allow_destructive: replace tables on Snowflake even if no run of this pipeline created them.

    Raises:
        SpecError: the spec is invalid.
        UsageError: nothing is selected, or a table would be destroyed.
        TargetError: the target cannot be reached.
        LockedError: another run or process holds the target.
    """
    own, _, _ = pipeline.load(target)
    renamed = {}
    if schema is not None:
        pipeline = elsewhere = _Elsewhere(pipeline, schema)
        renamed = {
            elsewhere.schema.name: own.target.schema_.name,
            elsewhere.state.name: own.pipeline.state.name,
        }
    spec, _, _ = pipeline.load(target)
    connect = connector(spec, pipeline.path, make=True)
    observer = Observer()
    version = ""

    def open_session() -> Session:
        nonlocal version
        connection = connect()
        version = version or str(execute(connection, Sql("SELECT CURRENT_VERSION()"))[0][0])
        observer.observe(connection)
        from snowflake.snowpark import Session

        session: Session = Session.builder.configs({"connection": connection}).create()
        return session

    pipeline.run(
        target,
        session_factory=open_session,
        listeners=(observer, *listeners),
        threads=1,  # so that a statement belongs to the step that runs
        full_refresh=True,
        select=select,
        exclude=exclude,
        allow_destructive=allow_destructive,
    )
    with closing(connect()) as connection:
        observer.observe(connection)
        observer.describe_outputs(connection)
    if hash_names:
        salt = salt or secrets.token_hex(16)
    masking = Masking(salt, (spec.target.database.name, spec.target.schema_.name), renamed)
    header = Header(
        version=VERSION,
        pipeline=masking.name(spec.pipeline.name),
        target=masking.name(spec.target_name),
        target_type=spec.target.type,
        snowflake=version,
        snowpipe_ml=__version__,
        recorded=datetime.now(UTC).date().isoformat(),
        salt=salt,
    )
    return Record(
        header=header,
        statements=tuple(observer.statements(masking)),
        steps=tuple(observer.steps(masking)),
    )


class _Elsewhere(Pipeline):
    """A pipeline in another schema of its target, with the run metadata in another schema too."""

    def __init__(self, pipeline: Pipeline, schema: Identifier) -> None:
        super().__init__(pipeline.path, pipeline.variables)
        self.schema, self.state = schema, Identifier(f"{schema.name}_RUNS")

    def read(
        self, target: str | None, variables: Mapping[str, object], run: RunInfo, rows: Rows | None
    ) -> Spec:
        """Read the spec, with the other schemas and without hooks."""
        spec = super().read(target, variables, run, rows)
        return _with_target(
            spec, spec.target.model_copy(update={"schema_": self.schema}), {"state": self.state}
        )


class Embedded(Pipeline):
    """A pipeline whose target is an embedded warehouse in a folder, with the names of the recorded target.

    Args:
        path: the spec.
        variables: values of ``vars`` that override those of the file.
        folder: the folder of the warehouse.
        header: the record with whose target the names are shared.
    """

    def __init__(self, path: Path, variables: Mapping[str, object], folder: Path, header: Header) -> None:
        super().__init__(path, variables)
        self._folder, self._header = folder, header

    def read(
        self, target: str | None, variables: Mapping[str, object], run: RunInfo, rows: Rows | None
    ) -> Spec:
        """Read the spec, with the embedded warehouse as its target and without hooks."""
        spec = super().read(target, variables, run, rows)
        masking = Masking(self._header.salt)
        names = (t for name, t in spec.pipeline.targets.items() if masking.name(name) == self._header.target)
        named = next(names, spec.target)
        own = spec.target
        local = LocalTarget.in_place_of(named, self._folder)
        update = {"timezone": own.timezone, "week_start": own.week_start}
        return _with_target(spec, local.model_copy(update=update), {})


def _with_target(spec: Spec, target: Target, more: Mapping[str, object]) -> Spec:
    """Return a spec whose target is another one with the same name, and without hooks."""
    targets = {**spec.pipeline.targets, spec.target_name: target}
    update = {"targets": targets, "on_success": (), "on_failure": (), **more}
    return dataclasses.replace(spec, pipeline=spec.pipeline.model_copy(update=update))

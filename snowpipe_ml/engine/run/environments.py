"""Environments on a target: made on first use, entered, listed and dropped.

The statements are documented in https://docs.snowflake.com/en/sql-reference/sql/create-schema and
https://docs.snowflake.com/en/sql-reference/sql/create-clone. One statement makes a clone with the comment that marks it,
so that a process which is killed leaves nothing unmarked.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from snowpipe_ml.engine.plan.environments import environment_of
from snowpipe_ml.engine.plan.versions import Version, Versions
from snowpipe_ml.engine.records.lock import RunLock, held_locks
from snowpipe_ml.engine.records.rows import COLUMNS
from snowpipe_ml.engine.records.seeding import Cloned, Seeds
from snowpipe_ml.engine.records.state import State
from snowpipe_ml.engine.retry import again
from snowpipe_ml.engine.run.opening import connector
from snowpipe_ml.engine.run.source import Source
from snowpipe_ml.errors import LockedError, UsageError
from snowpipe_ml.plugins import Resource
from snowpipe_ml.plugins.connection import Connection, Row, execute, insert
from snowpipe_ml.spec.environments import Environment, Marked
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.spec.placing import in_base
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, sql

log = logging.getLogger("snowpipe_ml.engine")


@dataclass(frozen=True)
class Found:
    """An environment that exists.

    Attributes:
        name: its name.
        created_at: when it was made.
        finished: whether it is complete.
        schemas: the schemas that it has made, the one of its state store first.
    """

    name: Identifier
    created_at: datetime | None
    finished: bool
    schemas: tuple[QualifiedName, ...]


@dataclass(frozen=True)
class Schemas:
    """The schemas of some databases, with their comments and times.

    Args:
        rows: the rows of SHOW SCHEMAS, by whole name.
    """

    rows: Mapping[QualifiedName, Row] = field(repr=False)

    @classmethod
    def of(cls, connection: Connection, databases: Iterable[Identifier]) -> Schemas:
        """Ask for the schemas of some databases; a database that does not exist has none."""
        rows: dict[QualifiedName, Row] = {}
        for database in dict.fromkeys(databases):
            look = sql("SHOW SCHEMAS IN DATABASE {name}", name=database)
            shown = again(partial(execute, connection, look))
            rows |= {QualifiedName((database, Identifier(str(row["name"])))): row for row in shown}
        return cls(rows)

    def __contains__(self, name: object) -> bool:
        return name in self.rows

    def comment(self, name: QualifiedName) -> str:
        """Return the comment of a schema; empty if it has none, or does not exist."""
        return str(self.rows[name]["comment"] or "") if name in self.rows else ""

    def finished(self, environment: Environment) -> bool | None:
        """Return whether an environment is complete; None if it does not exist.

        Raises:
            UsageError: a schema that it needs exists and was not made by it.
        """
        own = environment.records
        if own not in self:
            return None
        for finished in (True, False):
            if self.comment(own) == environment.records_mark(finished=finished):
                return finished
        raise _taken(environment, own)


def _taken(environment: Environment, schema: QualifiedName) -> UsageError:
    return UsageError(
        f"the environment {environment.name} needs the schema {schema}, which exists and was not made for it: "
        "choose another name for the environment, or rename or drop that schema"
    )


def _databases(environment: Environment) -> list[Identifier]:
    return [schema.parts[0] for schema in (environment.home, *environment.schemas)]


def prepare(spec: Spec, path: Path, run_id: str) -> None:
    """Make the environment that a spec is in, as far as it does not exist.

    Args:
        spec: the spec.
        path: its file.
        run_id: the run that needs it.

    Raises:
        LockedError: another process makes it.
        UsageError: a schema that it needs exists and was not made by it.
    """
    environment = spec.environment
    if environment is None:
        return
    with closing(again(connector(in_base(spec), path, make=True))) as connection:
        Maker(spec, environment, connection, run_id).make()


@dataclass
class Maker:
    """Makes an environment.

    Args:
        spec: the spec in the environment.
        environment: the environment.
        connection: a connection to the target.
        run_id: the run that needs it.
    """

    spec: Spec
    environment: Environment
    connection: Connection
    run_id: str

    def make(self) -> None:
        """Make what does not exist of the environment, and begin its records with those of the target."""
        schemas = self._look()
        finished = schemas.finished(self.environment)
        if finished and all(self.environment.clone(schema) in schemas for schema in self.environment.schemas):
            return
        records = self.environment.records
        if finished is None:
            self._run(
                sql(
                    "CREATE SCHEMA IF NOT EXISTS {name} COMMENT = {comment}",
                    name=records,
                    comment=Literal(self.environment.records_mark(finished=False)),
                )
            )
        state = State(self.connection, records)
        state.prepare()
        with self._lock(state).held():
            schemas = self._look()
            if schemas.finished(self.environment):
                self._clone(schemas)
                return
            log.warning(
                "making the environment %s: cloning %s",
                self.environment.name,
                ", ".join(map(str, self.environment.schemas)),
            )
            of_target = QualifiedName((self.environment.target.database, self.environment.state))
            seeds = Seeds.read(State(self.connection, of_target), self.spec.target_name, self.environment)
            before = self._versions(seeds.resources)
            self._clone(schemas)
            after = self._versions(seeds.resources)
            clones = {each: self.environment.clone_of(each) for each in seeds.resources}
            there = self._versions(clones.values())
            cloned = Cloned(
                before, after, {each: there[name] for each, name in clones.items() if name in there}
            )
            events = QualifiedName((*records.parts, Identifier("EVENTS")))
            self._run(sql("DELETE FROM {events}", events=events))  # of a process that was killed here
            rows = seeds.of_environment(self.environment, cloned)
            if rows:
                again(lambda: insert(self.connection, events, COLUMNS, rows))
            self._run(
                sql(
                    "ALTER SCHEMA {name} SET COMMENT = {comment}",
                    name=records,
                    comment=Literal(self.environment.records_mark(finished=True)),
                )
            )

    def _look(self) -> Schemas:
        """Return the schemas that exist.

        Raises:
            UsageError: the clone of a schema was made by something else.
        """
        found = Schemas.of(self.connection, _databases(self.environment))
        for schema in self.environment.schemas:
            clone = self.environment.clone(schema)
            if clone in found and not found.comment(clone).startswith(
                f"snowpipe-ml: clone of {schema.sql} for "
            ):
                raise _taken(self.environment, clone)
        return found

    def _clone(self, schemas: Schemas) -> None:
        """Clone the schemas: again if a process was killed after it had cloned one, as nothing has run there yet."""
        unfinished = not schemas.finished(self.environment)
        for schema in self.environment.schemas:
            clone, mark = self.environment.clone(schema), self.environment.mark(schema)
            own = schemas.comment(clone) == mark
            if clone in schemas and not (own and unfinished):
                continue  # complete, or cloned for the records of other pipelines
            replace = Sql("OR REPLACE " if clone in schemas else "")
            clause = sql("CLONE {schema} INCLUDE INTERNAL STAGES ", schema=schema)
            self._run(
                sql(
                    "CREATE {replace}SCHEMA {clone} {clause}COMMENT = {comment}",
                    replace=replace,
                    clone=clone,
                    clause=clause if schema in schemas else Sql(""),
                    comment=Literal(mark),
                )
            )

    def _versions(self, resources: Iterable[Resource]) -> dict[Resource, Version]:
        wanted = list(resources)
        return Versions(self.connection).of(wanted) if wanted else {}

    def _lock(self, state: State) -> RunLock:
        return state.lock(f"the environment {self.environment.name}", self.spec.target_name, self.run_id)

    def _run(self, statement: Sql) -> list[Row]:
        return again(lambda: execute(self.connection, statement))


def exists(spec: Spec, path: Path) -> bool:
    """Return whether the environment of a spec is complete."""
    environment = spec.environment
    assert environment is not None
    with closing(connector(in_base(spec), path)()) as connection:
        return bool(Schemas.of(connection, [environment.home.parts[0]]).finished(environment))


def environments(source: Source, target: str | None) -> list[Found]:
    """Return the environments of a target that have the records of a pipeline's target, by name.

    Raises:
        SpecError: the spec is invalid.
        TargetError: the target cannot be reached.
    """
    spec, environment = _any(source, target, Identifier("ENVIRONMENT"))
    with closing(connector(spec, source.path)()) as connection:
        return _environments(Schemas.of(connection, _databases(environment)), environment)


def find(source: Source, target: str | None, name: Identifier) -> Found:
    """Return an environment of a target.

    Raises:
        UsageError: there is no such environment.
    """
    every = environments(source, target)
    for each in every:
        if each.name == name:
            return each
    spec, environment = _any(source, target, name)
    raise environment.missing(spec.target_name, [each.name for each in every])


def _any(source: Source, target: str | None, name: Identifier) -> tuple[Spec, Environment]:
    """Return the spec on the target itself, and an environment, whatever would run there."""
    spec, graph, _ = source.in_base().load(target)
    return spec, environment_of(spec, graph, name)


def _environments(schemas: Schemas, environment: Environment) -> list[Found]:
    own = QualifiedName((environment.target.database, environment.state)).sql
    found = []
    for name, row in schemas.rows.items():
        marked = Marked.read(schemas.comment(name))
        if marked is None or marked.of != own:
            continue
        clones = [each for each in schemas.rows if schemas.comment(each).endswith(f" for {name.sql}")]
        made = [each for each in clones if schemas.comment(each).startswith("snowpipe-ml: clone of ")]
        at = row["created_on"]
        found.append(
            Found(
                marked.name,
                at if isinstance(at, datetime) else None,
                marked.finished,
                (name, *sorted(made, key=str)),
            )
        )
    return sorted(found, key=lambda each: each.name)


def drop(source: Source, target: str | None, found: Found) -> None:
    """Drop the schemas that an environment has made, and nothing else.

    Args:
        source: the pipeline.
        target: the target's name; the default target if None.
        found: the environment.

    Raises:
        LockedError: a run works in it.
    """
    spec, environment = _any(source, target, found.name)
    with closing(connector(spec, source.path)()) as connection:

        def run(statement: Sql) -> list[Row]:
            return again(lambda: execute(connection, statement))

        records, *clones = found.schemas
        for pipeline, run_id, owner in held_locks(run, QualifiedName((*records.parts, Identifier("LOCKS")))):
            raise LockedError(
                f"{pipeline} is being run in the environment {found.name} by {owner} (run {run_id}): wait, or cancel it with "
                f"`snowpipe-ml cancel` and the same --env"
            )
        # From here on a run makes the environment again, if this process is killed.
        run(
            sql(
                "ALTER SCHEMA {name} SET COMMENT = {comment}",
                name=records,
                comment=Literal(environment.records_mark(finished=False)),
            )
        )
        for schema in (*clones, records):
            run(sql("DROP SCHEMA IF EXISTS {schema}", schema=schema))

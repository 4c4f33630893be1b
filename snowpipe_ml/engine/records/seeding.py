"""The records with which an environment begins: those of its target, for the clones of what they tell of.

A clone is another table with another version. A step is unchanged in the environment if it was unchanged on the target
when that was cloned, so each version that was the current one then is replaced by that of the clone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from snowpipe_ml.engine.plan.versions import Stored, Version, from_json, to_json
from snowpipe_ml.engine.records.intervals import FINISHED, STARTED
from snowpipe_ml.engine.records.rows import COLUMNS
from snowpipe_ml.engine.records.state import Record, State
from snowpipe_ml.plugins import Kind, Resource
from snowpipe_ml.spec.environments import Environment
from snowpipe_ml.sql import Fragment, Literal, QualifiedName, StagePath, join, sql

_VERSIONED = {Kind.TABLE, Kind.FUNCTION, Kind.STAGE}
_CHANGED = "changed before it was cloned"
"""The version of what was not as a step had left it, in an environment."""

_SUCCESSES = """SELECT * FROM {events} WHERE TARGET = {target} AND EVENT = 'step_finished' AND STATUS = 'success'
QUALIFY ROW_NUMBER() OVER (PARTITION BY PIPELINE, STEP ORDER BY AT DESC) = 1"""

_INTERVALS = """SELECT * FROM {events} WHERE TARGET = {target} AND EVENT IN ({started}, {finished})"""

_RUNS = """SELECT * FROM {events} WHERE TARGET = {target} AND EVENT LIKE 'run%' AND RUN_ID IN ({runs})"""


@dataclass(frozen=True)
class Seeds:
    """The records of all pipelines on a target that tell what a later run may skip.

    Attributes:
        records: the last success of each step and the intervals of backfills, with their runs.
        resources: what they name in the schemas that are cloned, by whole names.
    """

    records: Sequence[Record]
    resources: Sequence[Resource]

    @classmethod
    def read(cls, state: State, target: str, environment: Environment) -> Seeds:
        """Read the records of a target."""
        if not state.has_records():
            return cls((), ())
        events = QualifiedName((*state.schema.parts, *QualifiedName.of("EVENTS").parts))
        known: dict[str, Fragment] = {
            "events": events,
            "target": Literal(target),
        }
        found = [row.as_dict() for row in state.ask(sql(_SUCCESSES, **known))]
        resources = {
            whole: None
            for record in found
            for which in ("inputs", "outputs")
            for resource in from_json(_details(record).get(which) or ())
            if (whole := _whole(resource, environment)) is not None
        }
        intervals = state.ask(sql(_INTERVALS, **known, started=Literal(STARTED), finished=Literal(FINISHED)))
        found += [row.as_dict() for row in intervals]
        names = [Literal(str(name)) for name in dict.fromkeys(record["RUN_ID"] for record in found)]
        if names:
            found += [row.as_dict() for row in state.ask(sql(_RUNS, **known, runs=join(", ", names)))]
        return cls(found, tuple(resources))

    def of_environment(self, environment: Environment, cloned: Cloned) -> list[list[object]]:
        """Return the rows of the state store of an environment."""
        rows = []
        for record in self.records:
            details = _details(record)
            for which in ("inputs", "outputs"):
                if details.get(which):
                    details[which] = _translated(details[which], environment, cloned)
            rows.append([({**record, "DETAILS": json.dumps(details)}).get(name) for name in COLUMNS])
        return rows


@dataclass(frozen=True)
class Cloned:
    """The versions of what was cloned, by whole names on the target.

    Attributes:
        before: those on the target before it was cloned.
        after: those on the target afterwards; what differs was changed meanwhile.
        clones: those in the environment.
    """

    before: Mapping[Resource, Version]
    after: Mapping[Resource, Version]
    clones: Mapping[Resource, Version]

    def version(self, resource: Resource, recorded: Version) -> Version:
        """Return the version of the clone of a resource, if it was cloned as a step had left it."""
        whole, clone = self.before.get(resource), self.clones.get(resource)
        same = whole is not None and self.after.get(resource) == whole and whole.token == recorded.token
        return Version(clone.token if same and clone is not None else _CHANGED, recorded.rows)


def _details(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(record["DETAILS"] or "{}")
    return found


def _whole(resource: Resource, environment: Environment) -> Resource | None:
    """Return a resource with its whole name; None if its kind has no versions, or it is not cloned."""
    name = resource.name.stage if isinstance(resource.name, StagePath) else resource.name
    if resource.kind not in _VERSIONED or not environment.has(name):
        return None
    whole = environment.whole(name)
    if isinstance(resource.name, StagePath):
        return Resource(resource.kind, StagePath(whole, resource.name.path))
    return Resource(resource.kind, whole)


def _translated(stored: Iterable[Stored], environment: Environment, cloned: Cloned) -> list[Stored]:
    found = {}
    for resource, version in from_json(stored).items():
        whole = _whole(resource, environment)
        now = version if whole is None else cloned.version(whole, version)
        found[environment.resource(resource)] = now
    return to_json(found)

"""Environments: copies of the schemas of a target, made by zero-copy clone, in which a pipeline can run.

A schema is cloned into one whose name ends with that of the environment: ``PUBLIC`` into ``PUBLIC__PR_12``. The comment
of a schema says that an environment has made it, so that no other schema is ever replaced or dropped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from pydantic import BaseModel

from snowpipe_ml.errors import UsageError
from snowpipe_ml.plugins import Resource, Target
from snowpipe_ml.sql import Identifier, QualifiedName, StagePath

_T = TypeVar("_T")
_RECORDS = re.compile(r"snowpipe-ml: (unfinished )?records of the environment (.+) of (.+)", re.DOTALL)


def environment_name(text: str) -> Identifier:
    """Read the name of an environment, as it is written in SQL.

    Raises:
        UsageError: it is not a name.
    """
    try:
        return Identifier.parse(text)
    except ValueError as error:
        raise UsageError(f"--env: {error}") from error


@dataclass(frozen=True)
class Environment:
    """An environment of a target.

    Attributes:
        name: its name.
        target: the target of the spec.
        state: the schema of the target's state store.
        schemas: the schemas that are cloned, with their databases: those with the outputs of the spec.
    """

    name: Identifier
    target: Target
    state: Identifier
    schemas: tuple[QualifiedName, ...]

    @property
    def home(self) -> QualifiedName:
        """The schema of the target."""
        return QualifiedName((self.target.database, self.target.schema_))

    @property
    def records(self) -> QualifiedName:
        """The schema of the state store of the environment."""
        return self.clone(QualifiedName((self.target.database, self.state)))

    def named(self, schema: Identifier) -> Identifier:
        """Return the name of the clone of a schema.

        Raises:
            UsageError: it is too long.
        """
        try:
            return Identifier(f"{schema.name}__{self.name.name}")
        except ValueError as error:
            raise UsageError(
                f"the environment {self.name} needs a schema {schema.name}__{self.name.name}, which is not a name: "
                "choose a shorter name"
            ) from error

    def clone(self, schema: QualifiedName) -> QualifiedName:
        """Return the clone of a schema, with its database."""
        return QualifiedName((*schema.parts[:-1], self.named(schema.name)))

    def whole(self, name: QualifiedName) -> QualifiedName:
        """Return a name of the spec with its database and schema, as the target has it."""
        return QualifiedName((*self.home.parts[: 3 - len(name.parts)], *name.parts))

    def has(self, name: QualifiedName) -> bool:
        """Return whether an object of the target is in a schema that is cloned."""
        return QualifiedName(self.whole(name).parts[:2]) in self.schemas

    def renamed(self, name: QualifiedName) -> QualifiedName:
        """Return the name that an object has in the environment; one without a schema needs no other name."""
        if len(name.parts) == 1 or not self.has(name):
            return name
        *database, schema, last = name.parts
        return QualifiedName((*database, self.named(schema), last))

    def resource(self, resource: Resource) -> Resource:
        """Return a resource with the name that it has in the environment."""
        return replace(resource, name=self.moved(resource.name))

    def clone_of(self, resource: Resource) -> Resource:
        """Return the clone of a resource with a whole name."""
        name = resource.name
        stage = name.stage if isinstance(name, StagePath) else name
        clone = QualifiedName((*self.clone(QualifiedName(stage.parts[:2])).parts, stage.name))
        return replace(resource, name=StagePath(clone, name.path) if isinstance(name, StagePath) else clone)

    def moved(self, value: _T) -> _T:
        """Return a value of the settings of a step with the names that objects have in the environment."""
        # Each branch keeps the type of its value, which mypy cannot see.
        return self._moved(value)  # type: ignore[return-value]

    def _moved(self, value: object) -> object:
        if isinstance(value, QualifiedName):
            return self.renamed(value)
        if isinstance(value, StagePath):
            stage = self.renamed(value.stage)
            return value if stage == value.stage else StagePath(stage, value.path)
        if isinstance(value, BaseModel):
            fields = {name: getattr(value, name) for name in type(value).model_fields}
            changed = {name: new for name, old in fields.items() if (new := self._moved(old)) is not old}
            return value.model_copy(update=changed) if changed else value
        if isinstance(value, tuple | list):
            items = [self._moved(item) for item in value]
            same = all(new is old for new, old in zip(items, value, strict=True))
            return value if same else type(value)(items)
        if isinstance(value, dict):
            pairs = {key: self._moved(item) for key, item in value.items()}
            return value if all(pairs[key] is item for key, item in value.items()) else pairs
        return value

    @property
    def aliases(self) -> dict[str, str]:
        """The names of the schemas of the environment, each with that of the schema of which it is the clone.

        A step is unchanged if only they differ.
        """
        found: dict[str, str] = {}
        for schema in (self.state, *(each.name for each in self.schemas)):
            found[self.named(schema).sql] = schema.sql
            found[self.named(schema).name] = schema.name
        return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))

    def missing(self, target: str, others: Sequence[Identifier] = ()) -> UsageError:
        """Return the error of this environment when it does not exist.

        Args:
            target: the name of the target.
            others: those that exist there, if they are known.
        """
        known = ", ".join(map(str, others))
        return UsageError(
            f"no environment {self.name} on the target {target}: "
            + (f"there are {known}" if known else "`snowpipe-ml run` with this --env makes it")
        )

    def mark(self, schema: QualifiedName) -> str:
        """Return the comment of the clone of a schema."""
        return f"snowpipe-ml: clone of {schema.sql} for {self.records.sql}"

    def records_mark(self, *, finished: bool) -> str:
        """Return the comment of the schema of the state store, which says whether the environment is complete."""
        whole = QualifiedName((self.target.database, self.state)).sql
        word = "" if finished else "unfinished "
        return f"snowpipe-ml: {word}records of the environment {self.name.sql} of {whole}"


@dataclass(frozen=True)
class Marked:
    """The schema of the state store of an environment, as its comment says.

    Attributes:
        name: the name of the environment.
        of: the schema of the state store of the target.
        finished: whether the environment is complete.
    """

    name: Identifier
    of: str
    finished: bool

    @classmethod
    def read(cls, comment: str) -> Marked | None:
        """Read the comment of a schema; None if no environment has made it."""
        found = _RECORDS.fullmatch(comment)
        if found is None:
            return None
        try:
            return cls(Identifier.parse(found[2]), found[3], not found[1])
        except ValueError:
            return None

"""What steps read and write, from which the graph's edges come, and declared lists of packages."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from snowpipe_ml.sql import Identifier, QualifiedName, StagePath


class Kind(enum.StrEnum):
    """What a step can read or write."""

    TABLE = "table"
    STAGE = "stage"
    FUNCTION = "function"
    WAREHOUSE = "warehouse"
    FILE_FORMAT = "file format"
    IMPORT = "import"
    PACKAGES = "package list"
    TAG = "tag"
    ROLE = "role"


@dataclass(frozen=True, slots=True)
class PackageList:
    """A declared list of packages: of Snowflake's channel, or of an artifact repository."""

    packages: tuple[str, ...]
    artifact_repository: QualifiedName | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that one step writes and another reads, from which the graph's edges come.

    Args:
        kind: what it is.
        name: its name; a :class:`StagePath` for a place on a stage.
        at: the path of the setting that names it, for positions in messages.
        view: a view, where a table and a view are told apart (in ``ALTER``).
        adds: rows are added to it, so that several steps may write it.
    """

    kind: Kind
    name: QualifiedName | StagePath
    at: tuple[str | int, ...] = field(default=(), compare=False)
    view: bool = field(default=False, compare=False)
    adds: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return f"{self.kind.value} {self.name}"


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """A column of a table that a step's settings name.

    Args:
        table: the table or view.
        column: the column.
        at: the path of the setting that names it, for positions in messages.
        key: the setting is the key at the path, and not the value.
        feature: the column is a feature of a model, and so a number.
    """

    table: QualifiedName
    column: Identifier
    at: tuple[str | int, ...]
    key: bool = False
    feature: bool = False


def table(name: QualifiedName, *at: str | int, view: bool = False, adds: bool = False) -> Resource:
    """A table or a view."""
    return Resource(Kind.TABLE, name, at, view, adds)


def stage(path: StagePath, *at: str | int) -> Resource:
    """A place on a stage."""
    return Resource(Kind.STAGE, path, at)


def function(name: QualifiedName, *at: str | int) -> Resource:
    """A function."""
    return Resource(Kind.FUNCTION, name, at)


def declared(kind: Kind, name: Identifier, *at: str | int) -> Resource:
    """An object of one of the spec's other sections."""
    return Resource(kind, QualifiedName((name,)), at)

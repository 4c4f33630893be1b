"""The resources that steps read and write, which give the edges of the graph, and declared package lists."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from snowpipe_ml.sql import Identifier, QualifiedName, StagePath


class Kind(enum.StrEnum):
    """The kinds of resources that a step can read or write."""

    TABLE = "table"
    STAGE = "stage"
    FUNCTION = "function"
    WAREHOUSE = "warehouse"
    FILE_FORMAT = "file format"
    IMPORT = "import"
    PACKAGES = "package list"
    TAG = "tag"
    ROLE = "role"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class PackageList:
    """A declared list of packages from Snowflake's Anaconda channel or from an artifact repository."""

    packages: tuple[str, ...]
    artifact_repository: QualifiedName | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """An object that one step writes and another reads; each such pair is an edge of the graph.

    Args:
        kind: the kind of object.
        name: its name; a :class:`StagePath` for a stage location.
        at: the path of the setting that names it, for positions in messages.
        view: it is a view, for statements that distinguish tables from views (``ALTER``).
        adds: the step only appends rows to it, so several steps may write it.
        files: the files on stages that it consists of: it exists if all of them do.
        alone: no other step may write it, although this one only changes rows; the spec may declare it.
        dynamic: it is a dynamic table, for the statements that distinguish it.
    """

    kind: Kind
    name: QualifiedName | StagePath
    at: tuple[str | int, ...] = field(default=(), compare=False)
    view: bool = field(default=False, compare=False)
    adds: bool = field(default=False, compare=False)
    files: tuple[StagePath, ...] = field(default=(), compare=False)
    alone: bool = field(default=False, compare=False)
    dynamic: bool = field(default=False, compare=False)

    @property
    def word(self) -> str:
        """The kind of a table in statements."""
        return "VIEW" if self.view else "DYNAMIC TABLE" if self.dynamic else "TABLE"

    def __str__(self) -> str:
        return f"{self.kind.value} {self.name}"


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """A column of a table that a step's settings name.

    Args:
        table: the table or view.
        column: the column.
        at: the path of the setting that names it, for positions in messages.
        key: the column is the key at the path, not the value.
        feature: the column is a feature of a model and must be numeric.
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
    """A stage location."""
    return Resource(Kind.STAGE, path, at)


def function(name: QualifiedName, *at: str | int) -> Resource:
    """A function."""
    return Resource(Kind.FUNCTION, name, at)


def declared(kind: Kind, name: Identifier, *at: str | int) -> Resource:
    """An object that is declared in a section of the spec other than ``steps``."""
    return Resource(kind, QualifiedName((name,)), at)

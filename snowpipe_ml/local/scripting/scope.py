"""The names that a block has declared, and those of the blocks around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.core.typed_values import TypedValue
from snowpipe_ml.local.scripting.nodes import Query
from snowpipe_ml.sql import DataType


@dataclass(slots=True)
class Variable:
    """A variable; its type is that of its first value if it is declared without one."""

    value: TypedValue
    type: DataType


@dataclass(slots=True)
class ResultSet:
    """A RESULTSET: the result of a statement; None until one is assigned."""

    result: Result | None = None
    query_id: str = ""


@dataclass(slots=True)
class Cursor:
    """A cursor on a query, or on a RESULTSET.

    Attributes:
        opened: the rows; None while the cursor is closed.
        next: the index of the row that FETCH returns next.
    """

    query: Query | None
    of: str
    opened: ResultSet | None = None
    next: int = 0


@dataclass(slots=True)
class Record:
    """The row variable of a FOR loop: a row of a result."""

    result: Result
    row: int

    def field(self, name: str) -> TypedValue | None:
        """Return the value of a column; None if there is no such column."""
        for place, column in enumerate(self.result.columns):
            if column.name == name:
                return TypedValue(column, self.result.table.column(place).slice(self.row, 1))
        return None


@dataclass(frozen=True, slots=True)
class DeclaredException:
    """An exception that a block can raise."""

    number: int
    message: str


Item: TypeAlias = Variable | ResultSet | Cursor | Record | DeclaredException


@dataclass
class Scope:
    """The names of one block."""

    outer: Scope | None = None
    items: dict[str, Item] = field(default_factory=dict)

    def find(self, name: str) -> Item | None:
        """Return what a name refers to in this block or those around it."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.items:
                return scope.items[name]
            scope = scope.outer
        return None

    def declare(self, name: str, item: Item) -> None:
        """Add a name.

        Raises:
            ProgrammingError: the block has declared the name already.
        """
        if name in self.items:
            raise errors.syntax(f"error: variable '{name}' is already declared in this block")
        self.items[name] = item

    def value(self, name: str) -> TypedValue | None:
        """Return the value of a variable, or of a field of a row variable (``row.field``)."""
        item = self.find(name)
        if isinstance(item, Variable):
            return item.value
        row, _, column = name.partition(".")
        record = self.find(row) if column else None
        return record.field(column) if isinstance(record, Record) else None


class Bindings(Mapping[str, object]):
    """The values for the placeholders of a statement: ``?`` by position, ``:name`` by name in any case.

    The keys are the positions only.
    """

    def __init__(self, scope: Scope, positional: Sequence[TypedValue] = ()) -> None:
        self.scope = scope
        self._positional = {str(place): value for place, value in enumerate(positional, 1)}

    def __getitem__(self, name: str) -> object:
        value = self._positional.get(name) or self.scope.value(name) or self.scope.value(name.upper())
        if value is None:
            raise KeyError(name)
        return value

    def variable(self, name: str) -> Variable | None:
        """Return the variable that a placeholder names; None if there is none."""
        item = self.scope.find(name) or self.scope.find(name.upper())
        return item if isinstance(item, Variable) else None

    def __iter__(self) -> Iterator[str]:
        return iter(self._positional)

    def __len__(self) -> int:
        return len(self._positional)

    def __bool__(self) -> bool:
        return True

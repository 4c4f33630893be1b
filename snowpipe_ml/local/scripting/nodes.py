"""The tree of a block of Snowflake Scripting.

https://docs.snowflake.com/en/sql-reference-snowflake-scripting
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from snowpipe_ml.sql import DataType


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a block, as its errors name it: the line counts from 1, the position in it from 0."""

    line: int
    position: int


@dataclass(frozen=True, slots=True)
class Expression:
    """The text of an expression."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Sql:
    """A statement that the session runs.

    Attributes:
        text: the statement without INTO.
        into: the variables that its only row is assigned to.
    """

    text: str
    place: Place
    into: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecuteImmediate:
    """``EXECUTE IMMEDIATE text USING (...)``: a statement whose text is a value."""

    text: Expression
    using: tuple[Expression, ...]
    place: Place
    into: tuple[str, ...] = ()


Query: TypeAlias = Sql | ExecuteImmediate


@dataclass(frozen=True, slots=True)
class Declare:
    """A variable, from DECLARE or LET. A value without a type gives the variable its type."""

    name: str
    type: DataType | None
    value: Expression | None
    place: Place


@dataclass(frozen=True, slots=True)
class DeclareCursor:
    """``name CURSOR FOR query``, or for a RESULTSET, whose name is ``of``."""

    name: str
    query: Query | None
    of: str
    place: Place


@dataclass(frozen=True, slots=True)
class DeclareResultSet:
    """``name RESULTSET [DEFAULT (query)]``; the query runs here."""

    name: str
    query: Query | None
    place: Place


@dataclass(frozen=True, slots=True)
class DeclareException:
    """``name EXCEPTION [(number, 'message')]``."""

    name: str
    number: int
    message: str
    place: Place


@dataclass(frozen=True, slots=True)
class Assign:
    """``name := expression``.

    Attributes:
        query: the statement in parentheses, which runs if the name is that of a RESULTSET.
    """

    name: str
    value: Expression
    query: Query | None
    place: Place


@dataclass(frozen=True, slots=True)
class Branch:
    """A condition, or the value of a CASE, with its statements."""

    condition: Expression
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class If:
    """``IF (...) THEN ... ELSEIF (...) THEN ... ELSE ... END IF``, and CASE without an expression."""

    branches: tuple[Branch, ...]
    otherwise: tuple[Statement, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Case:
    """``CASE (expression) WHEN value THEN ... ELSE ... END CASE``."""

    value: Expression
    branches: tuple[Branch, ...]
    otherwise: tuple[Statement, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class ForCounter:
    """``FOR i IN [REVERSE] start TO end DO ... END FOR``."""

    name: str
    start: Expression
    end: Expression
    reverse: bool
    body: tuple[Statement, ...]
    label: str
    place: Place


@dataclass(frozen=True, slots=True)
class ForRows:
    """``FOR row IN name DO ... END FOR`` over a cursor or RESULTSET."""

    name: str
    source: str
    body: tuple[Statement, ...]
    label: str
    place: Place


@dataclass(frozen=True, slots=True)
class Loop:
    """LOOP, WHILE and REPEAT.

    Attributes:
        condition: checked before each iteration; None in LOOP and REPEAT.
        until: checked after each iteration; None in LOOP and WHILE.
    """

    condition: Expression | None
    until: Expression | None
    body: tuple[Statement, ...]
    label: str
    place: Place


@dataclass(frozen=True, slots=True)
class Jump:
    """``BREAK [label]`` or ``CONTINUE [label]``."""

    again: bool
    label: str
    place: Place


@dataclass(frozen=True, slots=True)
class Return:
    """``RETURN [expression]``."""

    value: Expression | None
    place: Place


@dataclass(frozen=True, slots=True)
class ReturnTable:
    """``RETURN TABLE(name)`` of a RESULTSET, or of a cursor by RESULTSET_FROM_CURSOR."""

    name: str
    cursor: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Null:
    """``NULL``, which does nothing."""

    place: Place


@dataclass(frozen=True, slots=True)
class Raise:
    """``RAISE name``; without a name the exception that is being handled."""

    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class Open:
    """``OPEN cursor [USING (...)]``."""

    name: str
    using: tuple[Expression, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Fetch:
    """``FETCH cursor INTO variables``."""

    name: str
    into: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Close:
    """``CLOSE cursor``."""

    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class Handler:
    """``WHEN name OR name [EXIT|CONTINUE] THEN ...``; OTHER is the name of any exception."""

    names: tuple[str, ...]
    body: tuple[Statement, ...]
    resumes: bool


@dataclass(frozen=True, slots=True)
class Block:
    """``DECLARE ... BEGIN ... EXCEPTION ... END``."""

    declarations: tuple[Declaration, ...]
    body: tuple[Statement, ...]
    handlers: tuple[Handler, ...]
    place: Place


Declaration: TypeAlias = Declare | DeclareCursor | DeclareResultSet | DeclareException
Statement: TypeAlias = (
    Declaration
    | Assign
    | If
    | Case
    | ForCounter
    | ForRows
    | Loop
    | Jump
    | Return
    | ReturnTable
    | Null
    | Raise
    | Open
    | Fetch
    | Close
    | Block
    | Query
)

"""Trusted SQL text, and the safe way to put values into it."""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass

from snowpipe_ml.errors import UnsafeSqlError
from snowpipe_ml.sql.datatypes import DataType
from snowpipe_ml.sql.identifiers import Identifier, QualifiedName
from snowpipe_ml.sql.literals import Literal
from snowpipe_ml.sql.stages import StagePath


@dataclass(frozen=True, slots=True)
class Sql:
    """Trusted SQL text, written in this package or by the author of a spec.

    Use :func:`sql` to build one from values, so that a bare string can never enter a statement.
    """

    text: str

    def __str__(self) -> str:
        return self.text


Fragment = Sql | Identifier | QualifiedName | Literal | StagePath | DataType


class _FragmentFormatter(string.Formatter):
    def format_field(self, value: object, format_spec: str) -> str:
        if format_spec:
            raise UnsafeSqlError(f"a SQL template cannot use the format {format_spec!r}")
        return fragment_text(value)

    def convert_field(self, value: object, conversion: str | None) -> object:
        if conversion is not None:
            raise UnsafeSqlError(f"a SQL template cannot use the conversion !{conversion}")
        return value


_FORMATTER = _FragmentFormatter()


def sql(template: str, /, **fragments: Fragment) -> Sql:
    """Fill a template's ``{name}`` fields with fragments.

    >>> str(sql("DROP TABLE {table}", table=Identifier.parse("trips")))
    'DROP TABLE TRIPS'

    Raises:
        UnsafeSqlError: a field's value is not a fragment, such as an identifier, a literal or trusted SQL.
    """
    return Sql(_FORMATTER.vformat(template, (), fragments))


def join(separator: str, fragments: Iterable[Fragment]) -> Sql:
    """Join fragments with a separator, such as ``", "``.

    >>> str(join(", ", [Identifier("A"), Identifier("b c")]))
    'A, "b c"'
    """
    return Sql(separator.join(fragment_text(fragment) for fragment in fragments))


def fragment_text(value: object) -> str:
    """The SQL text of a fragment.

    Raises:
        UnsafeSqlError: the value is not a fragment.
    """
    if isinstance(value, Sql):
        return value.text
    if isinstance(value, Identifier | QualifiedName | Literal | StagePath | DataType):
        return value.sql
    raise UnsafeSqlError(
        f"a bare {type(value).__name__} cannot be put into SQL: "
        "wrap it as Identifier, QualifiedName, Literal or Sql"
    )


def like_pattern(name: Identifier) -> Literal:
    """A pattern for ``SHOW ... LIKE`` that matches this name, and perhaps others: compare the names that are shown.

    The pages of SHOW have the wildcards ``%`` and ``_`` and no escape, so these stay, as they also match themselves.
    """
    return Literal(name.name.replace("\\", "_"))

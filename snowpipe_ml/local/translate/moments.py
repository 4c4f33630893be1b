"""Dates, times and timestamps as arguments: their conversion, wall clocks and instants.

A *moment* here is an expression of one of the types DATE, TIME, TIMESTAMP_NTZ, TIMESTAMP_LTZ and
TIMESTAMP_TZ. Functions convert texts and VARIANTs to TIMESTAMP_NTZ, as Snowflake does.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.translate.conversions import text_of
from snowpipe_ml.local.translate.expressions import builtin, macro, stored_cast
from snowpipe_ml.local.translate.signatures import check_count
from snowpipe_ml.local.translate.type_names import wrong_type
from snowpipe_ml.local.translate.types import (
    MOMENTS,
    PLAIN,
    TEXTS,
    VARIANTS,
    T,
    kind,
)

NTZ, LTZ, TZ = T.TIMESTAMPNTZ, T.TIMESTAMPLTZ, T.TIMESTAMPTZ


@dataclass(frozen=True)
class Moment:
    """An expression and its type: DATE, TIME, or one of NTZ, LTZ and TZ."""

    node: exp.Expr
    type: exp.DType

    @property
    def clock(self) -> exp.Expr:
        """The date and time on the wall clock, without a time zone; a DATE and a TIME are unchanged."""
        if self.type == TZ:
            return macro("sf_tz_local", self.node.copy())
        return stored_cast(self.node.copy(), "TIMESTAMP") if self.type == LTZ else self.node.copy()

    @property
    def utc(self) -> exp.Expr:
        """The instant as a timestamp in UTC; the wall clock of a type without a time zone."""
        if self.type == TZ:
            return macro("sf_tz_utc", self.node.copy())
        if self.type == LTZ:
            return builtin("timezone", exp.Literal.string("UTC"), self.node.copy())
        return self.clock

    @property
    def zoned(self) -> exp.Expr:
        """The value as a TIMESTAMP_TZ; one without a time zone is in the session's."""
        if self.type == TZ:
            return self.node.copy()
        return macro("sf_instant_to_tz" if self.type == LTZ else "sf_local_to_tz", self.node.copy())


def moment(node: exp.Expr, function: str) -> Moment:
    """Convert an argument of a date function.

    Raises:
        ProgrammingError: its type is not that of a date or time.
        UnsupportedError: its type is not known.
    """
    found = kind(node)
    if isinstance(node.unnest(), exp.Null):
        return Moment(typed(stored_cast(exp.Null(), "TIMESTAMP"), NTZ), NTZ)
    if found in VARIANTS:
        return Moment(macro("sf_timestamp", text_of(node)), NTZ)
    if found in TEXTS:
        return Moment(macro("sf_timestamp", node.copy()), NTZ)
    if found is None:
        raise errors.UnsupportedError(
            f"{function} of an expression whose type is not known here", "Cast it, as in x::DATE"
        )
    if found not in MOMENTS:
        raise wrong_type(function, node)
    return Moment(node.copy(), PLAIN.get(found, found))


def typed(node: exp.Expr, type_: exp.DType | exp.DataType) -> exp.Expr:
    """Set the Snowflake type of an expression, which the rules of surrounding nodes need."""
    inner = node
    while True:
        inner.type = type_ if isinstance(type_, exp.DataType) else exp.DataType(this=type_)
        if not isinstance(inner, exp.Paren):
            return node
        inner = inner.this


def as_date(node: exp.Expr) -> exp.Expr:
    """Cast to DATE."""
    return typed(stored_cast(node, "DATE"), T.DATE)


def function_of(call: exp.Expr) -> str:
    """Return the name of a call, for messages."""
    return call.name.upper()


def checked(call: exp.Expr, least: int, most: int) -> list[exp.Expr]:
    """Return the arguments of a call, whose number must be in a range.

    Raises:
        ProgrammingError: there are too few or too many.
    """
    check_count(call, least, most)
    given: list[exp.Expr] = call.expressions
    return given

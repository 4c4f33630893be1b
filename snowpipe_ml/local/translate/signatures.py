"""Functions that one DuckDB function or macro computes, declared by their parameters and result.

A call is checked and its arguments are converted as Snowflake does: a VARIANT to the type of its parameter,
a number to text where a text is expected.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.conversions import SHOWN, as_text, text_of, variant_of
from snowpipe_ml.local.translate.expressions import builtin, macro, once, stored_cast
from snowpipe_ml.local.translate.registry import Returns, result_type, scalar_function
from snowpipe_ml.local.translate.types import (
    BINARIES,
    DECIMALS,
    FLOATS,
    INTEGERS,
    TEXTS,
    VARIANTS,
    T,
    is_decimal,
    kind,
)


class Kind(Enum):
    """The kinds of parameters."""

    TEXT = "VARCHAR"
    NUMBER = "NUMBER"
    INTEGER = "INTEGER"
    FLOAT = "FLOAT"
    BOOLEAN = "BOOLEAN"
    BINARY = "BINARY"
    BYTES = "BYTES"
    """A BINARY, or the bytes of a text in UTF-8."""
    VARIANT = "VARIANT"
    ANY = "ANY"
    """No conversion: the macro handles all types that the function takes."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A function that a DuckDB function or a macro computes; see :func:`define`."""

    name: str
    to: str
    takes: tuple[Kind, ...]
    optional: tuple[Kind, ...]
    rest: Kind | None
    defaults: tuple[str, ...]

    def __call__(self, call: exp.Expr, session: Session) -> exp.Expr:
        """Translate a call.

        Raises:
            ProgrammingError: the number of arguments is wrong.
        """
        given = call.expressions
        kinds = (*self.takes, *self.optional)
        check_count(call, len(self.takes), None if self.rest is not None else len(kinds))
        arguments = [
            converted(argument, kinds[i] if i < len(kinds) else self.rest or Kind.ANY)
            for i, argument in enumerate(given)
        ]
        missing = len(kinds) - len(given)
        if missing > 0 and self.defaults:
            arguments += [exp.maybe_parse(text, dialect="duckdb") for text in self.defaults[-missing:]]
        repeats = Kind.VARIANT in (*kinds, self.rest)
        made = (once if repeats else macro if self.to.startswith("sf_") else builtin)(self.to, *arguments)
        type_ = result_type(exp.Anonymous(this=self.name, expressions=list(given)))
        if type_ is not None:
            made.type = type_
        return made


def define(
    *names: str,
    to: str,
    takes: tuple[Kind, ...] = (),
    optional: tuple[Kind, ...] = (),
    rest: Kind | None = None,
    defaults: tuple[str, ...] = (),
    returns: Returns = None,
) -> None:
    """Serve a Snowflake function by a DuckDB function or a macro.

    Args:
        names: the function's name and its aliases.
        to: the name of a DuckDB function, or of a macro (``sf_...``).
        takes: the parameters that must be given.
        optional: the parameters that may be omitted.
        rest: the kind of any further arguments; None if there can be none.
        defaults: DuckDB expressions for the optional parameters; without them, parameters that are omitted
            are not passed on.
        returns: the type of the result, or a function that derives it from the annotated arguments.
    """
    assert not defaults or len(defaults) == len(optional), names
    for name in names:
        scalar_function(name, returns=returns)(Signature(name, to, takes, optional, rest, defaults))


def same_as_first(arguments: list[exp.Expr]) -> exp.DataType | None:
    """Derive the type of a result from the first argument, as for ``ABS(x)``."""
    return arguments[0].type if arguments else None


def converted(argument: exp.Expr, to: Kind) -> exp.Expr:
    """Convert an argument to the kind of its parameter, as Snowflake does implicitly."""
    found = kind(argument)
    match to:
        case Kind.TEXT:
            if found in SHOWN:
                return as_text(argument)
            return argument.copy() if found in TEXTS else text_of(argument)
        case Kind.NUMBER if found in VARIANTS | TEXTS:
            return stored_cast(text_of(argument) if found in VARIANTS else argument.copy(), "DOUBLE")
        case Kind.INTEGER if found in INTEGERS and is_decimal(argument):
            return stored_cast(argument.copy(), "BIGINT")
        case Kind.INTEGER if found not in INTEGERS:
            inner = text_of(argument) if found in VARIANTS else argument.copy()
            return stored_cast(
                builtin("round", stored_cast(inner, "DECIMAL(38,6)")) if found in DECIMALS | TEXTS else inner,
                "BIGINT",
            )
        case Kind.FLOAT if found not in FLOATS:
            return stored_cast(text_of(argument) if found in VARIANTS else argument.copy(), "DOUBLE")
        case Kind.BOOLEAN if found != T.BOOLEAN:
            return stored_cast(text_of(argument) if found in VARIANTS else argument.copy(), "BOOLEAN")
        case Kind.BYTES if found not in BINARIES:
            return builtin("encode", converted(argument, Kind.TEXT))
        case Kind.BINARY if found in TEXTS:
            return macro("sf_unhex", argument.copy())
        case Kind.VARIANT if found not in VARIANTS:
            return variant_of(argument)
    return argument.copy()


def check_count(call: exp.Expr, least: int, most: int | None) -> None:
    """Check the number of a call's arguments.

    Raises:
        ProgrammingError: there are too few or too many.
    """
    given = sum(len(each.expressions) if isinstance(each, exp.Distinct) else 1 for each in call.expressions)
    if given < least:
        raise _arguments(938, "not enough", call, least, given)
    if most is not None and given > most:
        raise _arguments(939, "too many", call, most, given)


def _arguments(number: int, what: str, call: exp.Expr, expected: int, given: int) -> Exception:
    shown = call.copy()
    for argument in shown.expressions:
        # Calls within were translated before this one: they have the names of macros.
        if any(part.meta.get("ours") for part in argument.find_all(exp.Func)):
            argument.replace(exp.Var(this="..."))
    written = shown.sql(dialect="snowflake")
    return errors.error(
        number,
        "42601",
        f"SQL compilation error:\n{what} arguments for function [{written}], expected {expected}, "
        f"got {given}",
    )

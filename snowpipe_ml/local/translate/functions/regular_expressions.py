"""Functions of regular expressions.

Snowflake's patterns are those of RE2 in its POSIX syntax, DuckDB's those of RE2 in its Perl syntax. So
DuckDB would also accept look-around, lazy quantifiers and named groups, which Snowflake rejects.

https://docs.snowflake.com/en/sql-reference/functions-regexp
"""

from __future__ import annotations

import re

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.expressions import macro
from snowpipe_ml.local.translate.registry import scalar_function
from snowpipe_ml.local.translate.signatures import Kind, check_count, converted
from snowpipe_ml.local.translate.types import T

_ESCAPED = re.compile(r"\\.", re.S)
_CLASS = re.compile(r"\[\^?\]?(\[:\^?[a-z]*:\]|[^\]])*\]")
_FLAGS = re.compile(r"[cimse]*\Z")
_MARK = "\ufdd0"


class _Call:
    """A call with its arguments by position, from which the parts of the translation are made."""

    def __init__(self, call: exp.Expr, least: int, most: int) -> None:
        check_count(call, least, most)
        self._given = call.expressions

    def text(self, position: int, default: str | None = None) -> exp.Expr:
        """The argument at a position as a text."""
        if position < len(self._given):
            return converted(self._given[position], Kind.TEXT)
        return exp.null() if default is None else exp.Literal.string(default)

    def whole(self, position: int, default: int) -> exp.Expr:
        """The argument at a position as a whole number."""
        if position < len(self._given):
            return converted(self._given[position], Kind.INTEGER)
        return exp.Literal.number(default)

    def constant(self, position: int, default: str, what: str) -> str | None:
        """The value of an argument that must be a constant; None for NULL."""
        if position >= len(self._given):
            return default
        value = self._given[position]
        if isinstance(value, exp.Null):
            return None
        if not isinstance(value, exp.Literal):
            raise UnsupportedError(f"a {what} of a regular expression that is not a constant")
        return str(value.name)

    def pattern(self, flags: int) -> exp.Expr:
        """The pattern, which is the second argument, with its parameters at a position."""
        given = self._given[flags] if flags < len(self._given) else exp.Literal.string("c")
        if _is_text(self._given[1]) and _is_text(given):
            return exp.Literal.string(_prefix(given.name) + _checked(self._given[1].name))
        return macro("sf_pattern", self.text(1), converted(given, Kind.TEXT))

    def group(self, flags: int, number: int) -> int | None:
        """The number of the group that the call extracts; 0 for the whole match, None for NULL.

        Raises:
            UnsupportedError: the group is not known when the statement is translated.
        """
        parameters = self.constant(flags, "c", "parameter")
        group = self.constant(number, "", "group number")
        if parameters is None or group is None:
            return None
        if group == "" and "e" not in parameters:
            return 0
        if not _is_text(self._given[1]):
            raise UnsupportedError("a group of a regular expression that is not a constant")
        groups = _bare(self._given[1].name).count("(")
        if group == "":
            return min(1, groups)
        return int(group) if int(group) <= groups else None


def _is_text(argument: exp.Expr) -> bool:
    return isinstance(argument, exp.Literal | exp.RawString) and bool(argument.is_string)


def _prefix(flags: str) -> str:
    if not _FLAGS.match(flags):
        raise UnsupportedError(
            f"the parameters '{flags}' of a regular expression", "Snowflake has c, i, m, s and e"
        )
    ignoring = flags.rfind("i") > flags.rfind("c")
    return ("(?i)" if ignoring else "") + "".join(f"(?{flag})" for flag in "ms" if flag in flags)


def _bare(pattern: str) -> str:
    """Replace what is escaped or in brackets, so that the operators of a pattern can be found.

    The text keeps its length.
    """
    plain = _ESCAPED.sub("xx", pattern)
    return _CLASS.sub(lambda found: "x" * len(found.group()), plain)


def _checked(pattern: str) -> str:
    """Reject the Perl syntax, with Snowflake's error."""
    bare = _bare(pattern)
    if "(?" in bare:
        problem = "no argument for repetition operator: ?"
    elif re.search(r"[*+?}]\?", bare):
        problem = "bad repetition operator"
    else:
        return pattern
    raise errors.error(100048, "2201B", f"Invalid regular expression: '{pattern}', {problem}")


def _null(kind: exp.DType) -> exp.Expr:
    made = exp.cast(exp.null(), exp.DataType(this=kind))
    made.to.meta["stored"] = True
    return made


@scalar_function("REGEXP_LIKE", "RLIKE", "REGEXP", returns=T.BOOLEAN)
def regexp_like(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate REGEXP_LIKE, which compares the whole text."""
    given = _Call(call, 2, 3)
    return macro("sf_regexp_like", given.text(0), given.pattern(2))


def regexp_operator(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate the operators ``x RLIKE y`` and ``x REGEXP y``."""
    return regexp_like(exp.Anonymous(this="RLIKE", expressions=[node.this, node.expression]), session)


@scalar_function("REGEXP_COUNT", returns=T.BIGINT)
def regexp_count(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``REGEXP_COUNT(subject, pattern, position, parameters)``."""
    given = _Call(call, 2, 4)
    return macro("sf_regexp_count", given.text(0), given.pattern(3), given.whole(2, 1))


@scalar_function("REGEXP_SUBSTR", returns=T.VARCHAR)
def regexp_substr(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``REGEXP_SUBSTR(subject, pattern, position, occurrence, parameters, group)``."""
    return _extracted(call, "sf_regexp_substr", T.VARCHAR)


@scalar_function("REGEXP_SUBSTR_ALL", "REGEXP_EXTRACT_ALL", returns=T.JSON)
def regexp_substr_all(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``REGEXP_SUBSTR_ALL(subject, pattern, position, occurrence, parameters, group)``."""
    return _extracted(call, "sf_regexp_substr_all", T.JSON)


def _extracted(call: exp.Expr, name: str, returns: exp.DType) -> exp.Expr:
    given = _Call(call, 2, 6)
    group = given.group(4, 5)
    if group is None:
        return _null(returns)
    parts = (given.text(0), given.pattern(4), given.whole(2, 1), given.whole(3, 1), exp.Literal.number(group))
    return macro(name, *parts)


@scalar_function("REGEXP_INSTR", returns=T.BIGINT)
def regexp_instr(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``REGEXP_INSTR(subject, pattern, position, occurrence, option, parameters, group)``."""
    given = _Call(call, 2, 7)
    group = given.group(5, 6)
    if group is None:
        return _null(T.BIGINT)
    pattern = given.pattern(5)
    shown = f"{_MARK}\\0{_MARK}{_MARK}{_MARK}"
    if group:
        written = call.expressions[1].name
        pattern = exp.Literal.string(
            _prefix(given.constant(5, "c", "parameter") or "") + _split(written, group)
        )
        shown = f"{_MARK}\\0{_MARK}\\1{_MARK}\\{group + 1}{_MARK}"
    return macro(
        "sf_regexp_instr",
        given.text(0),
        pattern,
        given.whole(2, 1),
        given.whole(3, 1),
        given.whole(4, 0),
        exp.Boolean(this=bool(group)),
        exp.Literal.string(shown),
    )


def _split(pattern: str, group: int) -> str:
    """Capture the text before a group in an extra group, whose length is the group's position.

    Raises:
        UnsupportedError: the group is part of another one, repeated, or an alternative.
    """
    bare, depth, seen, start = _bare(_checked(pattern)), 0, 0, -1
    for place, letter in enumerate(bare):
        if letter == "(":
            seen += 1
            if seen == group:
                if depth:
                    break
                start = place
            depth += 1
        elif letter == ")":
            depth -= 1
            if (
                start >= 0
                and depth == 0
                and seen >= group
                and bare[place + 1 : place + 2] in ("*", "+", "?", "{")
            ):
                inside = bare[start:place].count("(")
                if group + inside - 1 == seen:
                    start = -1
                    break
        elif letter == "|" and depth == 0:
            start = -1
            break
    if start < 0 or group > 8:
        raise UnsupportedError("REGEXP_INSTR of a group that is nested, repeated or an alternative")
    return f"({pattern[:start]}){pattern[start:]}"


@scalar_function("REGEXP_REPLACE", returns=T.VARCHAR)
def regexp_replace(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``REGEXP_REPLACE(subject, pattern, replacement, position, occurrence, parameters)``."""
    given = _Call(call, 2, 6)
    parts = (given.text(0), given.pattern(5), given.text(2, ""), given.whole(3, 1), given.whole(4, 0))
    return macro("sf_regexp_replace", *parts)

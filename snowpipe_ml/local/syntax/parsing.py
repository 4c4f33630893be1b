"""Snowflake's SQL as a tree, by sqlglot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.errors import SqlglotError
from sqlglot.parsers.snowflake import SnowflakeParser

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.time_formats import is_auto

_T = exp.DataType.Type
# The functions that read a date or a time by a format, and their types.
_READERS = {
    "DATE": _T.DATE,
    "TO_DATE": _T.DATE,
    "TRY_TO_DATE": _T.DATE,
    "TIME": _T.TIME,
    "TO_TIME": _T.TIME,
    "TRY_TO_TIME": _T.TIME,
    **{
        f"{trying}TO_TIMESTAMP{suffix}": kind
        for trying in ("", "TRY_")
        for suffix, kind in (
            ("", _T.TIMESTAMPNTZ),
            ("_NTZ", _T.TIMESTAMPNTZ),
            ("_LTZ", _T.TIMESTAMPLTZ),
            ("_TZ", _T.TIMESTAMPTZ),
        )
    },
}


def _reader(name: str) -> Callable[..., exp.Expr]:
    """The builder of ``TO_DATE(x, 'format')``: it keeps the format as written, where sqlglot translates a part of it."""
    kind = _READERS[name]
    otherwise: Any = SnowflakeParser.FUNCTIONS[name]

    def build(args: list[exp.Expr], dialect: Any) -> exp.Expr:
        text = args[1].name if len(args) == 2 and args[1].is_string else None
        if text is not None and is_auto(text):
            args = args[:1]
        if len(args) != 2 or args[1].is_int:
            try:
                node: exp.Expr = otherwise(args)
            except TypeError:  # as sqlglot finds out what a builder takes
                node = otherwise(args, dialect=dialect)
            return node
        of = exp.TsOrDsToDate if kind == _T.DATE else exp.TsOrDsToTime if kind == _T.TIME else exp.StrToTime
        read = of(this=args[0], format=args[1])
        read.set("safe", name.startswith("TRY_"))
        if of is exp.StrToTime:
            read.set("target_type", exp.DataType(this=kind))
        # As a cast, its type is seen by what is around it: sqlglot takes every StrToTime for a TIMESTAMP_NTZ.
        zoned = kind in (_T.TIMESTAMPLTZ, _T.TIMESTAMPTZ)
        return exp.Cast(this=read, to=exp.DataType(this=kind)) if zoned else read

    return build


def _writer(args: list[exp.Expr]) -> exp.Expr:
    """``TO_CHAR(x, 'format')``, with the format as written."""
    return exp.ToChar(this=args[0] if args else None, format=args[1] if len(args) > 1 else None)


class _Parser(SnowflakeParser):
    """Snowflake's parser, and what the rewrites need of the text beyond sqlglot's tree.

    It notes the names of functions and the text of each value of a SELECT list, which is the name of a
    result column that has none, and keeps the keys of object constants and the formats of dates as they are written.
    """

    FUNCTIONS: ClassVar = {
        **SnowflakeParser.FUNCTIONS,
        **{name: _reader(name) for name in _READERS},
        **dict.fromkeys(("TO_CHAR", "TO_VARCHAR"), _writer),
    }

    def _kv_to_prop_eq(self, expressions: list[exp.Expr], parse_map: bool = False) -> list[exp.Expr]:
        """``{'a': 1}``: a key is a text, and not a name, whose case would change."""
        return super()._kv_to_prop_eq(
            [
                exp.PropertyEQ(this=e.this, expression=e.expression)
                if isinstance(e, exp.Slice) and e.this.is_string
                else e
                for e in expressions
            ],
            parse_map,
        )

    def _parse_function_call(
        self,
        functions: dict[str, Callable[..., Any]] | None = None,
        anonymous: bool = False,
        optional_parens: bool = True,
        any_token: bool = False,
    ) -> exp.Expr | None:
        """Notes the name that a function is called by: a class of sqlglot's stands for several names."""
        name = self._curr.text if self._curr is not None else ""
        node: exp.Expr | None = super()._parse_function_call(functions, anonymous, optional_parens, any_token)
        call = node.this if isinstance(node, exp.Window) else node
        if isinstance(call, exp.Func) and name:
            call.meta.setdefault("called", name)
        return node

    def _parse_projections(self) -> tuple[list[exp.Expr], list[exp.Expr] | None]:
        return self._parse_csv(self._parse_projection), None

    def _parse_projection(self) -> exp.Expr | None:
        first = self._curr
        node: exp.Expr | None = self._parse_expression()
        if node is not None and first is not None and self._prev is not None:
            node.meta["written"] = self.sql[first.start : self._prev.end + 1]
        return node


class _Dialect(Snowflake):
    Parser = _Parser


def parse(text: str) -> exp.Expr:
    """A statement's tree.

    Raises:
        ProgrammingError: a syntax error, at Snowflake's line and position.
    """
    try:
        statements = [tree for tree in sqlglot.parse(text, read=_Dialect) if tree is not None]
    except SqlglotError as error:
        details = getattr(error, "errors", None) or [{}]
        first = details[0]
        raise errors.syntax(
            f"syntax error line {first.get('line', 1)} at position {max(0, first.get('col', 1) - 1)} "
            f"unexpected '{first.get('highlight') or '<EOF>'}'."
        ) from error
    if len(statements) != 1:
        raise errors.error(
            8,
            "0A000",
            f"Actual statement count {len(statements)} did not match the desired statement count 1.",
        )
    tree: exp.Expr = statements[0]
    if isinstance(tree, exp.Command):
        raise errors.UnsupportedError(f"the statement {' '.join(text.split()[:3])}")
    return tree

"""Parse a Snowflake statement to a sqlglot tree."""

from __future__ import annotations

from collections.abc import Callable

import sqlglot
from sqlglot import exp
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.errors import SqlglotError
from sqlglot.parsers.snowflake import SnowflakeParser
from sqlglot.tokenizer_core import TokenType

from snowpipe_ml.local.core import errors

AS_WRITTEN: set[str] = set()
"""The functions that are parsed as plain calls, with their arguments as they are written, although sqlglot has
a class for them. The registry of functions fills it."""

PREPARATIONS: list[Callable[[], None]] = []
"""Called before a statement is parsed, so that ``AS_WRITTEN`` is complete; each may be called often."""

# The functions with a part of a date, and the position of that argument.
_PARTS = dict.fromkeys(
    ("DATEADD", "TIMEADD", "TIMESTAMPADD", "DATEDIFF", "TIMEDIFF", "TIMESTAMPDIFF", "DATE_TRUNC"), 0
) | {"LAST_DAY": 1}


def _name_part(call: exp.Expr | None) -> None:
    """Keep the part in ``DATEADD(day, 1, d)`` apart from the columns, one of which may have its name."""
    place = _PARTS.get(call.name.upper()) if isinstance(call, exp.Anonymous) else None
    if call is not None and place is not None and len(call.expressions) > place:
        part = call.expressions[place]
        if isinstance(part, exp.Column) and not part.table:
            part.replace(exp.Var(this=part.name))


class _Parser(SnowflakeParser):
    """Snowflake's parser, extended by details of the source text that the translation needs.

    In the ``meta`` of nodes it records the name of each called function ("called") and the source text of
    each expression in a SELECT list ("written"), which is the name of an unnamed result column. It keeps the
    keys of object constants unchanged.
    """

    def _kv_to_prop_eq(self, expressions: list[exp.Expr], parse_map: bool = False) -> list[exp.Expr]:
        """Keep the keys of ``{'a': 1}`` as strings; as identifiers their case would change."""
        return super()._kv_to_prop_eq(
            [
                exp.PropertyEQ(this=e.this, expression=e.expression)
                if isinstance(e, exp.Slice) and e.this.is_string
                else e
                for e in expressions
            ],
            parse_map,
        )

    def _parse_interval(
        self, require_interval: bool = True, parse_function_unit: bool = True
    ) -> exp.Add | exp.Interval | None:
        """Mark ``INTERVAL '3' DAY``, whose unit is not in the text."""
        text = self._next.text if self._next is not None else ""
        node = super()._parse_interval(require_interval, parse_function_unit)
        if isinstance(node, exp.Interval) and node.args.get("unit") is not None:
            node.meta["qualified"] = text.strip().lstrip("+-").isdigit()
        return node

    def _parse_part_call(self, name: str) -> exp.Expr | None:
        """Parse ``EXTRACT(year FROM x)``, which can also be written as ``DATE_PART('year', x)``."""
        self._advance(2)
        part = self._parse_string() or self._parse_var(any_token=True)
        if not self._match(TokenType.FROM):
            self._match(TokenType.COMMA)
        call = exp.Anonymous(this=name, expressions=[part, self._parse_bitwise()])
        self._match_r_paren(call)
        call.meta["called"] = name
        return call

    def _parse_function_call(
        self,
        functions: dict[str, Callable[..., exp.Expr]] | None = None,
        anonymous: bool = False,
        optional_parens: bool = True,
        any_token: bool = False,
    ) -> exp.Expr | None:
        """Record the name in the function call, because one sqlglot class represents several names."""
        name = self._curr.text if self._curr is not None else ""
        anonymous = anonymous or name.upper() in AS_WRITTEN
        if name.upper() in ("EXTRACT", "DATE_PART") and self._next and self._next.text == "(":
            return self._parse_part_call(name)
        node: exp.Expr | None = super()._parse_function_call(functions, anonymous, optional_parens, any_token)
        call = node.this if isinstance(node, exp.Window) else node
        _name_part(call)
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
    """Parse a statement to a tree.

    Raises:
        ProgrammingError: the statement has a syntax error; the message has the line and position as Snowflake
            counts them.
    """
    for prepare in PREPARATIONS:
        prepare()
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

"""Snowflake's SQL as a tree, by sqlglot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.errors import SqlglotError
from sqlglot.parsers.snowflake import SnowflakeParser

from snowpipe_ml.local import errors


class _Parser(SnowflakeParser):
    """Notes what the tree does not keep: names of functions, and the text of each value of a SELECT list.

    That text is the name of a result column that has none.
    """

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
            8, "0A000", f"Actual statement count {len(statements)} did not match the desired statement count 1."
        )
    tree: exp.Expr = statements[0]
    if isinstance(tree, exp.Command):
        raise errors.UnsupportedError(f"the statement {' '.join(text.split()[:3])}")
    return tree

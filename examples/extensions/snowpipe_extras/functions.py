"""A SQL function of the embedded warehouse."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.casts import builtin


def word_count(call: exp.Expr, session: Session) -> exp.Expr:
    """``WORD_COUNT(text)``: the number of words between spaces, by DuckDB's functions."""
    (text,) = call.expressions
    return builtin("len", builtin("string_split", text.copy(), exp.Literal.string(" ")))

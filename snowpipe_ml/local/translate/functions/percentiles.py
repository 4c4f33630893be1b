"""MEDIAN, PERCENTILE_CONT, PERCENTILE_DISC and APPROX_PERCENTILE."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.checks import named
from snowpipe_ml.local.translate.expressions import builtin, stored_cast
from snowpipe_ml.local.translate.type_names import as_written, wrong_type
from snowpipe_ml.local.translate.types import BINARIES, DECIMALS, INTEGERS, MOMENTS, T, kind, scale_of


def _wider(value: exp.Expr) -> exp.Expr:
    """Cast a NUMBER so that the mean of two values is exact: its scale grows by three.

    A value of another or unknown type becomes a FLOAT, because DuckDB's median of decimals is truncated.
    """
    scale = scale_of(value)
    if kind(value) not in INTEGERS | DECIMALS or scale is None:
        return stored_cast(value.copy(), "DOUBLE")
    return stored_cast(value.copy(), f"DECIMAL(38,{min(scale + 3, 37)})")


def median(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate MEDIAN, whose scale is that of its argument plus three.

    https://docs.snowflake.com/en/sql-reference/functions/median
    """
    node.set("this", _wider(node.this))
    return node


def percentile(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``PERCENTILE_CONT(p) WITHIN GROUP (ORDER BY x)``, whose scale is that of x plus three.

    https://docs.snowflake.com/en/sql-reference/functions/percentile_cont
    """
    if isinstance(node.this, exp.PercentileCont | exp.PercentileDisc):
        _check_fraction(node.this, node.this.this, 1)
    if isinstance(node.this, exp.PercentileCont):
        for ordered in node.expression.expressions:
            if kind(ordered.this) in MOMENTS | BINARIES | {T.BOOLEAN, T.ARRAY, T.OBJECT}:
                raise wrong_type("PERCENTILE_CONT", ordered.this)
            ordered.set("this", _wider(ordered.this))
    return node


def _check_fraction(call: exp.Expr, given: exp.Expr, place: int) -> None:
    """Check the percentile of PERCENTILE_CONT and the like, a constant from 0 to 1.

    Raises:
        ProgrammingError: it is not.
    """
    value = given.unnest()
    name = named(call)
    negative = isinstance(value, exp.Neg) and isinstance(value.this, exp.Literal)
    if not isinstance(value, exp.Literal) and not negative:
        raise errors.error(
            1015,
            "22023",
            f"SQL compilation error:\nargument {place} to function {name} needs to be constant, found "
            f"'{as_written(given)}'",
        )
    if negative or value.is_string or float(value.name) > 1:
        raise errors.compilation(
            f"Invalid value [{given.sql(dialect='snowflake')}] for function '{name}', parameter {place}: "
            "a number from 0 to 1 is expected",
            "22023",
        )


def approximate_quantile(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``APPROX_PERCENTILE(x, p)``, a FLOAT, by the exact percentile."""
    _check_fraction(node, node.args["quantile"], 2)
    return builtin("quantile_cont", stored_cast(node.this.copy(), "DOUBLE"), node.args["quantile"].copy())

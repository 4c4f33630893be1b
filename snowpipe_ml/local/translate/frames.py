"""Refuse the window frames that Snowflake refuses.

https://docs.snowflake.com/en/sql-reference/functions-window-syntax
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.errors import compilation, syntax
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.checks import named
from snowpipe_ml.local.translate.type_names import as_written, type_name
from snowpipe_ml.local.translate.types import DECIMALS, FLOATS, INTEGERS, TIMESTAMPS, VARIANTS, T, kind

_NUMBERS = INTEGERS | DECIMALS | FLOATS
# The functions that take a RANGE frame with offsets.
_RANGED = frozenset(
    {
        *("ARRAY_AGG", "AVG", "COUNT", "COUNT_IF", "FIRST_VALUE", "LAST_VALUE", "MAX", "MIN", "STDDEV"),
        *("STDDEV_POP", "STDDEV_SAMP", "SUM", "VARIANCE", "VARIANCE_POP", "VARIANCE_SAMP", "VAR_POP"),
        "VAR_SAMP",
    }
)


def window_frame(node: exp.Expr, session: Session) -> exp.Expr:
    """Check the frame of a window whose expressions are annotated.

    Raises:
        ProgrammingError: Snowflake refuses the frame.
    """
    spec = node.args.get("spec")
    if spec is None:
        return node
    order = node.args.get("order")
    keys = order.expressions if order is not None else []
    offsets = [bound for side in ("start", "end") if isinstance(bound := spec.args.get(side), exp.Expr)]
    if offsets and not keys:
        raise compilation("A window frame needs an ORDER BY in the window specification.")
    for offset in offsets:
        _check_constant(offset, whole=spec.args.get("kind") == "ROWS")
    if spec.args.get("kind") != "RANGE":
        return node
    if offsets:
        _check_range(node, keys, offsets)
    if spec.args.get("start_side") == "FOLLOWING" and (
        spec.args.get("end") == "CURRENT ROW" or spec.args.get("end_side") == "PRECEDING"
    ):
        raise syntax("Invalid window frame")
    return node


def _check_constant(offset: exp.Expr, *, whole: bool) -> None:
    """Refuse an offset that is not a constant, or is negative."""
    if isinstance(offset, exp.Interval) and not whole:
        return
    if not isinstance(offset, exp.Literal) or offset.is_string or (whole and not offset.is_int):
        what = "an integer" if whole else "a number or an interval"
        raise syntax(
            f"syntax error unexpected '{as_written(offset)}': the offset of a window frame must be "
            f"{what} that is constant and not negative."
        )


def _check_range(window: exp.Expr, keys: list[exp.Expr], offsets: list[exp.Expr]) -> None:
    function = named(window.this)
    if function and (function not in _RANGED or window.this.find(exp.Distinct) is not None):
        what = f"{function} with DISTINCT" if function in _RANGED else function
        raise compilation(f"A RANGE frame with offsets is not supported for the function {what}.")
    if len(keys) != 1:
        raise compilation("A RANGE frame with offsets needs exactly one expression in ORDER BY.")
    intervals = [offset for offset in offsets if isinstance(offset, exp.Interval)]
    numbers = [offset for offset in offsets if not isinstance(offset, exp.Interval)]
    if intervals and any(number.name != "0" for number in numbers):
        raise syntax("Mixing numeric and interval frames is not supported")
    key = keys[0].this
    found = kind(key)
    if found is None or found in VARIANTS:
        return
    if found in _NUMBERS:
        if intervals:
            raise syntax("numeric ORDER BY clause only allows numeric window frame boundaries")
    elif found not in TIMESTAMPS | {T.DATE}:
        raise compilation(
            "A RANGE frame with offsets needs a DATE, a TIMESTAMP or a number in ORDER BY, "
            f"and not {type_name(key)}."
        )
    elif found != T.DATE and numbers and not intervals:
        raise compilation("A RANGE frame over timestamps needs an INTERVAL as its offset.")

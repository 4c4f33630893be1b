"""Window functions."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.expressions import builtin, macro, stored_cast
from snowpipe_ml.local.translate.functions.numbers import division
from snowpipe_ml.local.translate.number_types import quotient_scale
from snowpipe_ml.local.translate.registry import same_in_duckdb, scalar_function
from snowpipe_ml.local.translate.signatures import same_as_first
from snowpipe_ml.local.translate.types import T, kind, number_type, scale_of


def _window(call: exp.Expr) -> exp.Window:
    if not isinstance(call.parent, exp.Window):
        raise errors.syntax(f"Missing window specification for window function {call.name.upper()}.")
    return call.parent


def _argument(call: exp.Expr) -> exp.Expr:
    if len(call.expressions) != 1:
        raise errors.error(
            938,
            "42601",
            f"SQL compilation error:\nnot enough arguments for function [{call.sql('snowflake')}]",
        )
    argument: exp.Expr = call.expressions[0]
    if argument.find(exp.Window):
        raise errors.UnsupportedError(
            f"a window function inside {call.name.upper()}", "Compute it in a subquery"
        )
    return argument


def _rows_until_current() -> exp.WindowSpec:
    return exp.WindowSpec(kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="CURRENT ROW")


def _ratio(arguments: list[exp.Expr]) -> exp.DataType | None:
    scale = scale_of(arguments[0]) if arguments and kind(arguments[0]) in (T.BIGINT, T.DECIMAL) else None
    return exp.DataType(this=T.DOUBLE) if scale is None else number_type(38, quotient_scale(scale))


@scalar_function("RATIO_TO_REPORT", returns=_ratio)
def _ratio_to_report(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``RATIO_TO_REPORT(x) OVER (PARTITION BY y)``; an ORDER BY has no effect.

    https://docs.snowflake.com/en/sql-reference/functions/ratio_to_report
    """
    window, value = _window(call), _argument(call)
    total = window.copy()
    total.set("this", exp.Sum(this=value.copy()))
    total.set("order", None)
    total.set("spec", None)
    whole = builtin("nullif", total, exp.Literal.number(0))
    whole.type = (
        exp.DataType.build(f"DECIMAL(38,{scale_of(value)})")
        if kind(value) in (T.BIGINT, T.DECIMAL)
        else exp.DataType(this=T.DOUBLE)
    )
    ratio = division(exp.Div(this=value.copy(), expression=whole), session)
    window.replace(exp.Paren(this=ratio))
    return call


@scalar_function("CONDITIONAL_TRUE_EVENT", returns=T.BIGINT)
def _true_events(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``CONDITIONAL_TRUE_EVENT(c) OVER (...)``, the number of rows so far where c is true.

    https://docs.snowflake.com/en/sql-reference/functions/conditional_true_event
    """
    window, condition = _window(call), _argument(call)
    if kind(condition) != T.BOOLEAN:
        condition = stored_cast(condition.copy(), "BOOLEAN")
    window.set("spec", _rows_until_current())
    # Without a known condition, DuckDB's count is NULL.
    return builtin("count_if", exp.Coalesce(this=condition.copy(), expressions=[exp.false()]))


@scalar_function("CONDITIONAL_CHANGE_EVENT", returns=T.BIGINT)
def _change_events(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``CONDITIONAL_CHANGE_EVENT(x) OVER (...)``, the number of changes of x so far.

    https://docs.snowflake.com/en/sql-reference/functions/conditional_change_event
    """
    window, value = _window(call), _argument(call)
    listed = window.copy()
    listed.set("this", builtin("list", value.copy()))
    listed.set("spec", _rows_until_current())
    window.replace(macro("sf_changes", listed))
    return call


@scalar_function("INTERPOLATE_BFILL", "INTERPOLATE_FFILL", returns=same_as_first)
def _interpolate(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``INTERPOLATE_FFILL(x) OVER (...)``: the last x that is not NULL; BFILL is the next one.

    https://docs.snowflake.com/en/sql-reference/functions/interpolate_bfill
    """
    window, value = _window(call), _argument(call)
    forward = call.name.upper() == "INTERPOLATE_FFILL"
    window.set(
        "spec",
        _rows_until_current()
        if forward
        else exp.WindowSpec(kind="ROWS", start="CURRENT ROW", end="UNBOUNDED", end_side="FOLLOWING"),
    )
    of = exp.LastValue if forward else exp.FirstValue
    return exp.IgnoreNulls(this=of(this=value.copy()))


def from_last(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``NTH_VALUE(x, n) FROM LAST OVER (...)`` by the reversed order.

    https://docs.snowflake.com/en/sql-reference/functions/nth_value
    """
    call = node.this.this if isinstance(node.this, exp.IgnoreNulls | exp.RespectNulls) else node.this
    if not isinstance(call, exp.NthValue) or call.args.get("from_first") is not False:
        return node
    spec = node.args.get("spec")
    if spec is not None and (spec.args.get("start"), spec.args.get("end")) != ("UNBOUNDED", "UNBOUNDED"):
        raise errors.UnsupportedError("FROM LAST with a window frame")
    call.set("from_first", None)
    for ordered in node.args["order"].expressions:
        ordered.set("desc", not ordered.args.get("desc"))
        ordered.set("nulls_first", not ordered.args.get("nulls_first"))
    return node


same_in_duckdb(
    "CUME_DIST",
    "DENSE_RANK",
    "FIRST_VALUE",
    "LAG",
    "LAST_VALUE",
    "LEAD",
    "NTH_VALUE",
    "NTILE",
    "PERCENT_RANK",
    "RANK",
    "ROW_NUMBER",
)

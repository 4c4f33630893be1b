"""The conditions of DEFINE in MATCH_RECOGNIZE, computed for all rows before the search for matches.

https://docs.snowflake.com/en/sql-reference/constructs/match_recognize
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.syntax.trees import copied
from snowpipe_ml.local.translate.functions.aggregates import SAME_AGGREGATES
from snowpipe_ml.local.translate.functions.collections import COLLECTING

_WHOLE = {
    "kind": "ROWS",
    "start": "UNBOUNDED",
    "start_side": "PRECEDING",
    "end": "UNBOUNDED",
    "end_side": "FOLLOWING",
}
_OTHER_AGGREGATES = frozenset({*SAME_AGGREGATES, *COLLECTING})
_OF_MATCHES = ("MATCH_NUMBER", "MATCH_SEQUENCE_NUMBER", "CLASSIFIER", "PREV")


def stored_name(identifier: exp.Expr) -> str:
    """Return the name of an identifier that has not been brought to its stored form."""
    return identifier.name if identifier.args.get("quoted") else identifier.name.upper()


def called_name(call: exp.Expr) -> str:
    """Return the name of a function as it was called."""
    return str(call.meta.get("called", call.name if isinstance(call, exp.Anonymous) else call.key)).upper()


def is_aggregate(node: exp.Expr) -> bool:
    """Return whether a call is one of an aggregate or of a window function."""
    if isinstance(node, exp.Anonymous):
        return called_name(node) in _OTHER_AGGREGATES
    return isinstance(node, exp.AggFunc | exp.RowNumber | exp.Ntile)


def windowed(
    call: exp.Expr,
    partition: Sequence[exp.Expr],
    keys: Sequence[exp.Expr],
    spec: exp.WindowSpec | None = None,
) -> exp.Window:
    """Compute a window function over the rows of each partition, in their order."""
    return exp.Window(
        this=call,
        partition_by=[copied(each) for each in partition],
        order=exp.Order(expressions=[copied(key) for key in keys]),
        spec=spec,
    )


def condition(
    node: exp.Expr, symbols: set[str], partition: Sequence[exp.Expr], keys: Sequence[exp.Expr]
) -> exp.Expr:
    """Translate a condition of DEFINE to one that does not depend on the match.

    Args:
        node: the condition.
        symbols: the symbols of the pattern.
        partition: the expressions of PARTITION BY.
        keys: the sort keys of ORDER BY.

    Raises:
        ProgrammingError: Snowflake does not have the function in DEFINE.
        UnsupportedError: the condition depends on the match.
    """
    holder = exp.Paren(this=copied(node))
    _translate(holder.this, symbols, partition, keys)
    made: exp.Expr = holder.this.copy()
    return made


def _translate(
    node: exp.Expr, symbols: set[str], partition: Sequence[exp.Expr], keys: Sequence[exp.Expr]
) -> None:
    match node:
        case exp.Query() | exp.Subquery():
            raise UnsupportedError("a subquery in DEFINE")
        case exp.Window():
            _check_frame(node)
            node.set("partition_by", [copied(each) for each in partition])
            node.set("order", exp.Order(expressions=[copied(key) for key in keys]))
            children = list(node.this.iter_expressions())
        case exp.Column():
            if node.table and stored_name(node.args["table"]) in symbols:
                raise errors.compilation(
                    f"the column {'.'.join(map(stored_name, node.parts))} of a symbol is not available in DEFINE"
                )
            return
        case exp.Lag() | exp.Lead():
            children = list(node.iter_expressions())
            _put(node, lambda call: windowed(call, partition, keys))
        case exp.FirstValue() | exp.LastValue():
            children = list(node.iter_expressions())
            _put(node, lambda call: windowed(call, partition, keys, exp.WindowSpec(**_WHOLE)))
        case exp.Anonymous() if called_name(node) == "NEXT":
            children = node.expressions
            call = exp.Lead(**dict(zip(("this", "offset", "default"), children, strict=False)))
            node.replace(windowed(call, partition, keys))
        case exp.Last() if len(list(node.iter_expressions())) == 1:
            children = [node.this]  # the last row of the attempt is the row itself
            node.replace(exp.Paren(this=node.this))
        case exp.First() | exp.Anonymous() if isinstance(node, exp.First) or called_name(node) in _OF_MATCHES:
            raise errors.compilation(f"{called_name(node)} is not available in DEFINE")
        case exp.IgnoreNulls() | exp.RespectNulls():
            raise UnsupportedError("IGNORE NULLS in DEFINE")
        case _ if is_aggregate(node):
            raise UnsupportedError(
                f"{called_name(node)} in DEFINE without OVER",
                "Write OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
            )
        case _:
            children = list(node.iter_expressions())
    for child in children:
        _translate(child, symbols, partition, keys)


def _put(call: exp.Expr, around: object) -> None:
    assert callable(around)
    marker = exp.Null()
    call.replace(marker)
    marker.replace(around(call))


def _check_frame(window: exp.Window) -> None:
    """Refuse a frame that can depend on where the match begins."""
    spec = window.args.get("spec")
    if window.args.get("partition_by") or window.args.get("order"):
        raise UnsupportedError("PARTITION BY or ORDER BY of a window function in DEFINE")
    if spec is None or any(str(spec.args.get(key)).upper() != value for key, value in _WHOLE.items()):
        raise UnsupportedError(
            "a window function in DEFINE whose frame is not the whole partition",
            "Compute it in a subquery",
        )

"""Check the number of arguments of calls, and that window functions have a window."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.checks import named
from snowpipe_ml.local.translate.guard import is_relation, snowflake_functions
from snowpipe_ml.local.translate.signatures import check_count

_RANKS = frozenset({"CUME_DIST", "DENSE_RANK", "PERCENT_RANK", "RANK", "ROW_NUMBER"})
# Functions without arguments.
_BARE = _RANKS | {
    *("CURRENT_ACCOUNT", "CURRENT_ACCOUNT_NAME", "CURRENT_CLIENT", "CURRENT_DATABASE", "CURRENT_IP_ADDRESS"),
    *("CURRENT_ORGANIZATION_NAME", "CURRENT_REGION", "CURRENT_ROLE", "CURRENT_ROLE_TYPE", "CURRENT_SCHEMA"),
    *("CURRENT_SCHEMAS", "CURRENT_SESSION", "CURRENT_STATEMENT", "CURRENT_TRANSACTION", "CURRENT_USER"),
    *("CURRENT_VERSION", "CURRENT_WAREHOUSE", "PI", "SYSDATE"),
}
_WINDOW_FUNCTIONS = _RANKS | {
    *("CONDITIONAL_CHANGE_EVENT", "CONDITIONAL_TRUE_EVENT", "FIRST_VALUE", "LAG", "LAST_VALUE", "LEAD"),
    *("NTH_VALUE", "NTILE", "RATIO_TO_REPORT"),
}


def check_argument_counts(tree: exp.Expr) -> None:
    """Refuse calls with too few or too many arguments, and window functions without OVER.

    Raises:
        ProgrammingError: a call is invalid.
    """
    for call in nodes(tree, exp.Func):
        name = named(call)
        if not name or call.meta.get("ours"):
            continue
        if name in _BARE and (given := _given(call)):
            raise errors.error(
                939,
                "42601",
                f"SQL compilation error:\ntoo many arguments for function [{call.sql(dialect='snowflake')}], "
                f"expected 0, got {given}",
            )
        if name in _WINDOW_FUNCTIONS and not _has_window(call):
            raise errors.compilation(f"Window function [{name}] needs a window specification (OVER)")
        counted = isinstance(call, exp.Anonymous) and name != "POSITION" and not is_relation(call)
        least = snowflake_functions().get(name) if counted else None
        if least is not None and not any(part is not None and part.is_star for part in call.expressions):
            check_count(call, least, None)  # the functions themselves know of parameters that were added
        if not isinstance(call, exp.Anonymous) and call.error_messages():
            raise errors.error(
                938, "42601", f"SQL compilation error:\nnot enough arguments for function [{name}]"
            )


def _given(call: exp.Expr) -> int:
    return len(call.expressions) + int(isinstance(call.args.get("this"), exp.Expr))


def _has_window(call: exp.Expr) -> bool:
    parent = call.parent
    while isinstance(parent, exp.IgnoreNulls | exp.RespectNulls | exp.WithinGroup):
        parent = parent.parent
    return isinstance(parent, exp.Window)

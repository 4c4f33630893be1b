"""Decide whether the translation of a query can be used again; core/translations.py keeps it."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.registry import SCALAR_FUNCTIONS, depends_on_session

# Relations and functions whose translation reads something that changes without a statement of DDL.
_CHANGING = (
    *(exp.TableFromRows, exp.DirectoryStage, exp.Placeholder, exp.Parameter, exp.DynamicIdentifier),
    exp.MatchRecognize,
)


def is_reusable(tree: exp.Expr, session: Session) -> bool:
    """Return whether the translation of a parsed query depends only on its objects and the settings."""
    if session.storage.has_streams:
        return False
    for node in nodes(tree, exp.Func, exp.Table, *_CHANGING):
        if isinstance(node, _CHANGING):
            return False
        if isinstance(node, exp.Table):
            if node.args.get("when") or node.args.get("changes"):
                return False
            if not isinstance(node.this, exp.Identifier) or node.db.upper() in (
                "INFORMATION_SCHEMA",
                "ACCOUNT_USAGE",
            ):
                return False
        elif isinstance(node, exp.Anonymous):
            if node.name.upper() not in SCALAR_FUNCTIONS or depends_on_session(node.name.upper()):
                return False
        elif type(node).__name__.startswith("Current") and not (
            isinstance(node, exp.CurrentTimestamp) and session.transaction is None
        ):
            return False
    return True

"""Statements that only read: what the tool ``sql`` runs unless writing is allowed."""

from __future__ import annotations

from snowpipe_ml.errors import MissingExtraError, UsageError

__all__ = ["check_reading"]

_HARMLESS = frozenset({"SYSTEM$TYPEOF"})


def check_reading(statement: str) -> None:
    """Check that a statement is one SELECT, SHOW or DESCRIBE without a side effect.

    Raises:
        UsageError: it is not, or it cannot be told.
    """
    try:
        import sqlglot
        from sqlglot import exp
    except ImportError as error:
        raise MissingExtraError("mcp", "the check that a statement only reads") from error
    try:
        # More than this is not needed to tell; and what sqlglot cannot parse is refused.
        trees = sqlglot.parse(statement, read="snowflake")
    except sqlglot.errors.SqlglotError as error:
        raise _refusal("it cannot be parsed here") from error
    if len(trees) != 1:
        raise _refusal("it is not one statement")
    (tree,) = trees
    if not isinstance(tree, exp.Query | exp.Show | exp.Describe):
        raise _refusal("it is no SELECT, SHOW or DESCRIBE")
    for node in tree.walk():
        if isinstance(node, exp.DML | exp.DDL | exp.Command) and not isinstance(node, exp.Query):
            raise _refusal("a part of it writes")
        name = node.name.upper() if isinstance(node, exp.Anonymous | exp.Identifier) else ""
        if name == "NEXTVAL" or (name.startswith("SYSTEM$") and name not in _HARMLESS):
            raise _refusal(f"{name} can change something")


def _refusal(why: str) -> UsageError:
    return UsageError(
        f"the statement is refused: {why}, and this server only reads. Expected one SELECT, SHOW or DESCRIBE; "
        "`snowpipe-ml mcp --allow-writes` runs any statement"
    )

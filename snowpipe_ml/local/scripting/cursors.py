"""Cursors: OPEN, FETCH and CLOSE, and the rows of a FOR loop.

https://docs.snowflake.com/en/developer-guide/snowflake-scripting/cursors
"""

from __future__ import annotations

from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.scripting.expressions import evaluate_all
from snowpipe_ml.local.scripting.failures import script_error
from snowpipe_ml.local.scripting.nodes import Fetch, Open, Place
from snowpipe_ml.local.scripting.running import assign_row, clear, run_query
from snowpipe_ml.local.scripting.scope import Cursor, ResultSet, Scope


def cursor_of(scope: Scope, name: str, place: Place) -> Cursor:
    """Return the cursor of a name.

    Raises:
        ScriptError: there is none.
    """
    item = scope.find(name)
    if not isinstance(item, Cursor):
        raise script_error(904, "42000", f"SQL compilation error:\ninvalid identifier '{name}'", place)
    return item


def result_of(scope: Scope, name: str, place: Place) -> ResultSet:
    """Return the RESULTSET of a name.

    Raises:
        ScriptError: there is none, or no result has been assigned to it.
    """
    item = scope.find(name)
    if not isinstance(item, ResultSet):
        raise script_error(904, "42000", f"SQL compilation error:\ninvalid identifier '{name}'", place)
    if item.result is None:
        raise script_error(2211, "P0000", f"RESULTSET '{name}' has no result yet", place)
    return item


def open_cursor(session: Session, scope: Scope, statement: Open) -> None:
    """Run the query of a cursor.

    Raises:
        ScriptError: the cursor is open, or its query failed.
    """
    cursor = cursor_of(scope, statement.name, statement.place)
    if cursor.opened is not None:
        raise script_error(2211, "P0000", f"cursor '{statement.name}' is already open", statement.place)
    cursor.opened = _rows(session, scope, cursor, statement)
    cursor.next = 0


def _rows(session: Session, scope: Scope, cursor: Cursor, statement: Open) -> ResultSet:
    if cursor.query is None:
        return result_of(scope, cursor.of, statement.place)
    return run_query(session, scope, cursor.query, evaluate_all(session, scope, statement.using))


def fetch(session: Session, scope: Scope, statement: Fetch) -> None:
    """Assign the next row to the variables; behind the last row they become NULL.

    Raises:
        ScriptError: the cursor is not open.
    """
    cursor = cursor_of(scope, statement.name, statement.place)
    if cursor.opened is None or cursor.opened.result is None:
        raise script_error(2211, "P0000", f"cursor '{statement.name}' is not open", statement.place)
    if cursor.next < cursor.opened.result.table.num_rows:
        assign_row(session, scope, statement.into, cursor.opened, cursor.next, statement.place)
        cursor.next += 1
    else:
        for name in statement.into:
            clear(scope, name, statement.place)


def close(scope: Scope, name: str, place: Place) -> None:
    """Close a cursor.

    Raises:
        ScriptError: it is not open.
    """
    cursor = cursor_of(scope, name, place)
    if cursor.opened is None:
        raise script_error(2211, "P0000", f"cursor '{name}' is not open", place)
    cursor.opened = None


def rows_of(session: Session, scope: Scope, name: str, place: Place) -> ResultSet:
    """Return the rows of a FOR loop: those of a RESULTSET, or of a cursor, which the loop opens."""
    if isinstance(scope.find(name), ResultSet):
        return result_of(scope, name, place)
    cursor = cursor_of(scope, name, place)
    if cursor.opened is not None:
        return cursor.opened
    return _rows(session, scope, cursor, Open(name, (), place))

"""Run the SQL statements of a block in its session, with the variables of the block bound."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from snowpipe_ml.local.core import connector
from snowpipe_ml.local.core.connector_errors import connector_errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.typed_values import TypedValue
from snowpipe_ml.local.scripting.expressions import convert, evaluate, evaluate_all
from snowpipe_ml.local.scripting.failures import STATEMENT_ERROR, failed, may_be_handled, script_error
from snowpipe_ml.local.scripting.nodes import ExecuteImmediate, Place, Query
from snowpipe_ml.local.scripting.scope import Bindings, ResultSet, Scope, Variable
from snowpipe_ml.local.syntax.reader import Reader
from snowpipe_ml.sql import DataType, Literal

_TEXT = DataType.parse("VARCHAR")
_TRUTH = DataType.parse("BOOLEAN")
_WHOLE = DataType.parse("INT")
STATUS = {"SQLROWCOUNT": _WHOLE, "SQLFOUND": _TRUTH, "SQLNOTFOUND": _TRUTH, "SQLID": _TEXT}
"""The variables that tell of the last statement, with their types."""


def status_variables() -> dict[str, Variable]:
    """Return the variables of the last statement before there is one."""
    return {name: Variable(TypedValue.null(kind), kind) for name, kind in STATUS.items()}


def run_query(
    session: Session, scope: Scope, query: Query, using: Sequence[TypedValue] | None = None
) -> ResultSet:
    """Run a statement and set SQLROWCOUNT, SQLFOUND, SQLNOTFOUND and SQLID.

    Args:
        session: the session.
        scope: the names that the statement can use.
        query: the statement.
        using: the values of its placeholders ``?``.

    Raises:
        ScriptError: it failed.
    """
    if isinstance(query, ExecuteImmediate):
        text = str(evaluate(session, scope, query.text, _TEXT).python or "")
        bindings = Bindings(Scope(), evaluate_all(session, scope, query.using))
    else:
        text = _with_results(query.text, scope)
        bindings = Bindings(scope, using or ())
    query_id = str(uuid.uuid4())
    try:
        with connector_errors(session.client.translated):
            result = session.client.perform(text, bindings, query_id)
    except connector.ProgrammingError as raised:
        if not may_be_handled(raised):
            raise
        raise failed(STATEMENT_ERROR, raised, query.place) from raised
    changed = result.rowcount
    _set(scope, "SQLROWCOUNT", None if changed is None else TypedValue.whole(changed))
    _set(scope, "SQLFOUND", None if changed is None else TypedValue.truth(changed > 0))
    _set(scope, "SQLNOTFOUND", None if changed is None else TypedValue.truth(changed == 0))
    _set(scope, "SQLID", TypedValue.text(query_id))
    return ResultSet(result, query_id)


def _set(scope: Scope, name: str, value: TypedValue | None) -> None:
    item = scope.find(name)
    if isinstance(item, Variable):
        item.value = value or TypedValue.null(STATUS[name])


def _with_results(text: str, scope: Scope) -> str:
    """Replace ``TABLE(name)`` of a RESULTSET by its result."""
    tokens = Reader(text).tokens
    pieces, start = [], 0
    for before, opening, name, closing in zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False):
        if (before.upper, opening.text, closing.text) != ("TABLE", "(", ")") or name.kind not in (
            "word",
            "quoted",
        ):
            continue
        item = scope.find(name.upper if name.kind == "word" else name.text[1:-1])
        if isinstance(item, ResultSet) and item.result is not None:
            pieces += [text[start : name.start], f"RESULT_SCAN({Literal(item.query_id).sql})"]
            start = name.end
    return "".join(pieces) + text[start:]


def assign(session: Session, scope: Scope, name: str, value: TypedValue, place: Place) -> None:
    """Assign a value to a variable, converted to its type.

    Raises:
        ScriptError: there is no such variable, or the value cannot be converted.
    """
    item = scope.find(name)
    if not isinstance(item, Variable):
        raise script_error(904, "42000", f"SQL compilation error:\ninvalid identifier '{name}'", place)
    try:
        with connector_errors(session.client.translated):
            item.value = convert(session, value, item.type)
    except connector.ProgrammingError as raised:
        if not may_be_handled(raised):
            raise
        raise failed(STATEMENT_ERROR, raised, place) from raised


def assign_row(
    session: Session, scope: Scope, names: Sequence[str], found: ResultSet, row: int, place: Place
) -> None:
    """Assign the columns of a row to variables.

    Raises:
        ScriptError: the numbers of columns and variables differ.
    """
    assert found.result is not None
    columns, table = found.result.columns, found.result.table
    if len(columns) != len(names):
        raise script_error(
            2211,
            "42601",
            f"SQL compilation error:\nINTO has {len(names)} variables, and the row has {len(columns)} columns",
            place,
        )
    for number, (name, column) in enumerate(zip(names, columns, strict=True)):
        assign(session, scope, name, TypedValue(column, table.column(number).slice(row, 1)), place)


def clear(scope: Scope, name: str, place: Place) -> None:
    """Set a variable to NULL.

    Raises:
        ScriptError: there is no such variable.
    """
    item = scope.find(name)
    if not isinstance(item, Variable):
        raise script_error(904, "42000", f"SQL compilation error:\ninvalid identifier '{name}'", place)
    item.value = TypedValue.null(item.type)

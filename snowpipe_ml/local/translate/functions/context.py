"""Context and system functions: SYSTEM$..., CURRENT_..., LAST_QUERY_ID."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version

from sqlglot import exp

from snowpipe_ml.local.catalog.changes import last_change
from snowpipe_ml.local.catalog.streams import has_data
from snowpipe_ml.local.catalog.tags import get_tag
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.cancellation import canceled_queries
from snowpipe_ml.local.core.session import Session, find_session, open_sessions
from snowpipe_ml.local.translate.bindings import literal
from snowpipe_ml.local.translate.constants import constant
from snowpipe_ml.local.translate.expressions import builtin, macro, stored_cast
from snowpipe_ml.local.translate.moments import checked, typed
from snowpipe_ml.local.translate.registry import scalar_function
from snowpipe_ml.local.translate.types import T
from snowpipe_ml.version import __version__

_SECONDS = {"DAYS": 86400, "HOURS": 3600, "MINUTES": 60, "SECONDS": 1, "MILLISECONDS": 0.001}


def _texts(call: exp.Expr, session: Session) -> list[str]:
    return [str(constant(session, argument)) for argument in call.expressions]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as raised:
        raise errors.error(100038, "22018", f"Numeric value '{text}' is not recognized") from raised


@scalar_function("LAST_QUERY_ID", returns=T.VARCHAR)
def _last_query_id(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.Literal.string(str(constant(session, call)))


# The functions of the current date and time, by the number of arguments that they can have.
_NOW = {"CURRENT_TIMESTAMP": 1, "LOCALTIMESTAMP": 1, "GETDATE": 0, "SYSTIMESTAMP": 0}


def _instant(session: Session) -> exp.Expr:
    """Return the instant at which the statement began, or the one that a test has fixed.

    DuckDB's is that at which its transaction began.
    """
    now = session.storage.fixed_time
    if now is None and (session.transaction is None or session.keeps_transaction):
        return builtin("now")
    microseconds = ((now or datetime.now(UTC)) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1
    )
    return builtin("make_timestamptz", exp.Literal.number(microseconds))


def _now(call: exp.Expr, most: int, session: Session) -> exp.Expr:
    """Return the instant at which the statement began, with as many fractional digits as asked for."""
    now = _instant(session)
    for digits in checked(call, 0, most):
        if not digits.is_int or not 0 <= int(digits.name) <= 9:
            raise errors.syntax("the precision of a time must be a constant from 0 to 9")
        unit = exp.Literal.number(10 ** max(0, 6 - int(digits.name)))
        now = builtin("make_timestamptz", macro("sf_floored", builtin("epoch_us", now), unit))
    return typed(now, T.TIMESTAMPLTZ)


@scalar_function(*_NOW, returns=T.TIMESTAMPLTZ)
def _timestamp(call: exp.Expr, session: Session) -> exp.Expr:
    return _now(call, _NOW[call.name.upper()], session)


@scalar_function("CURRENT_TIME", "LOCALTIME", returns=T.TIME)
def _time(call: exp.Expr, session: Session) -> exp.Expr:
    clock = stored_cast(_now(call, 1, session), "TIMESTAMP")
    return typed(stored_cast(clock, "TIME"), T.TIME)


@scalar_function("CURRENT_DATE", returns=T.DATE)
def _date(call: exp.Expr, session: Session) -> exp.Expr:
    checked(call, 0, 0)
    return typed(stored_cast(_instant(session), "DATE"), T.DATE)


@scalar_function("SYSTEM$STREAM_HAS_DATA")
def _stream_has_data(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.convert(has_data(session, _texts(call, session)[0]))


@scalar_function("SYSTEM$LAST_CHANGE_COMMIT_TIME")
def _last_change_commit_time(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.convert(last_change(session, _texts(call, session)[0]))


@scalar_function("SYSTEM$GET_TAG")
def _get_tag(call: exp.Expr, session: Session) -> exp.Expr:
    checked(call, 3, 3)
    return exp.convert(get_tag(session, *_texts(call, session)))


@scalar_function("SYSTEM$WAIT")
def _wait(call: exp.Expr, session: Session) -> exp.Expr:
    """Evaluate ``SYSTEM$WAIT(2 [, 'SECONDS'])``."""
    checked(call, 1, 2)
    arguments = _texts(call, session)
    unit = arguments[1].upper() if len(arguments) > 1 else "SECONDS"
    if unit not in _SECONDS:
        raise errors.syntax(f"invalid unit '{unit}' for SYSTEM$WAIT")
    session.cancellation.wait(_number(arguments[0]) * _SECONDS[unit])
    return exp.Literal.string(f"waited {arguments[0]} {unit.lower()}")


@scalar_function("SYSTEM$CANCEL_ALL_QUERIES")
def _cancel_all_queries(call: exp.Expr, session: Session) -> exp.Expr:
    checked(call, 1, 1)
    other = find_session(int(_number(_texts(call, session)[0])))
    reachable = other is not None and other is not session and other.storage is session.storage
    return exp.Literal.string(canceled_queries(int(reachable and other is not None and other.interrupt())))


_ABORT_SECONDS = 10.0  # that the statement of an aborted transaction may take to end


@scalar_function("SYSTEM$CANCEL_QUERY")
def _cancel_query(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``SYSTEM$CANCEL_QUERY('id')``.

    https://docs.snowflake.com/en/sql-reference/functions/system_cancel_query
    """
    checked(call, 1, 1)
    (query_id,) = _texts(call, session)
    query = session.storage.history.find(query_id)
    other = find_session(query.session_id) if query is not None and query.ended is None else None
    if other is None or other is session or not other.interrupt():
        return exp.Literal.string("Identified SQL statement is not currently executing.")
    return exp.Literal.string(f"query [{query_id}] terminated.")


@scalar_function("SYSTEM$ABORT_TRANSACTION")
def _abort_transaction(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``SYSTEM$ABORT_TRANSACTION(id)``: its statement is canceled, and the transaction rolled back.

    https://docs.snowflake.com/en/sql-reference/functions/system_abort_transaction
    """
    checked(call, 1, 1)
    number = int(_number(_texts(call, session)[0]))
    for other in open_sessions(session.storage):
        if other is session or other.transaction is None or other.transaction.number != number:
            continue
        other.interrupt()
        if not other.client.lock.acquire(timeout=_ABORT_SECONDS):
            raise errors.error(603, "XX000", f"the statement of transaction {number} does not end")
        try:
            if other.transaction is not None and other.transaction.number == number:
                other.roll_back()
        finally:
            other.client.lock.release()
        return exp.Literal.string(f"Aborted transaction id: {number}")
    raise errors.error(90043, "22023", f"Transaction {number} is not running.")


def _serve(
    name: str, value: Callable[[Session], str | bool | None], returns: exp.DType | None = None
) -> None:
    """Register a function without arguments that is a value of the session."""

    def translate(call: exp.Expr, session: Session) -> exp.Expr:
        return exp.convert(value(session))

    scalar_function(name, returns=returns)(translate)


_serve("CURRENT_WAREHOUSE", lambda session: session.warehouse)
_serve("CURRENT_DATABASE", lambda session: session.database)
_serve("CURRENT_SCHEMA", lambda session: session.schema)
_serve("CURRENT_ROLE", lambda session: session.role)
_serve("CURRENT_SESSION", lambda session: str(session.session_id))
_serve(
    "CURRENT_TRANSACTION",
    lambda session: str(session.transaction.number) if session.transaction is not None else None,
)
_serve("CURRENT_ROLE_TYPE", lambda session: "ROLE", T.VARCHAR)
_serve("CURRENT_IP_ADDRESS", lambda session: "127.0.0.1", T.VARCHAR)
_serve("CURRENT_REGION", lambda session: "LOCAL", T.VARCHAR)
_serve("CURRENT_CLIENT", lambda session: f"PythonSnowpark {version('snowflake-snowpark-python')}")
# Three numbers, which clients such as SQLAlchemy parse.
_serve("CURRENT_VERSION", lambda session: __version__)
for _name in ("CURRENT_ACCOUNT", "CURRENT_USER", "CURRENT_ACCOUNT_NAME", "CURRENT_ORGANIZATION_NAME"):
    _serve(_name, lambda session: "LOCAL")
_serve("SYSTEM$GET_DEFAULT_PYTHON_ARTIFACT_REPOSITORY", lambda session: None)
_serve("SYSTEM$ARE_ANACONDA_TERMS_ACKNOWLEDGED", lambda session: True)


@scalar_function("IS_ROLE_IN_SESSION", returns=T.BOOLEAN)
def _is_role_in_session(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``IS_ROLE_IN_SESSION('name')`` for the current role and PUBLIC: roles have no hierarchy here."""
    (name,) = checked(call, 1, 1)
    if not name.is_string or name.name not in (session.role, "PUBLIC"):
        raise errors.UnsupportedError("IS_ROLE_IN_SESSION for a role other than the current one")
    return exp.Boolean(this=True)


@scalar_function("CURRENT_STATEMENT", returns=T.VARCHAR)
def _statement(call: exp.Expr, session: Session) -> exp.Expr:
    latest = session.storage.history.rows(session.session_id)
    return exp.convert(str(latest[0]["QUERY_TEXT"]) if latest else None)


@scalar_function("GETVARIABLE", returns=T.VARCHAR)
def _variable(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``GETVARIABLE('NAME')``; the name is written in uppercase."""
    (name,) = checked(call, 1, 1)
    if not name.is_string:
        raise errors.UnsupportedError("GETVARIABLE with a name that is not a constant text")
    value = session.variables.get(name.name)
    return exp.Null() if value is None else exp.cast(literal(value), exp.DType.VARCHAR)


@scalar_function("CURRENT_SCHEMAS", returns=T.VARCHAR)
def _schemas(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``CURRENT_SCHEMAS()``: the current schema, then PUBLIC."""
    if session.database is None or session.schema in (None, "PUBLIC"):
        raise errors.UnsupportedError("CURRENT_SCHEMAS in a session whose schema is PUBLIC or not set")
    names = [f"{session.database}.{schema}" for schema in (session.schema, "PUBLIC")]
    return exp.Literal.string(json.dumps(names))


@scalar_function("SYSDATE")
def _sysdate(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.maybe_parse("CAST(current_timestamp AT TIME ZONE 'UTC' AS TIMESTAMP)", dialect="duckdb")

"""Statements about the session itself: USE, ALTER SESSION, variables, transactions."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal

from snowpipe_ml.local.core import errors, parameters
from snowpipe_ml.local.core.names import ACCOUNT, CATALOG
from snowpipe_ml.local.core.result import Result, rows, status
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.core.types import python_values
from snowpipe_ml.local.core.values import Option, Options
from snowpipe_ml.local.statements.account import WAREHOUSE_PARAMETERS, warehouse_options
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.statements.grants import check_role
from snowpipe_ml.local.statements.scope import like
from snowpipe_ml.local.statements.session_parameters import ACCOUNT_PARAMETERS, SESSION_PARAMETERS
from snowpipe_ml.local.syntax.reader import Reader

# Parameters that have an effect here; the harmless ones are stored and shown, but have no effect.
_ACTED_ON = {"AUTOCOMMIT", "QUERY_TAG"}
_HARMLESS = {
    "STATEMENT_TIMEOUT_IN_SECONDS",
    "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS",
    "CLIENT_SESSION_KEEP_ALIVE",
    "MULTI_STATEMENT_COUNT",
    "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT",
    "USE_CACHED_RESULT",
    "LOCK_TIMEOUT",
    "ABORT_DETACHED_QUERY",
    "QUOTED_IDENTIFIERS_IGNORE_CASE",
    "LOG_LEVEL",
    "TRACE_LEVEL",
    "METRIC_LEVEL",
}
# Switches of Snowflake's clients and previews: they change how a result is transferred, not the result.
_SWITCHES = ("ENABLE_", "FEATURE_", "PYTHON_", "CLIENT_", "SNOWPARK_", "FORCE_ENABLE_", "IGNORE_CLIENT_")
_LONGEST_TAG = 2000
_LONGEST_VARIABLE = 256
_VARIABLE_TYPES = (str, int, float, bool, Decimal, dt.date, dt.time, type(None))
_LONGEST_TIMEOUT = 604_800
_DONE = "Statement executed successfully."


@command("USE")
def use(statement: Statement) -> Result:
    """``USE [DATABASE|SCHEMA|WAREHOUSE|ROLE] name``."""
    session, reader = statement.session, statement.reader
    reader.expect("USE")
    if reader.accept("WAREHOUSE"):
        (warehouse,) = reader.name()
        found = session.duck.execute(
            f"SELECT 1 FROM {ACCOUNT}.{CATALOG}.WAREHOUSES WHERE name = ?", [warehouse]
        ).fetchone()
        if not found:
            raise errors.absent()
        session.warehouse = warehouse
    elif reader.accept("ROLE"):
        (role,) = reader.name()
        check_role(session, role)
        session.role = role
    elif reader.accept("SECONDARY", "ROLES"):
        reader.next()
    elif reader.accept("SCHEMA"):
        name = reader.name()
        database = name[0] if len(name) == 2 else session.database
        if not database:
            raise errors.no_database("USE SCHEMA")
        session.use(database, name[-1])
    else:
        reader.accept("DATABASE")
        name = reader.name()
        session.use(name[0], name[1] if len(name) == 2 else None)
    reader.end()
    return status(_DONE)


@command("ALTER SESSION")
def alter_session(statement: Statement) -> Result:
    """``ALTER SESSION SET key = value ...`` and ``UNSET key, ...``."""
    session, reader = statement.session, statement.reader
    reader.expect("ALTER", "SESSION")
    if reader.accept("UNSET"):
        while not reader.done:
            name = reader.identifier()
            if session.parameters.pop(name, None) is not None:
                parameters.apply(session.duck, name, None)
            reader.accept(",")
        return status(_DONE)
    reader.expect("SET")
    settings = reader.options()
    reader.end()
    set_parameters(session, settings)
    return status(_DONE)


def set_parameters(session: Session, settings: Options) -> None:
    """Set parameters of a session, all or none.

    Raises:
        ProgrammingError: Snowflake does not allow a value.
        UnsupportedError: the embedded warehouse does not honour a parameter or its value.
    """
    for key, value in settings.items():
        if key not in _ACTED_ON | _HARMLESS | parameters.HONOURED and not key.startswith(_SWITCHES):
            raise errors.UnsupportedError(f"the session parameter {key}")
        if key == "AUTOCOMMIT":
            settings[key] = _truth(key, value)
        if key == "QUOTED_IDENTIFIERS_IGNORE_CASE" and value is not False:
            raise errors.UnsupportedError("QUOTED_IDENTIFIERS_IGNORE_CASE = TRUE")
        if key == "QUERY_TAG" and len(str(value)) > _LONGEST_TAG:
            raise errors.error(
                1008,
                "22023",
                f"SQL compilation error:\ninvalid value [{value}] for parameter 'QUERY_TAG'",
            )
        if key == "STATEMENT_TIMEOUT_IN_SECONDS":
            settings[key] = _timeout(value)
        value = parameters.checked(key, value)
        if value is not None:
            settings[key] = value
    for key, value in settings.items():  # DuckDB may reject a value
        parameters.apply(session.duck, key, value)
    session.parameters.update(settings)


def _truth(name: str, value: Option) -> bool:
    if str(value).upper() not in ("TRUE", "FALSE"):
        raise errors.error(
            1008, "22023", f"SQL compilation error:\ninvalid value [{value}] for parameter '{name}'"
        )
    return str(value).upper() == "TRUE"


@contextmanager
def parameters_of(session: Session, settings: Mapping[str, object]) -> Iterator[None]:
    """Set the parameters of a session for one statement; other settings of clients are ignored.

    Raises:
        UnsupportedError: the embedded warehouse does not honour a parameter or its value.
    """
    wanted: Options = {
        key.upper(): value if isinstance(value, bool | int | float) else str(value)
        for key, value in settings.items()
        if key.upper() in SESSION_PARAMETERS and key.upper() != "QUERY_TAG"
    }
    if not wanted:
        yield
        return
    before = dict(session.parameters)
    set_parameters(session, wanted)
    try:
        yield
    finally:
        for key in wanted:
            parameters.apply(session.duck, key, before.get(key))
            session.parameters.pop(key, None)
            if key in before:
                session.parameters[key] = before[key]


def is_honoured(name: str) -> bool:
    """Return whether a parameter of a session is known, and is not only a switch of a client."""
    return name in _ACTED_ON | _HARMLESS | parameters.HONOURED


def _timeout(value: Option) -> int:
    """Parse the timeout of statements in seconds.

    https://docs.snowflake.com/en/sql-reference/parameters#statement-timeout-in-seconds
    """
    text = str(value)
    if not re.fullmatch("[0-9]{1,6}", text) or int(text) > _LONGEST_TIMEOUT:
        raise errors.error(
            1008,
            "22023",
            f"SQL compilation error:\ninvalid value [{value}] for parameter 'STATEMENT_TIMEOUT_IN_SECONDS'",
        )
    return int(text)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        value = value[1]
    return str(value).lower() if isinstance(value, bool) else str(value)


@command("SHOW PARAMETERS")
def show_parameters(statement: Statement) -> Result:
    """``SHOW PARAMETERS [LIKE 'x'] [IN SESSION | ACCOUNT | USER name | WAREHOUSE name]``.

    https://docs.snowflake.com/en/sql-reference/sql/show-parameters
    """
    reader = statement.reader
    reader.expect("SHOW", "PARAMETERS")
    pattern = reader.string() if reader.accept("LIKE") else "%"
    names = ("key", "value", "default", "level", "description", "type")
    if reader.accept("IN", "WAREHOUSE"):
        (name,) = reader.name()
        reader.end()
        given = warehouse_options(statement.session, name)
        listed = [
            (key, str(given.get(key, default)), default, "WAREHOUSE" if key in given else "", "", "NUMBER")
            for key, default in WAREHOUSE_PARAMETERS.items()
            if like(key, pattern)
        ]
        return rows([(column, "VARCHAR") for column in names], listed)
    own = statement.session.parameters
    known = SESSION_PARAMETERS | {key: ("STRING", "") for key in own if key not in SESSION_PARAMETERS}
    if reader.accept("IN", "ACCOUNT"):
        own, known = {}, SESSION_PARAMETERS | ACCOUNT_PARAMETERS
    elif reader.accept("IN", "USER"):
        own, known = {}, SESSION_PARAMETERS
        if not reader.done:
            reader.name()
    elif reader.accept("IN") and not reader.accept("SESSION"):
        raise errors.UnsupportedError(f"SHOW PARAMETERS IN {reader.peek().upper}")
    reader.end()
    found = [
        (key, _shown(own[key]) if key in own else default, default, "SESSION" if key in own else "", "", kind)
        for key, (kind, default) in sorted(known.items())
        if like(key, pattern)
    ]
    return rows([(column, "VARCHAR") for column in names], found)


@command("SHOW VARIABLES")
def show_variables(statement: Statement) -> Result:
    """``SHOW VARIABLES [LIKE 'x']``: the variables of the session.

    https://docs.snowflake.com/en/sql-reference/sql/show-variables
    """
    reader, session = statement.reader, statement.session
    reader.expect("SHOW", "VARIABLES")
    pattern = reader.string() if reader.accept("LIKE") else "%"
    reader.end()
    names = ("session_id", "created_on", "updated_on", "name", "value", "type", "comment")
    found = [
        (str(session.session_id), None, None, name, _shown(value), _kind_of(value), "")
        for name, value in sorted(session.variables.items())
        if like(name, pattern)
    ]
    stamps = dict.fromkeys(("created_on", "updated_on"), "TIMESTAMP WITH TIME ZONE")
    return rows([(name, stamps.get(name, "VARCHAR")) for name in names], found)


def _kind_of(value: object) -> str:
    match value:
        case tuple():
            return str(value[0]).lower()
        case bool():
            return "boolean"
        case int() | Decimal():
            return "fixed"
        case float():
            return "real"
        case dt.datetime():
            return "timestamp_ntz"
        case dt.date():
            return "date"
        case dt.time():
            return "time"
    return "text"


@command("SET")
def set_variable(statement: Statement) -> Result:
    """``SET name = expression`` and ``SET (a, b) = (x, y)``; a variable is referenced as ``$name``."""
    reader, session = statement.reader, statement.session
    reader.expect("SET")
    names = _variables(reader)
    reader.expect("=")
    values = statement.run(f"SELECT {_unwrapped(reader, len(names))}")
    if len(values.columns) != len(names) or values.table.num_rows != 1:
        raise errors.syntax(f"SET takes {len(names)} value(s)")
    for name, column, kept in zip(names, values.columns, values.table.columns, strict=True):
        (value,) = python_values(column, kept)
        if column.snowflake in ("VARIANT", "OBJECT", "ARRAY") or not isinstance(value, _VARIABLE_TYPES):
            raise errors.UnsupportedError(f"a variable of type {column.snowflake}")
        if isinstance(value, dt.datetime) and value.tzinfo is not None:
            value = (column.snowflake.partition("(")[0], value)
        if isinstance(value, str) and len(value) > _LONGEST_VARIABLE:
            raise errors.error(
                1, "22000", f"Assignment to '{name}' not done because value exceeds size limit for variables."
            )
        session.variables[name] = value
    return status(_DONE)


def _variables(reader: Reader) -> list[str]:
    """Parse ``name`` or ``(name, ...)``."""
    if not reader.accept("("):
        return [reader.identifier()]
    names = [reader.identifier()]
    while reader.accept(","):
        names.append(reader.identifier())
    reader.expect(")")
    return names


def _unwrapped(reader: Reader, count: int) -> str:
    """Return the text of the values; those of several variables are in parentheses."""
    if count == 1:
        return reader.rest()
    last = reader.tokens[-1]
    if not reader.looking_at("(") or last.text != ")":
        raise reader.unexpected("expected values in parentheses")
    if reader.looking_at("(", "SELECT"):
        return f"* FROM {reader.rest()}"
    return reader.text[reader.peek().end : last.start]


@command("UNSET")
def unset_variable(statement: Statement) -> Result:
    """``UNSET name`` and ``UNSET (name, ...)``."""
    reader = statement.reader
    reader.expect("UNSET")
    for name in _variables(reader):
        statement.session.variables.pop(name, None)
    reader.end()
    return status(_DONE)

"""Context and system functions: SYSTEM$..., CURRENT_..., LAST_QUERY_ID."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

from sqlglot import exp

from snowpipe_ml.local.catalog.changes import last_change
from snowpipe_ml.local.catalog.streams import has_data
from snowpipe_ml.local.catalog.tags import get_tag
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.cancellation import canceled_queries
from snowpipe_ml.local.core.session import Session, find_session
from snowpipe_ml.local.translate.constants import constant
from snowpipe_ml.local.translate.registry import same_in_duckdb, scalar_function

_SECONDS = {"DAYS": 86400, "HOURS": 3600, "MINUTES": 60, "SECONDS": 1, "MILLISECONDS": 0.001}


def _texts(call: exp.Expr, session: Session) -> list[str]:
    return [str(constant(session, argument)) for argument in call.expressions]


@scalar_function("LAST_QUERY_ID")
def _last_query_id(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.Literal.string(str(constant(session, call)))


@scalar_function("SYSTEM$STREAM_HAS_DATA")
def _stream_has_data(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.convert(has_data(session, _texts(call, session)[0]))


@scalar_function("SYSTEM$LAST_CHANGE_COMMIT_TIME")
def _last_change_commit_time(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.convert(last_change(session, _texts(call, session)[0]))


@scalar_function("SYSTEM$GET_TAG")
def _get_tag(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.convert(get_tag(session, *_texts(call, session)))


@scalar_function("SYSTEM$GET_DEFAULT_PYTHON_ARTIFACT_REPOSITORY")
def _default_artifact_repository(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.Null()


@scalar_function("SYSTEM$ARE_ANACONDA_TERMS_ACKNOWLEDGED")
def _anaconda_terms(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.Boolean(this=True)


@scalar_function("SYSTEM$WAIT")
def _wait(call: exp.Expr, session: Session) -> exp.Expr:
    """Evaluate ``SYSTEM$WAIT(2 [, 'SECONDS'])``."""
    arguments = _texts(call, session)
    unit = arguments[1].upper() if len(arguments) > 1 else "SECONDS"
    if unit not in _SECONDS:
        raise errors.syntax(f"invalid unit '{unit}' for SYSTEM$WAIT")
    session.cancellation.wait(float(arguments[0]) * _SECONDS[unit])
    return exp.Literal.string(f"waited {arguments[0]} {unit.lower()}")


@scalar_function("SYSTEM$CANCEL_ALL_QUERIES")
def _cancel_all_queries(call: exp.Expr, session: Session) -> exp.Expr:
    other = find_session(int(_texts(call, session)[0]))
    reachable = other is not None and other is not session and other.storage is session.storage
    return exp.Literal.string(canceled_queries(int(reachable and other is not None and other.interrupt())))


@scalar_function("CURRENT_WAREHOUSE")
def _warehouse(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.convert(session.warehouse)


@scalar_function("CURRENT_DATABASE")
def _database(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.convert(session.database)


@scalar_function("CURRENT_SCHEMA")
def _schema(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.convert(session.schema)


@scalar_function("CURRENT_ROLE")
def _role(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.convert(session.role)


@scalar_function("CURRENT_SESSION")
def _session(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.convert(str(session.session_id))


@scalar_function("CURRENT_TRANSACTION")
def _transaction(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.convert(str(session.session_id) if session.in_transaction else None)


@scalar_function("CURRENT_CLIENT")
def _client(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.Literal.string(f"PythonSnowpark {version('snowflake-snowpark-python')}")


@scalar_function("CURRENT_VERSION")
def _version(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.Literal.string("embedded")


@scalar_function("CURRENT_ACCOUNT", "CURRENT_USER", "CURRENT_ACCOUNT_NAME", "CURRENT_ORGANIZATION_NAME")
def _account(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.Literal.string("LOCAL")


@scalar_function("SYSDATE")
def _sysdate(call: exp.Expr, session: Session) -> exp.Expr:
    return exp.maybe_parse("CAST(current_timestamp AT TIME ZONE 'UTC' AS TIMESTAMP)", dialect="duckdb")


def _refused(name: str) -> Callable[[exp.Expr, Session], exp.Expr]:
    def refuse(call: exp.Expr, session: Session) -> exp.Expr:
        raise errors.UnsupportedError(name)

    return refuse


# GETVARIABLE and CURRENT_SCHEMAS are refused because they are different functions in DuckDB.
for _name in ("SYSTEM$TYPEOF", "GETVARIABLE", "CURRENT_SCHEMAS"):
    scalar_function(_name)(_refused(f"the function {_name}"))
for _name in ("CONDITIONAL_TRUE_EVENT",):
    scalar_function(_name)(_refused(_name))


same_in_duckdb(
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "GETDATE",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "SYSTIMESTAMP",
)

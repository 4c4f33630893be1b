"""The views of ``SNOWFLAKE.ACCOUNT_USAGE`` on the cost of statements.

The embedded warehouse bills nothing: a statement counts the credits that an X-Small warehouse would use in its
seconds, and no warehouse is ever idle. Statements are known while the warehouse is open. A database SNOWFLAKE that
was created with such a schema has the answers of an account instead:
https://docs.snowflake.com/en/sql-reference/account-usage/query_attribution_history
https://docs.snowflake.com/en/sql-reference/account-usage/warehouse_metering_history
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.history import Query
from snowpipe_ml.local.core.result import Result, rows
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.arrow_relation import arrow_relation, replace_relation
from snowpipe_ml.local.translate.compiler import Compiler
from snowpipe_ml.local.translate.registry import table_relation

_LEAST = 0.1  # seconds of a statement whose credits are attributed
_PER_HOUR = 1  # credits of an X-Small warehouse


@table_relation("ACCOUNT_USAGE")
def _account_usage(table: exp.Table, compiler: Compiler) -> None:
    if "SNOWFLAKE" in compiler.session.storage.databases():
        return
    name = table.name.upper()
    if name not in _VIEWS:
        raise errors.UnsupportedError(f"the view SNOWFLAKE.ACCOUNT_USAGE.{name}")
    found = _VIEWS[name](compiler.session)
    replace_relation(table, arrow_relation(compiler, found.columns, found.table))


def _timed(session: Session) -> list[tuple[Query, dt.datetime, float]]:
    """Return the statements that ended on a warehouse, with their ends and seconds, the earliest first."""
    return [
        (query, query.ended, seconds)
        for query in session.storage.history.queries()
        if query.ended is not None
        and query.warehouse is not None
        and (seconds := (query.ended - query.started).total_seconds()) >= _LEAST
    ]


def _credits(seconds: float) -> float:
    return seconds / 3600 * _PER_HOUR


def _attribution(session: Session) -> Result:
    columns = [
        *(
            ("QUERY_ID", "VARCHAR"),
            ("QUERY_TAG", "VARCHAR"),
            ("USER_NAME", "VARCHAR"),
            ("WAREHOUSE_NAME", "VARCHAR"),
        ),
        *(("START_TIME", "TIMESTAMP WITH TIME ZONE"), ("END_TIME", "TIMESTAMP WITH TIME ZONE")),
        ("CREDITS_ATTRIBUTED_COMPUTE", "DOUBLE"),
        ("CREDITS_USED_QUERY_ACCELERATION", "DOUBLE"),
    ]
    found = [
        (q.query_id, q.tag, "LOCAL", q.warehouse, q.started, ended, _credits(seconds), None)
        for q, ended, seconds in _timed(session)
    ]
    return rows(columns, found)


def _metering(session: Session) -> Result:
    columns = [
        *(("START_TIME", "TIMESTAMP WITH TIME ZONE"), ("END_TIME", "TIMESTAMP WITH TIME ZONE")),
        ("WAREHOUSE_NAME", "VARCHAR"),
        ("CREDITS_USED", "DOUBLE"),
        ("CREDITS_USED_COMPUTE", "DOUBLE"),
        ("CREDITS_USED_CLOUD_SERVICES", "DOUBLE"),
        ("CREDITS_ATTRIBUTED_COMPUTE_QUERIES", "DOUBLE"),
    ]
    hours: dict[tuple[dt.datetime, str], float] = {}
    for query, _, seconds in _timed(session):
        key = query.started.replace(minute=0, second=0, microsecond=0), str(query.warehouse)
        hours[key] = hours.get(key, 0.0) + seconds
    found = [
        (
            hour,
            hour + dt.timedelta(hours=1),
            name,
            _credits(seconds),
            _credits(seconds),
            0.0,
            _credits(seconds),
        )
        for (hour, name), seconds in hours.items()
    ]
    return rows(columns, found)


_VIEWS: dict[str, Callable[[Session], Result]] = {
    "QUERY_ATTRIBUTION_HISTORY": _attribution,
    "WAREHOUSE_METERING_HISTORY": _metering,
}

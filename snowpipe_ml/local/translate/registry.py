"""What a query may call and read beyond tables: functions and relations, registered under Snowflake's names.

A module that serves one registers it with a decorator, and no pass imports it::

    @scalar_function("GET_DDL")
    def get_ddl(call: exp.Expr, session: Session) -> exp.Expr: ...

Installed packages add scalar and table functions under the entry-point groups
``snowpipe_ml.sql_functions`` and ``snowpipe_ml.table_functions``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlglot import exp

from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.compiler import Compiler
from snowpipe_ml.registry import Registry

ScalarFunction = Callable[[exp.Expr, Session], exp.Expr]
"""From a call to the expression that stands in its place."""
TableFunction = Callable[[list[exp.Expr], Compiler], exp.Expr]
"""From a call's arguments to the relation that stands in its place."""
Relation = Callable[[exp.Table, Compiler], None]
"""Replaces a table of the FROM clause in its tree."""
UserScalar = Callable[[exp.Expr, Session], exp.Expr | None]
"""As a scalar function; None if the call is not of a function that a user has created."""
UserTable = Callable[[exp.TableFromRows, Compiler], bool]
"""Replaces a call in its tree; False if the call is not of a function that a user has created."""
_F = TypeVar("_F", bound=Callable[..., object])

SCALAR_FUNCTIONS: Registry[ScalarFunction] = Registry(
    "SQL function",
    "snowpipe_ml.sql_functions",
    builtin=("snowpipe_ml.local.translate.system_functions",),
    key=str.upper,
)
TABLE_FUNCTIONS: Registry[TableFunction] = Registry(
    "table function", "snowpipe_ml.table_functions", key=str.upper
)
RELATIONS: dict[str, Relation] = {}
USER_SCALARS: list[UserScalar] = []
USER_TABLES: list[UserTable] = []

scalar_function = SCALAR_FUNCTIONS.register
table_function = TABLE_FUNCTIONS.register


def table_relation(kind: str) -> Callable[[Relation], Relation]:
    """Serve a kind of relation: ``STAGE`` (``@name``), ``DIRECTORY`` or ``INFORMATION_SCHEMA``."""

    def decorate(serve: Relation) -> Relation:
        RELATIONS[kind] = serve
        return serve

    return decorate


def user_scalar(serve: UserScalar) -> UserScalar:
    """Serve scalar calls whose names are not built in."""
    USER_SCALARS.append(serve)
    return serve


def user_table(serve: UserTable) -> UserTable:
    """Serve table calls whose names are not built in."""
    USER_TABLES.append(serve)
    return serve

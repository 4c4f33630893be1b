"""The registry of functions and relations that queries can use besides tables, by Snowflake's names.

A module registers its implementation with a decorator, so that the passes need not import the module::

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
"""Translates a call to the expression that replaces it."""
TableFunction = Callable[[list[exp.Expr], Compiler], exp.Expr]
"""Translates the arguments of a call to the relation that replaces the call."""
Relation = Callable[[exp.Table, Compiler], None]
"""Replaces a table of the FROM clause in its tree."""
UserScalar = Callable[[exp.Expr, Session], exp.Expr | None]
"""Like ScalarFunction; returns None if the call does not refer to a user-defined function."""
UserTable = Callable[[exp.TableFromRows, Compiler], bool]
"""Replaces a call in its tree; returns False if the call does not refer to a user-defined table function."""
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
    """Register a handler of a relation: ``STAGE`` (``@name``), ``DIRECTORY`` or ``INFORMATION_SCHEMA``."""

    def decorate(serve: Relation) -> Relation:
        RELATIONS[kind] = serve
        return serve

    return decorate


def user_scalar(serve: UserScalar) -> UserScalar:
    """Register a handler of scalar calls to functions that are not built in."""
    USER_SCALARS.append(serve)
    return serve


def user_table(serve: UserTable) -> UserTable:
    """Register a handler of calls to table functions that are not built in."""
    USER_TABLES.append(serve)
    return serve

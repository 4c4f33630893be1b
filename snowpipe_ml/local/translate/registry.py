"""The registry of functions and relations that queries can use besides tables, by Snowflake's names.

A module registers its implementation with a decorator, so that the passes need not import the module::

    @scalar_function("GET_DDL")
    def get_ddl(call: exp.Expr, session: Session) -> exp.Expr: ...

or declares the DuckDB function or macro that computes the function::

    define("BITAND", to="sf_bitand", takes=(Kind.INTEGER, Kind.INTEGER), returns=T.BIGINT)

A call of a registered function reaches its implementation with the arguments as they are written: sqlglot's
own reading of the function is not used. A function that sqlglot translates properly is named by
:func:`same_in_duckdb`. Snowflake functions that are in none of these are refused by name.

Installed packages add scalar and table functions under the entry-point groups
``snowpipe_ml.sql_functions`` and ``snowpipe_ml.table_functions``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from sqlglot import exp

from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.parsing import AS_WRITTEN, PREPARATIONS
from snowpipe_ml.local.translate.compiler import Compiler
from snowpipe_ml.registry import Registry

ScalarFunction = Callable[[exp.Expr, Session], exp.Expr]
"""Translates a call to the expression that replaces it."""
TableFunction = Callable[[list[exp.Expr], Compiler], exp.Expr]
"""Translates the arguments of a call to the relation that replaces the call."""
Relation = Callable[[exp.Table, Compiler], None]
"""Replaces a table of the FROM clause in its tree."""
Returns: TypeAlias = exp.DType | exp.DataType | Callable[[list[exp.Expr]], exp.DataType | None] | None
"""The type of a function's result, or how it follows from the annotated arguments; None: it is not known."""
UserScalar = Callable[[exp.Expr, Session], exp.Expr | None]
"""Like ScalarFunction; returns None if the call does not refer to a user-defined function."""
UserTable = Callable[[exp.TableFromRows, Compiler], bool]
"""Replaces a call in its tree; returns False if the call does not refer to a user-defined table function."""

UserQuery = Callable[[exp.Expr, Session], None]
"""Replaces the calls of functions whose body is a query, in a statement as it is written."""


def _keep_as_written(name: str, function: ScalarFunction) -> None:
    AS_WRITTEN.add(name.upper())


SCALAR_FUNCTIONS: Registry[ScalarFunction] = Registry(
    "SQL function",
    "snowpipe_ml.sql_functions",
    builtin=tuple(
        f"snowpipe_ml.local.translate.functions.{family}"
        for family in (
            "aggregates",
            "arrays",
            "bitwise",
            "collections",
            "conditions",
            "context",
            "conversion",
            "date_arithmetic",
            "dates",
            "encryption",
            "files",
            "generation",
            "geospatial",
            "hashes",
            "lambdas",
            "maps",
            "numbers",
            "regular_expressions",
            "rounding",
            "searching",
            "sketches",
            "strings",
            "tasks",
            "typeof",
            "variants",
            "vectors",
            "windows",
        )
    ),
    check=_keep_as_written,
    key=str.upper,
)
PREPARATIONS.append(SCALAR_FUNCTIONS.load)
TABLE_FUNCTIONS: Registry[TableFunction] = Registry(
    "table function", "snowpipe_ml.table_functions", key=str.upper
)
SAME_IN_DUCKDB: set[str] = set()
RELATIONS: dict[str, Relation] = {}
USER_SCALARS: list[UserScalar] = []
USER_TABLES: list[UserTable] = []
USER_QUERIES: list[UserQuery] = []

_RESULTS: dict[str, Returns] = {}
# The modules whose functions are translated by their arguments alone.
_PURE = frozenset(
    {"snowpipe_ml.local.translate.signatures"}
    | {
        f"snowpipe_ml.local.translate.functions.{family}"
        for family in (
            "aggregates",
            "arrays",
            "collections",
            "conditions",
            "conversion",
            "dates",
            "geospatial",
            "lambdas",
            "maps",
            "numbers",
            "regular_expressions",
            "sketches",
            "strings",
            "variants",
            "vectors",
            "windows",
        )
    }
)

table_function = TABLE_FUNCTIONS.register


def scalar_function(*names: str, returns: Returns = None) -> Callable[[ScalarFunction], ScalarFunction]:
    """Register the translation of a scalar, aggregate or window function under one or more names."""

    def decorate(function: ScalarFunction) -> ScalarFunction:
        for name in names:
            SCALAR_FUNCTIONS.add(name, function)
            _RESULTS[name.upper()] = returns
        return function

    return decorate


def result_type(call: exp.Anonymous) -> exp.DataType | None:
    """Return the type of a call of a registered function, whose arguments are annotated; None if not known."""
    returns = _RESULTS.get(call.name.upper())
    if isinstance(returns, exp.DataType | None):
        return returns
    if isinstance(returns, exp.DType):
        return exp.DataType(this=returns)
    return returns(call.expressions)


def depends_on_session(name: str) -> bool:
    """Return whether the translation of a registered function reads the session, and not only its arguments."""
    return SCALAR_FUNCTIONS[name].__module__ not in _PURE


def same_in_duckdb(*names: str) -> None:
    """Serve functions that sqlglot's translation, with our rules for its classes, computes as Snowflake does.

    Each of them must have a case in ``tests/documented``.
    """
    SAME_IN_DUCKDB.update(names)


def is_served(name: str) -> bool:
    """Return whether a Snowflake function, by its name in uppercase, can be called."""
    return name in SCALAR_FUNCTIONS or name in SAME_IN_DUCKDB


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


def user_query(expand: UserQuery) -> UserQuery:
    """Register the insertion of queries that functions have as their body."""
    USER_QUERIES.append(expand)
    return expand

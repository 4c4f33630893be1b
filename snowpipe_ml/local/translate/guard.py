"""Reject functions and relations that no rule supports, and those that only DuckDB has.

DuckDB reads files by name (``FROM '/x.csv'``), has table functions for files (``read_text``), and hundreds of
functions that Snowflake does not have. DuckDB's configuration already denies access to the host's files (see
``storage.py``); this module makes SQL that refers to them fail as on Snowflake.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from sqlglot import exp

from snowpipe_ml.local.catalog.functions import definitions
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.reserved import RESERVED
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.syntax.parsing import AS_WRITTEN
from snowpipe_ml.local.syntax.reader import Reader
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.names import qualified_name
from snowpipe_ml.local.translate.registry import is_served

if TYPE_CHECKING:
    from snowflake.connector.errors import ProgrammingError

# Keywords that look like function calls but are not functions.
_KEYWORDS = frozenset(
    {
        "ALL",
        "ANY",
        "CASE",
        "DISTINCT",
        "EXISTS",
        "IDENTIFIER",
        "INTERVAL",
        "NOT",
        "PRIOR",
        "SOME",
        "TABLE",
        "VALUES",
    }
)


# `col.from(x)` is parsed as a call too, but a reserved word cannot be a function name.
_RESERVED_WORDS = frozenset(
    {"FROM", "GROUP", "HAVING", "ORDER", "QUALIFY", "ROW", "SELECT", "UNION", "WHERE", "WITH"}
)


@cache
def snowflake_functions() -> dict[str, int | None]:
    """Return Snowflake's functions, except SYSTEM$ functions, with the least number of arguments if it is known.

    https://docs.snowflake.com/en/sql-reference/functions-all
    """
    found: dict[str, int | None] = {}
    for line in (files(__package__) / "snowflake_functions.txt").read_text(encoding="ascii").splitlines():
        name, *least = line.split()
        found[name] = int(least[0]) if least else None
    return found


def is_documented(name: str) -> bool:
    """Return whether Snowflake has a function, by its name in uppercase."""
    return name in snowflake_functions() or name.startswith("SYSTEM$")


def name_identifiers(tree: exp.Expr) -> None:
    """Replace IDENTIFIER: ``FROM IDENTIFIER('db.schema.t')`` -> ``FROM db.schema.t``.

    https://docs.snowflake.com/en/sql-reference/identifier-literal
    """
    for node in nodes(tree, exp.DynamicIdentifier):
        if not isinstance(node.this, exp.Literal):
            raise errors.UnsupportedError(
                "IDENTIFIER() with an argument other than a string, a bound value or a variable"
            )
        reader = Reader(node.this.name)
        names = [exp.to_identifier(part, quoted=True) for part in reader.name()]
        reader.end()
        if "expressions" in node.args:
            node.replace(_call_of(names, node.expressions))
        elif isinstance(node.parent, exp.Table):
            for key, name in zip(("this", "db", "catalog"), reversed(names), strict=False):
                node.parent.set(key, name)
        else:
            node.replace(exp.column(*reversed(names)))


def _call_of(names: list[exp.Identifier], arguments: list[exp.Expr]) -> exp.Expr:
    """Make the call ``IDENTIFIER('name')(arguments)``, as the parser makes that of a written name."""
    *schema, function = (identifier.name for identifier in names)
    if schema or function in AS_WRITTEN:
        call: exp.Expr = exp.Anonymous(this=function, expressions=arguments)
    else:
        call = exp.func(function, *arguments, copy=False, dialect="snowflake")
    call.meta["called"] = function
    return exp.Dot.build([*names[:-1], call]) if schema else call


def name_tables(tree: exp.Expr) -> None:
    """Replace table literals: ``FROM TABLE('db.schema.t')`` -> ``FROM db.schema.t``.

    https://docs.snowflake.com/en/sql-reference/literals-table
    """
    for node in nodes(tree, exp.TableFromRows):
        if isinstance(node.this, exp.Literal) and node.this.is_string:
            reader = Reader(node.this.name)
            names = [exp.to_identifier(part, quoted=True) for part in reader.name()]
            reader.end()
            parts = dict(zip(("this", "db", "catalog"), reversed(names), strict=False))
            node.replace(exp.Table(**parts, alias=node.args.get("alias")))


def check_functions(tree: exp.Expr, session: Session) -> None:
    """Reject unsupported functions. This runs before any rule adds calls of DuckDB functions.

    Raises:
        UnsupportedError: only Snowflake has the function.
        ProgrammingError: a function is neither a Snowflake function nor user-defined.
    """
    for table in nodes(tree, exp.Table):
        if isinstance(table.this, exp.Func) and not table.this.meta.get("ours"):
            raise _unknown_table_function(table.this)
    for call in nodes(tree, exp.Expr):
        name = _called(call)
        if not name or name in _KEYWORDS or call.meta.get("ours") or is_relation(call):
            continue
        if isinstance(call.parent, exp.Dot) or not is_served(name):
            parts = qualified_name(call) if isinstance(call, exp.Anonymous) else (name,)
            for reserved in sorted(set(map(str.upper, parts)) & _RESERVED_WORDS):
                raise errors.syntax(f"syntax error unexpected '{reserved}'.")
            if parts[0].upper() == "SNOWFLAKE":
                raise errors.UnsupportedError(f"the function {'.'.join(parts).upper()}")
            if _is_in_snowflake_schema(parts) or _is_users(session, parts):
                continue
            if len(parts) == 1 and is_documented(name):
                raise errors.UnsupportedError(f"the function {name}")
            raise errors.unknown_function([part.upper() for part in parts])


def _called(call: exp.Expr) -> str:
    """Return the name in a function call; empty for an operator and for a call that a rule has made."""
    return call.name.upper() if isinstance(call, exp.Anonymous) else str(call.meta.get("called", "")).upper()


def _is_users(session: Session, parts: tuple[str, ...]) -> bool:
    reserved = any(part.upper() in RESERVED for part in parts[:-1])
    return not reserved and bool(definitions(session, parts, "FUNCTION"))


def is_relation(call: exp.Expr) -> bool:
    """Return whether a call is in the FROM clause; :func:`check_relations` checks its translation."""
    parent = call.parent
    while isinstance(parent, exp.Dot | exp.Window):
        parent = parent.parent
    return isinstance(parent, exp.TableFromRows | exp.Table | exp.Lateral)


def _is_in_snowflake_schema(parts: tuple[str, ...]) -> bool:
    """Return whether a name is like ``SNOWFLAKE.CORTEX.COMPLETE`` or ``INFORMATION_SCHEMA.QUERY_HISTORY``.

    The code that translates such functions refuses the unknown ones.
    """
    return parts[0].upper() in ("SNOWFLAKE", "INFORMATION_SCHEMA") or (
        len(parts) == 3 and parts[1].upper() == "INFORMATION_SCHEMA"
    )


def check_relations(tree: exp.Expr) -> None:
    """Refuse relations in FROM other than tables and translated Snowflake relations.

    Raises:
        ProgrammingError: a relation is a DuckDB table function or a file.
    """
    for node in nodes(tree, exp.Table, exp.Lateral, exp.Unnest):
        relation = node.this
        fine = exp.Identifier if isinstance(node, exp.Table) else exp.Subquery
        if isinstance(node, exp.Unnest):
            raise unknown_table_function("UNNEST")
        if isinstance(relation, fine) or (relation is not None and relation.meta.get("ours")):
            continue
        if isinstance(relation, exp.Literal):
            raise errors.syntax(
                f"syntax error: unexpected '{relation.sql(dialect='snowflake')}' in the FROM clause"
            )
        raise _unknown_table_function(relation)


def _unknown_table_function(relation: exp.Expr | None) -> ProgrammingError:
    call = relation.find(exp.Anonymous) if isinstance(relation, exp.Dot) else relation
    return unknown_table_function("" if call is None else _called(call) or call.sql(dialect="snowflake"))


def unknown_table_function(name: str) -> ProgrammingError:
    """Make the error of a table function that is not served: a refusal if Snowflake has it."""
    if is_documented(name):
        return errors.UnsupportedError(f"the table function {name}")
    return errors.error(2139, "42601", f"SQL compilation error:\nUnknown table function {name}")

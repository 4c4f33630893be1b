"""Translate relations in FROM that are not tables: staged files, results, metadata, table functions."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.catalog.objects import existing_kind
from snowpipe_ml.local.core.catalog_names import check_schema
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate import flatten
from snowpipe_ml.local.translate.arrow_relation import replace_relation
from snowpipe_ml.local.translate.compiler import Compiler
from snowpipe_ml.local.translate.expressions import stored_cast
from snowpipe_ml.local.translate.names import refers_to_cte
from snowpipe_ml.local.translate.registry import RELATIONS
from snowpipe_ml.local.translate.table_functions import replace_call


def expand_relations(tree: exp.Expr, compiler: Compiler) -> exp.Expr:
    """Replace every relation that DuckDB does not have."""
    _number_values(tree)
    session = compiler.session
    for table in nodes(tree, exp.Table):
        if isinstance(table.this, exp.Var | exp.Literal) and table.name.startswith("@"):
            RELATIONS["STAGE"](table, compiler)
        elif isinstance(table.this, exp.DirectoryStage):
            RELATIONS["DIRECTORY"](table, compiler)
        elif table.name == "DUAL" and not table.db and not refers_to_cte(table):
            if not session.schema or existing_kind(session, session.resolve(("DUAL",))) is None:
                dummy = exp.alias_(stored_cast(exp.Null(), "VARCHAR"), "DUMMY", quoted=True)
                replace_relation(table, exp.Subquery(this=exp.Select(expressions=[dummy])))
        elif table.db.upper() == "INFORMATION_SCHEMA":
            if table.catalog:
                check_schema(session, table.catalog)
            RELATIONS["INFORMATION_SCHEMA"](table, compiler)
        elif (table.catalog.upper(), table.db.upper()) == ("SNOWFLAKE", "ACCOUNT_USAGE"):
            RELATIONS["ACCOUNT_USAGE"](table, compiler)
    flatten.laterals(tree)
    # Innermost calls first, because an outer call reads the result of an inner one.
    for node in reversed(nodes(tree, exp.TableFromRows)):
        replace_call(node, compiler)
    flatten.number_inputs(tree)
    return tree


def _number_values(tree: exp.Expr) -> None:
    """Name the columns of VALUES, and replace ``$1`` in ``SELECT $1 FROM VALUES (1), (2)`` with a name."""
    for values in nodes(tree, exp.Values):
        rows = values.expressions
        if not rows or not isinstance(rows[0], exp.Tuple) or isinstance(values.parent, exp.Insert):
            continue
        alias = values.args.get("alias")
        if alias is not None and alias.args.get("columns"):
            continue
        names = [exp.to_identifier(f"COLUMN{i + 1}", quoted=True) for i in range(len(rows[0].expressions))]
        name = alias.this if alias is not None and alias.this else exp.to_identifier("_VALUES", quoted=True)
        values.set("alias", exp.TableAlias(this=name.copy(), columns=names))
        select = values.find_ancestor(exp.Select)
        if select is None:
            continue
        for parameter in nodes(select, exp.Parameter):
            if parameter.find_ancestor(exp.Select) is select and parameter.name.isdigit():
                parameter.replace(exp.column(exp.to_identifier(f"COLUMN{parameter.name}", quoted=True)))

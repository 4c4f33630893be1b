"""Translate calls of table functions: GENERATOR, RESULT_SCAN and registered functions."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.translate import flatten
from snowpipe_ml.local.translate.arrow_relation import arrow_relation, replace_relation
from snowpipe_ml.local.translate.compiler import Compiler
from snowpipe_ml.local.translate.constants import constant
from snowpipe_ml.local.translate.expressions import stored_cast
from snowpipe_ml.local.translate.guard import unknown_table_function
from snowpipe_ml.local.translate.registry import TABLE_FUNCTIONS, USER_TABLES, table_function


def replace_call(node: exp.TableFromRows, compiler: Compiler) -> None:
    """Replace a call ``TABLE(f(...))`` with the relation that it returns."""
    call = node.this
    if isinstance(call, exp.Dot):
        names = [part.name.upper() for part in call.find_all(exp.Identifier, bfs=False)]
        call = call.find(exp.Anonymous) or call
        if "INFORMATION_SCHEMA" not in names:
            _user_call(node, compiler)
            return
    if isinstance(call, exp.Generator):
        _generator(node, call)
        return
    name = call.name.upper() if isinstance(call, exp.Anonymous) else ""
    flat = flatten.table_call(node)
    if flat is not None:
        replace_relation(node, flat)
        return
    if name in TABLE_FUNCTIONS:
        replace_relation(node, TABLE_FUNCTIONS[name](call.expressions, compiler))
    else:
        _user_call(node, compiler)


def _user_call(node: exp.TableFromRows, compiler: Compiler) -> None:
    if not any(serve(node, compiler) for serve in USER_TABLES):
        call = node.this.this if isinstance(node.this, exp.Window) else node.this
        call = call.find(exp.Anonymous) or call
        raise unknown_table_function(call.name.upper())


def _generator(node: exp.TableFromRows, call: exp.Expr) -> None:
    """Translate ``TABLE(GENERATOR(ROWCOUNT => n))``, and SEQ1() to SEQ8(), which count its rows from 0."""
    count = call.args.get("rowcount")
    if count is None:
        raise errors.UnsupportedError("GENERATOR without ROWCOUNT")
    select = node.find_ancestor(exp.Select)
    for sequence in (
        list(select.find_all(exp.Seq1, exp.Seq2, exp.Seq4, exp.Seq8)) if select is not None else []
    ):
        sequence.replace(_sequence(sequence, int(count.name)))
    rows = exp.select("*").from_(
        exp.Table(
            this=exp.Anonymous(this="range", expressions=[exp.Literal.number(int(count.name))]),
            alias=exp.TableAlias(
                this=exp.to_identifier("_RANGE", quoted=True),
                columns=[exp.to_identifier("_SEQUENCE", quoted=True)],
            ),
        )
    )
    for call_ in rows.find_all(exp.Anonymous):
        call_.meta["ours"] = True
    replace_relation(node, exp.Subquery(this=rows))


_WIDTHS: dict[type[exp.Expr], int] = {exp.Seq1: 1, exp.Seq2: 2, exp.Seq4: 4, exp.Seq8: 8}


def _sequence(call: exp.Expr, rows: int) -> exp.Expr:
    """Translate a SEQ function, which wraps around: ``SEQ1(1)`` counts to 127 and continues at -128.

    https://docs.snowflake.com/en/sql-reference/functions/seq1
    """
    number: exp.Expr = stored_cast(exp.column(exp.to_identifier("_SEQUENCE", quoted=True)), "BIGINT")
    width = _WIDTHS[type(call)]
    half = 2 ** (8 * width - 1)
    if rows <= half:
        return number
    if call.this is None or call.this.name != "1":
        raise errors.UnsupportedError(f"more than {half} rows of an unsigned SEQ{width}()", "Use SEQ8()")
    shifted = exp.Paren(this=exp.Add(this=number, expression=exp.Literal.number(half)))
    wrapped = exp.Mod(this=shifted, expression=exp.Literal.number(2 * half))
    return exp.Paren(this=exp.Sub(this=wrapped, expression=exp.Literal.number(half)))


@table_function("RESULT_SCAN")
def _result_scan(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """Translate ``TABLE(RESULT_SCAN('id'))``, the result of an earlier statement."""
    query_id = str(constant(compiler.session, arguments[0]))
    columns, table = compiler.session.storage.results.get(query_id)
    return arrow_relation(compiler, columns, table)

"""TABLE(VALIDATE(...)): the rows that a COPY rejected."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.catalog.load_history import rejected
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.translate.arrow_relation import arrow_relation
from snowpipe_ml.local.translate.compiler import Compiler
from snowpipe_ml.local.translate.constants import constant
from snowpipe_ml.local.translate.registry import table_function


@table_function("VALIDATE")
def _validate(arguments: list[exp.Expr], compiler: Compiler) -> exp.Expr:
    """``TABLE(VALIDATE(t, JOB_ID => 'id'))``: the rows that a COPY rejected."""
    session = compiler.session
    column = arguments[0]
    if not isinstance(column, exp.Column) or len(arguments) != 2 or not isinstance(arguments[1], exp.Kwarg):
        raise errors.syntax("VALIDATE takes a table and JOB_ID => 'query id'")
    name = session.resolve(tuple(part.name for part in column.parts))
    job = str(constant(session, arguments[1].expression))
    columns, table = rejected(session, name, None if job == "_last" else job)
    return arrow_relation(compiler, columns, table)

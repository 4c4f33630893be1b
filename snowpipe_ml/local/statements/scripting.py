"""Snowflake Scripting: anonymous blocks, and EXECUTE IMMEDIATE.

https://docs.snowflake.com/en/developer-guide/snowflake-scripting/blocks
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.result import Result
from snowpipe_ml.local.core.types import Column
from snowpipe_ml.local.scripting.expressions import compute
from snowpipe_ml.local.scripting.interpreter import Returned, run_block
from snowpipe_ml.local.scripting.parser import parse_block
from snowpipe_ml.local.scripting.scope import Bindings, Scope
from snowpipe_ml.local.scripting.source import Source
from snowpipe_ml.local.scripting.sql import read_execute_immediate
from snowpipe_ml.local.statements.base import Statement, command, describes
from snowpipe_ml.local.syntax.script import placeholders
from snowpipe_ml.sql import DataType

_ANONYMOUS = "anonymous block"
_TEXT = DataType.parse("VARCHAR")


@command("DECLARE")
def run_anonymous(statement: Statement) -> Result:
    """``[DECLARE ...] BEGIN ... END``: run an anonymous block; its result is the value that it returns."""
    block = parse_block(statement.text)
    with statement.session.inside_procedure():
        return shown(run_block(statement.session, block), _ANONYMOUS)


@describes("DECLARE")
def _describe_block(statement: Statement) -> list[Column]:
    return [Column(_ANONYMOUS, "VARCHAR")]


def shown(returned: Returned, name: str) -> Result:
    """Return the result of a block: its table, or one row with its value."""
    if returned.table is not None:
        return returned.table
    value = returned.value
    if value is None:
        return Result([Column(name, "VARCHAR")], pa.table({"0": pa.nulls(1, pa.string())}))
    column = Column(name, value.column.duckdb, structure=value.column.structure)
    return Result([column], pa.table([value.cells], names=["0"]))


@command("EXECUTE IMMEDIATE")
def execute_immediate(statement: Statement) -> Result:
    """``EXECUTE IMMEDIATE 'statement or block' | $variable [USING (values)]``."""
    source = Source(statement.reader.text)
    wanted = read_execute_immediate(source)
    source.end()
    if wanted.into:
        raise errors.syntax("INTO is valid in a block only")
    scope = Scope()
    text = compute(statement.session, scope, wanted.text.text, _TEXT).python
    values = [compute(statement.session, scope, each.text) for each in wanted.using]
    params = statement.params
    if isinstance(params, Sequence):  # the placeholders of the inner statement follow those of this one
        params = params[placeholders(statement.text) :]
    return statement.run(str(text or ""), Bindings(scope, values) if values else params)

"""EXPLAIN: the query plan of the embedded warehouse, which differs from Snowflake's.

https://docs.snowflake.com/en/sql-reference/sql/explain
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.result import Result, rows
from snowpipe_ml.local.statements.base import Statement, command
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.translate.compiled import compiled
from snowpipe_ml.local.translate.compiler import to_sql


@command("EXPLAIN")
def explain(statement: Statement) -> Result:
    """``EXPLAIN USING TEXT <query>``: DuckDB's plan of the translated query.

    Raises:
        ProgrammingError: the query reads INFORMATION_SCHEMA, which Snowflake does not explain either.
        UnsupportedError: the output format is not TEXT, or the statement is not a query.
    """
    session, reader = statement.session, statement.reader
    reader.expect("EXPLAIN")
    if not (reader.accept("USING", "TEXT")):
        raise errors.UnsupportedError(
            "EXPLAIN as a table or JSON", "EXPLAIN USING TEXT shows the plan of the embedded warehouse"
        )
    tree = parse(statement.text[reader.peek().start :])
    if not isinstance(tree, exp.Query):
        raise errors.UnsupportedError("EXPLAIN of a statement other than a query")
    if any(table.db.upper() == "INFORMATION_SCHEMA" for table in tree.find_all(exp.Table)):
        raise errors.error(1, "0A000", "EXPLAIN does not support queries of INFORMATION_SCHEMA")
    with compiled(session, tree, describing=True) as query:
        found = session.duck.execute(f"EXPLAIN {to_sql(query)}").fetchall()
    return rows([("content", "VARCHAR")], [("\n".join(text for _, text in found),)])

"""EXPLAIN: the plan of the embedded warehouse, which is not Snowflake's.

https://docs.snowflake.com/en/sql-reference/sql/explain
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local import errors
from snowpipe_ml.local.query import compiled, parse, to_sql
from snowpipe_ml.local.statements import Result, Statement, command, rows


@command("EXPLAIN")
def explain(statement: Statement) -> Result:
    """``EXPLAIN USING TEXT <query>``: DuckDB's plan of what the query is rewritten to.

    Raises:
        UnsupportedError: another form than TEXT, or of another statement than a query.
    """
    connection, reader = statement.connection, statement.reader
    reader.expect("EXPLAIN")
    if not (reader.accept("USING", "TEXT")):
        raise errors.UnsupportedError(
            "EXPLAIN as a table or JSON", "EXPLAIN USING TEXT gives the embedded warehouse's plan"
        )
    tree = parse(statement.text[reader.peek().start :])
    if not isinstance(tree, exp.Query):
        raise errors.UnsupportedError("EXPLAIN of anything but a query")
    with compiled(connection, tree, describing=True) as query:
        found = connection.duck.execute(f"EXPLAIN {to_sql(query)}").fetchall()
    return rows([("content", "VARCHAR")], [("\n".join(text for _, text in found),)])

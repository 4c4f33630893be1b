"""Publish the table of a step: as a whole, in one statement, and with its grants, tags and streams."""

from __future__ import annotations

from typing import Any

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import RunContext
from snowpipe_ml.sql import DataType, Identifier, Literal, QualifiedName, Sql, join, sql


def publish_table(ctx: RunContext, name: QualifiedName, query: Sql) -> int:
    """Replace the rows of a table with those of a query.

    An existing table with the same columns, wide enough for the new values, is overwritten in place,
    which keeps its grants, tags and streams. Any other table is replaced, which keeps its grants.

    Returns:
        The number of rows in the table.
    """
    ctx.before_publishing()
    kind = ctx.kind_of(name)
    if kind == "VIEW":
        ctx.execute(sql("DROP VIEW {name}", name=name))
    if kind == "TABLE" and _accepts(ctx, name, query):
        columns = join(", ", [Identifier(field) for field in _columns(ctx, Sql(f"SELECT * FROM {name.sql}"))])
        ctx.execute(
            sql("INSERT OVERWRITE INTO {name} ({columns}) {query}", name=name, columns=columns, query=query)
        )
    else:
        ctx.execute(sql("CREATE OR REPLACE TABLE {name} COPY GRANTS AS {query}", name=name, query=query))
    return ctx.count(name)


def append_run(ctx: RunContext, name: QualifiedName, query: Sql) -> int:
    """Append the rows of a query, which have this run's RUN_ID, to a table.

    The table is created if it does not exist. A repeated call replaces only the rows of this run.

    Returns:
        The number of rows of this run in the table.
    """
    ctx.before_publishing()
    if ctx.kind_of(name) is None:
        ctx.execute(
            sql(
                "CREATE TABLE IF NOT EXISTS {name} AS SELECT * FROM ({query}) WHERE FALSE",
                name=name,
                query=query,
            )
        )
    columns, there = list(_columns(ctx, query)), list(_columns(ctx, Sql(f"SELECT * FROM {name.sql}")))
    if columns != there:
        raise StepError(
            f"{name} has the columns {', '.join(there)}, but this step writes {', '.join(columns)}: "
            "write to another table"
        )
    run = Literal(ctx.run.id)
    with ctx.transaction():
        ctx.execute(sql("DELETE FROM {name} WHERE RUN_ID = {run}", name=name, run=run))
        listed = join(", ", [Identifier(column) for column in columns])
        ctx.execute(sql("INSERT INTO {name} ({listed}) {query}", name=name, listed=listed, query=query))
    return int(ctx.scalar(sql("SELECT COUNT(*) FROM {name} WHERE RUN_ID = {run}", name=name, run=run)))


def _columns(ctx: RunContext, query: Sql) -> dict[str, DataType]:
    """Return the columns of a query with their types. The query is described, not run."""
    fields = ctx.session.sql(query.text).schema.fields
    return {
        field.column_identifier.name.strip('"').replace('""', '"'): _kind(field.datatype) for field in fields
    }


def _kind(datatype: Any) -> DataType:
    """Convert a Snowpark type, with everything that decides whether values fit; other types by text only."""
    digits = getattr(datatype, "_precision", None)  # of a NUMBER without a scale, which is a LongType
    if digits is not None:
        return DataType("NUMBER", (int(digits), 0))
    if hasattr(datatype, "scale"):
        return DataType("NUMBER", (datatype.precision, datatype.scale))
    if hasattr(datatype, "length"):
        return DataType("VARCHAR", () if datatype.length is None else (datatype.length,)).complete
    return DataType(str(datatype))


def _accepts(ctx: RunContext, name: QualifiedName, query: Sql) -> bool:
    """Return whether a table has the columns of a query, each wide enough for its values."""
    there, new = _columns(ctx, Sql(f"SELECT * FROM {name.sql}")), _columns(ctx, query)
    return list(there) == list(new) and all(
        new[column] == kind or new[column].widens_to(kind) for column, kind in there.items()
    )


def publish_view(ctx: RunContext, name: QualifiedName, query: Sql) -> None:
    """Create or replace a view of a query; an existing table of the same name is dropped."""
    ctx.before_publishing()
    if ctx.kind_of(name) == "TABLE":
        ctx.execute(sql("DROP TABLE {name}", name=name))
    ctx.execute(sql("CREATE OR REPLACE VIEW {name} AS {query}", name=name, query=query))

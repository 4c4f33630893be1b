"""Publish the outputs of steps: each in one statement, and with what others have given it.

A CREATE OR REPLACE statement drops the privileges on the replaced object, its tags and its comments, unless it
says COPY GRANTS and COPY TAGS and has the comments itself, and it drops policies, unless it names them:
https://docs.snowflake.com/en/sql-reference/sql/create-table#label-create-table-copy-grants
A new object is created without these clauses, as COPY GRANTS would keep it from
the privileges on future objects of its schema. Comments on columns of a table and on functions, for which CREATE
has no place, are set again after the statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import RunContext
from snowpipe_ml.sql import DataType, Fragment, Identifier, Literal, QualifiedName, Sql, join, sql
from snowpipe_ml.steps.data.policies import Policies, listed_columns, policies_of
from snowpipe_ml.steps.data.target_lag import without_dynamic

if TYPE_CHECKING:
    from snowflake.snowpark import Row

_NO_COMMENT = "user-defined function"
"""The description of a function without a comment in SHOW FUNCTIONS."""
_NAMES = {"DOUBLE": "FLOAT", "MAP": "OBJECT"}
"""The types that Snowpark names otherwise."""


@dataclass(frozen=True)
class Layout:
    """How a table is stored.

    Attributes:
        transient: whether it is transient: without Fail-safe, and with at most one day of Time Travel.
        cluster_by: the columns of its clustering key.
    """

    transient: bool = False
    cluster_by: tuple[Identifier, ...] = ()

    @property
    def kind(self) -> Sql:
        """The words of CREATE for the table."""
        return Sql("TRANSIENT TABLE" if self.transient else "TABLE")

    @property
    def clauses(self) -> Iterator[Sql]:
        """The clauses behind the name of the table in CREATE."""
        if self.cluster_by:
            yield sql("CLUSTER BY ({key})", key=join(", ", self.cluster_by))

    def is_kept(self, ctx: RunContext, name: QualifiedName) -> bool:
        """Return whether an existing table can stay: a table that should be transient must be so already."""
        return not self.transient or any(row["kind"] == "TRANSIENT" for row in ctx.listed("TABLES", name))

    def cluster(self, ctx: RunContext, name: QualifiedName, shown: Mapping[str, Any]) -> None:
        """Give an existing table its clustering key, if it has another one."""
        key = join(", ", self.cluster_by)
        if self.cluster_by and shown["cluster_by"] != f"LINEAR({key.text})":
            ctx.execute(sql("ALTER TABLE {name} CLUSTER BY ({key})", name=name, key=key))


def publish_table(ctx: RunContext, name: QualifiedName, query: Sql, layout: Layout = Layout()) -> int:
    """Replace the rows of a table with those of a query; see :func:`replace_rows`.

    Returns:
        The number of rows in the table.
    """
    replace_rows(ctx, name, query, layout)
    return ctx.count_all([name])[0]


def publish_tables(ctx: RunContext, tables: Iterable[tuple[QualifiedName, Sql]]) -> list[int]:
    """Replace the rows of tables with those of their queries, one after the other; see :func:`replace_rows`.

    Returns:
        The number of rows in each table, asked for by one query.
    """
    names = []
    for name, query in tables:
        replace_rows(ctx, name, query)
        names.append(name)
    return ctx.count_all(names)


def replace_rows(ctx: RunContext, name: QualifiedName, query: Sql, layout: Layout = Layout()) -> None:
    """Replace the rows of a table with those of a query.

    An existing table with the same columns, wide enough for the new values, is overwritten in place,
    which keeps its streams too. Any other table is replaced, which keeps its grants, tags, comments and policies.
    """
    shown = without_dynamic(ctx, name, ctx.shown(name))
    if (
        shown is not None
        and shown["kind"] != "VIEW"
        and layout.is_kept(ctx, name)
        and _accepts(ctx, name, query)
    ):
        layout.cluster(ctx, name, shown)
        columns = join(
            ", ", [Identifier(field) for field in columns_of_query(ctx, Sql(f"SELECT * FROM {name.sql}"))]
        )
        with ctx.transaction():
            ctx.execute(
                sql(
                    "INSERT OVERWRITE INTO {name} ({columns}) {query}",
                    name=name,
                    columns=columns,
                    query=query,
                )
            )
    else:
        ctx.before_publishing()
        if shown is not None and shown["kind"] == "VIEW":
            ctx.execute(sql("DROP VIEW {name}", name=name))
            shown = None
        replace_table(ctx, name, sql("AS {query}", query=query), shown, layout)
    ctx.set_tags(name)


def replace_table(
    ctx: RunContext,
    name: QualifiedName,
    content: Sql,
    shown: Mapping[str, Any] | None,
    layout: Layout = Layout(),
) -> None:
    """Create a table, or replace one and keep its grants, tags, comments and policies.

    Args:
        ctx: the context of the step.
        name: the table.
        content: ``AS query`` or ``CLONE table``.
        shown: the existing table, as :meth:`RunContext.shown` returns it.
        layout: how it is stored, if its content is a query.
    """
    columns = [] if shown is None else _columns(ctx, "TABLE", name)
    policies = Policies(name) if shown is None else policies_of(ctx, "TABLE", name, columns)
    kept = list(_kept(shown))
    is_clone = content.text.startswith("CLONE")
    listed, whole = list[Sql](), list[Sql]()
    if policies != Policies(name):
        source = content.text.replace("CLONE ", "SELECT * FROM ") if is_clone else content.text
        new = columns_of_query(ctx, Sql(source.removeprefix("AS ")))
        whole += policies.clauses(new)  # a clone has them from ALTER; they are checked before it
        if not is_clone:
            listed += listed_columns(policies, new, columns_of(ctx, name), columns)
    clauses = [content, *kept] if is_clone else [*listed, *layout.clauses, *kept, *whole, content]
    statement = sql(
        "CREATE OR REPLACE {kind} {name} {clauses}", kind=layout.kind, name=name, clauses=join(" ", clauses)
    )
    if shown is None:
        ctx.create(name, statement)
        return
    ctx.execute(statement)
    comments = _comments(columns)
    restores = is_clone and policies != Policies(name)
    if not (restores or comments):
        return
    there = columns_of(ctx, name)
    if restores:
        now = policies_of(ctx, "TABLE", name, _columns(ctx, "TABLE", name))
        for change in policies.restored(name, there, now):
            ctx.execute(change)
    for column, text in comments.items():
        if column in there:
            target = QualifiedName((*name.parts, Identifier(column)))
            ctx.execute(sql("COMMENT ON COLUMN {target} IS {text}", target=target, text=Literal(text)))


def _kept(shown: Mapping[str, Any] | None) -> Iterable[Sql]:
    """Return the clauses with which a replaced table or view keeps its grants, its tags and its comment."""
    if shown is None:
        return
    yield Sql("COPY GRANTS COPY TAGS")
    if shown["comment"]:
        yield sql("COMMENT = {text}", text=Literal(str(shown["comment"])))


def _columns(ctx: RunContext, kind: str, name: QualifiedName) -> list[Row]:
    """Return the columns of a table or view, as DESCRIBE shows them."""
    return ctx.execute(sql("DESCRIBE {kind} {name}", kind=Sql(kind), name=name))


def _comments(columns: Iterable[Row]) -> dict[str, str]:
    """Return the comments of columns."""
    return {str(row["name"]): str(row["comment"]) for row in columns if row["comment"]}


def _is_view_of(ctx: RunContext, name: QualifiedName, query: Sql) -> bool:
    """Return whether an existing view is that of a query: its text ends with the query, and its columns fit.

    SHOW VIEWS has the text of the statement that created the view:
    https://docs.snowflake.com/en/sql-reference/sql/show-views
    """
    texts = [str(row["text"]) for row in ctx.listed("VIEWS", name)]
    if not any(text.rstrip().rstrip(";").endswith(f" AS {query.text}") for text in texts):
        return False
    from snowflake.snowpark.exceptions import SnowparkSQLException

    try:
        return _accepts(ctx, name, query)
    except SnowparkSQLException as error:
        ctx.logger.debug("the view %s can no longer be read: %s", name, error)
        return False


def append_run(ctx: RunContext, name: QualifiedName, query: Sql) -> int:
    """Append the rows of a query, which have this run's RUN_ID, to a table.

    The table is created if it does not exist. A repeated call replaces only the rows of this run.

    Returns:
        The number of rows of this run in the table.
    """
    if ctx.kind_of(name) is None:
        create = "CREATE TABLE IF NOT EXISTS {name} AS SELECT * FROM ({query}) WHERE FALSE"
        ctx.create(name, sql(create, name=name, query=query))
    columns, there = (
        list(columns_of_query(ctx, query)),
        list(columns_of_query(ctx, Sql(f"SELECT * FROM {name.sql}"))),
    )
    if columns != there:
        raise StepError(
            f"{name} has the columns {', '.join(there)}, but this step writes {', '.join(columns)}: "
            "write to another table"
        )
    run = Literal(ctx.run.id)
    with ctx.transaction():
        ctx.execute(sql("DELETE FROM {name} WHERE RUN_ID = {run}", name=name, run=run))
        listed = join(", ", [Identifier(column) for column in columns])
        insert = sql("INSERT INTO {name} ({listed}) {query}", name=name, listed=listed, query=query)
        inserted = int(ctx.scalar(insert))
    ctx.set_tags(name)
    return inserted


def columns_of_query(ctx: RunContext, query: Sql) -> dict[str, DataType]:
    """Return the columns of a query with their types. The query is described, not run."""
    return {
        field.column_identifier.name.strip('"').replace('""', '"'): _kind(field.datatype)
        for field in ctx.fields_of(query)
    }


def columns_of(ctx: RunContext, name: QualifiedName) -> dict[str, DataType]:
    """Return the columns of a table with their types."""
    return columns_of_query(ctx, Sql(f"SELECT * FROM {name.sql}"))


def _kind(datatype: Any) -> DataType:
    """Convert a Snowpark type, with everything that decides whether values fit; other types by text only."""
    digits = getattr(datatype, "_precision", None)  # of a NUMBER without a scale, which is a LongType
    if digits is not None:
        return DataType("NUMBER", (int(digits), 0))
    if hasattr(datatype, "scale"):
        return DataType("NUMBER", (datatype.precision, datatype.scale))
    if hasattr(datatype, "length"):
        return DataType("VARCHAR", () if datatype.length is None else (datatype.length,)).complete
    kind = type(datatype).__name__.removesuffix("Type").upper()
    if kind == "TIMESTAMP":
        zone = datatype.tz.value.upper()
        return DataType("TIMESTAMP_NTZ" if zone == "DEFAULT" else f"TIMESTAMP_{zone}")
    if kind == "VECTOR":
        return DataType(kind, (datatype.dimension,), datatype.element_type.upper())
    return DataType(_NAMES.get(kind, kind))


def _accepts(ctx: RunContext, name: QualifiedName, query: Sql) -> bool:
    """Return whether a table or view has the columns of a query, each wide enough for its values."""
    there, new = columns_of_query(ctx, Sql(f"SELECT * FROM {name.sql}")), columns_of_query(ctx, query)
    return list(there) == list(new) and all(
        new[column] == kind or new[column].widens_to(kind) for column, kind in there.items()
    )


def publish_view(ctx: RunContext, name: QualifiedName, query: Sql) -> None:
    """Create a view of a query, or replace one that differs; an existing table of the same name is dropped."""
    ctx.before_publishing()
    shown = without_dynamic(ctx, name, ctx.shown(name))
    if shown is not None and shown["kind"] != "VIEW":
        ctx.execute(sql("DROP TABLE {name}", name=name))
        shown = None
    replace_view(ctx, name, query, shown)


def replace_view(ctx: RunContext, name: QualifiedName, query: Sql, shown: Mapping[str, Any] | None) -> None:
    """Create a view, or replace one that differs and keep its grants, tags, comments and policies.

    A view with the same query and columns that fit stays, since a new one would make the streams on it stale. The
    columns of a view are those of its creation, even if the query has a star and a table has more columns now:
    https://docs.snowflake.com/en/sql-reference/sql/create-view

    Args:
        ctx: the context of the step.
        name: the view.
        query: its query.
        shown: the existing view, as :meth:`RunContext.shown` returns it.
    """
    shown = None if shown is None or shown["kind"] != "VIEW" else shown
    clauses = [*_kept(shown)]
    if shown is not None and _is_view_of(ctx, name, query):
        return
    described = [] if shown is None else _columns(ctx, "VIEW", name)
    comments = _comments(described)
    policies = Policies(name) if shown is None else policies_of(ctx, "VIEW", name, described)
    if comments or policies != Policies(name):
        columns = []
        new = columns_of_query(ctx, query)
        clauses += policies.clauses(new)
        for column in new:
            parts: list[Fragment] = [Identifier(column), *policies.on_column(column)]
            if column in comments:
                parts.append(sql("COMMENT {text}", text=Literal(comments[column])))
            columns.append(join(" ", parts))
        clauses.insert(0, sql("({columns})", columns=join(", ", columns)))
    clauses.append(sql("AS {query}", query=query))
    statement = sql("CREATE OR REPLACE VIEW {name} {clauses}", name=name, clauses=join(" ", clauses))
    if shown is None:
        ctx.create(name, statement)
    else:
        ctx.execute(statement)


def publish_functions(ctx: RunContext, name: QualifiedName, statements: Iterable[Sql]) -> None:
    """Create or replace the overloads of a function, and keep the comments of all its overloads.

    The statements say COPY GRANTS, which takes no privileges on future functions away.
    """
    ctx.before_publishing()
    comments = {
        str(row["arguments"]): str(row["description"])
        for row in ctx.listed("USER FUNCTIONS", name)
        if str(row["description"]) not in ("", _NO_COMMENT)
    }
    for statement in statements:
        ctx.execute(statement)
    for arguments, text in comments.items():
        # F(VARCHAR, NUMBER) RETURN FLOAT
        types = Sql(arguments[len(name.name.name) : arguments.rindex(") RETURN")] + ")")
        ctx.execute(
            sql("COMMENT ON FUNCTION {name} {types} IS {text}", name=name, types=types, text=Literal(text))
        )

"""SQL functions whose body is a query: table functions, and scalar functions such as ``SELECT SUM(x) FROM t``.

A call is replaced by the query, before the names of the statement are resolved. The arguments are the columns
of a relation that the query refers to laterally, so that a column of the query's own tables has precedence over
an argument of the same name.

https://docs.snowflake.com/en/developer-guide/udf/sql/udf-sql-tabular-functions
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.catalog.functions import Definition, definitions
from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.python.arguments import is_query, snowflake_type, with_defaults
from snowpipe_ml.local.python.registry import functions_of
from snowpipe_ml.local.syntax.parsing import parse
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.compiled import compiled
from snowpipe_ml.local.translate.compiler import to_sql
from snowpipe_ml.local.translate.names import name_projections, qualified_name
from snowpipe_ml.local.translate.registry import TABLE_FUNCTIONS, is_served, user_query

_DEEPEST = 32
"""How many functions may call one another."""
_ARGUMENTS, _BODY, _VALUE = "_ARGUMENTS", "_BODY", "_VALUE"


@user_query
def insert_queries(tree: exp.Expr, session: Session) -> None:
    """Replace the calls of functions whose body is a query, also those in the inserted queries.

    Raises:
        ProgrammingError: a function is called with arguments that it does not take.
        UnsupportedError: a scalar function is called with columns.
    """
    if not session.database:
        return
    if not nodes(tree, exp.TableFromRows, exp.Anonymous):
        return
    for _ in range(_DEEPEST):
        tables = [node for node in nodes(tree, exp.TableFromRows) if _insert_table(node, session)]
        scalars = [call for call in nodes(tree, exp.Anonymous) if _insert_scalar(call, tree, session)]
        if not tables and not scalars:
            return
    raise errors.syntax(f"SQL functions call one another more than {_DEEPEST} times")


def _insert_table(node: exp.TableFromRows, session: Session) -> bool:
    """Replace ``TABLE(f(...))``; return False if the function is not in SQL."""
    call = node.this.find(exp.Anonymous) if isinstance(node.this, exp.Dot) else node.this
    if not isinstance(call, exp.Anonymous) or call.name.upper() in TABLE_FUNCTIONS:
        return False
    found = definitions(session, qualified_name(call), "FUNCTION")
    if not any(each.language == "SQL" and each.returns_table for each in found):
        return False
    definition = _chosen(call, session)
    given = with_defaults(definition, call.expressions)
    query = _table_query(definition, given)
    alias = node.args.get("alias")
    relation: exp.Expr = exp.Subquery(this=query)
    if isinstance(node.parent, exp.Join) and any(value.find(exp.Column) for value in given):
        relation = exp.Lateral(this=relation)
    relation.set("alias", exp.TableAlias(this=_name(definition.name)) if alias is None else alias.copy())
    node.replace(relation)
    return True


def _insert_scalar(call: exp.Anonymous, tree: exp.Expr, session: Session) -> bool:
    """Replace ``f(...)``; return False if it is not a function in SQL, or its body is an expression."""
    top: exp.Expr = call
    while isinstance(top.parent, exp.Dot):
        top = top.parent
    if isinstance(top.parent, exp.TableFromRows) or (top is call and is_served(call.name.upper())):
        return False
    found = definitions(session, qualified_name(call), "FUNCTION")
    if not any(is_query(each) and not each.returns_table for each in found):
        return False
    definition = _chosen(call, session)
    if not is_query(definition) or definition.returns_table:
        return False
    given = with_defaults(definition, call.expressions)
    if any(value.find(exp.Column) for value in given):
        raise errors.UnsupportedError(
            f"columns as arguments of {definition.name}, a function whose body is a query",
            "Join its query in the statement",
        )
    name_projections(tree)  # while the call is still the text of its column
    query = _around(definition, given, _body(definition), [_VALUE])
    top.replace(exp.Paren(this=_cast(exp.Subquery(this=query), definition.returns)))
    return True


def _chosen(call: exp.Anonymous, session: Session) -> Definition:
    types = [snowflake_type(argument) for argument in call.expressions]
    definition = functions_of(session.storage).choose(session, qualified_name(call), types)
    assert definition is not None
    return definition


def check_query_of(definition: Definition, session: Session) -> None:
    """Check the query of a new function: what it refers to exists, and it returns the declared columns.

    Raises:
        ProgrammingError: it does not.
    """
    nulls = [_cast(exp.Null(), argument.type) for argument in definition.arguments]
    query = _around(definition, nulls, _body(definition), [])
    with compiled(session, query, describing=True) as translated:
        found = session.duck.execute(f"DESCRIBE {to_sql(translated)}").fetchall()
    if len(found) != (len(definition.table) if definition.returns_table else 1):
        actual = ", ".join(str(row[0]) for row in found)
        raise errors.compilation(
            f"Declared return type '{definition.result}' is incompatible with the columns of the query: {actual}"
        )


def _table_query(definition: Definition, given: list[exp.Expr]) -> exp.Select:
    """Return the query of a table function with its arguments; its columns have the declared names and types."""
    names = [name for name, _ in definition.table]
    columns = [
        exp.alias_(_cast(exp.column(_name(name), table=_name(_BODY)), kind), _name(name))
        for name, kind in definition.table
    ]
    return _around(definition, given, _body(definition), names).select(*columns, append=False)


def _around(definition: Definition, given: list[exp.Expr], body: exp.Query, names: list[str]) -> exp.Select:
    """Return a query of a body that can refer to the arguments by their names.

    Its columns are named ``names``, or as in the body if there are none.
    """
    alias = exp.TableAlias(this=_name(_BODY), columns=[_name(name) for name in names])
    columns = [exp.column(_name(name), table=_name(_BODY)) for name in names] or [
        exp.Column(this=exp.Star(), table=_name(_BODY))
    ]
    if not definition.arguments:
        return exp.select(*columns).from_(exp.Subquery(this=body, alias=alias))
    values = exp.select(
        *(
            exp.alias_(_cast(value.copy(), argument.type), _name(f"_{place}"))
            for place, (value, argument) in enumerate(zip(given, definition.arguments, strict=True))
        )
    )
    names_of = [_name(argument.name) for argument in definition.arguments]
    arguments = exp.Subquery(this=values, alias=exp.TableAlias(this=_name(_ARGUMENTS), columns=names_of))
    lateral = exp.Lateral(this=exp.Subquery(this=body), alias=alias)
    return exp.select(*columns).from_(arguments).join(lateral, join_type="CROSS")


def _body(definition: Definition) -> exp.Query:
    """Parse the body; its tables and functions are those of the function's schema.

    Raises:
        ProgrammingError: the body is not a query.
    """
    tree = parse(str(definition.body).strip().rstrip(";"))
    query = tree.unnest() if isinstance(tree, exp.Subquery) else tree
    if not isinstance(query, exp.Query):
        raise errors.syntax(f"the body of {definition.name} is not a query")
    name_projections(query)
    named = {cte.alias.upper() for cte in nodes(query, exp.CTE)}
    for table in nodes(query, exp.Table):
        if not isinstance(table.this, exp.Identifier) or table.args.get("catalog"):
            continue
        if not table.args.get("db"):
            if table.name.upper() in named:
                continue
            table.set("db", _name(definition.schema))
        table.set("catalog", _name(definition.database))
    for call in nodes(query, exp.Anonymous):
        parent = call.parent
        known = is_served(call.name.upper()) or call.name.upper() in TABLE_FUNCTIONS
        if not known and not isinstance(parent, exp.Dot):
            schema = exp.Dot(this=_name(definition.database), expression=_name(definition.schema))
            call.replace(exp.Dot(this=schema, expression=call.copy()))
    return query


def _name(text: str) -> exp.Identifier:
    return exp.to_identifier(text, quoted=True)


def _cast(node: exp.Expr, kind: str) -> exp.Expr:
    return exp.Cast(this=node, to=exp.DataType.build(kind, dialect="snowflake"))

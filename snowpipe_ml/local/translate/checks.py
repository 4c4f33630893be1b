"""Refuse queries that Snowflake refuses and DuckDB runs, with Snowflake's errors."""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.syntax.trees import nodes

_ORDERED = frozenset(
    {
        *("CUME_DIST", "DENSE_RANK", "FIRST_VALUE", "LAG", "LAST_VALUE", "LEAD", "NTH_VALUE", "NTILE"),
        *("PERCENT_RANK", "RANK", "ROW_NUMBER", "CONDITIONAL_CHANGE_EVENT", "CONDITIONAL_TRUE_EVENT"),
        *("INTERPOLATE_BFILL", "INTERPOLATE_FFILL"),
    }
)
"""The window functions that need an ORDER BY."""
_UNORDERED = frozenset(
    {
        *("APPROX_PERCENTILE", "APPROX_TOP_K", "BITAND_AGG", "BITOR_AGG", "BITXOR_AGG", "BOOLAND_AGG"),
        *("BOOLOR_AGG", "BOOLXOR_AGG", "CORR", "COVAR_POP", "COVAR_SAMP", "KURTOSIS", "LISTAGG", "MEDIAN"),
        *("MODE", "PERCENTILE_CONT", "PERCENTILE_DISC", "REGR_AVGX", "REGR_AVGY", "REGR_COUNT"),
        *("REGR_INTERCEPT", "REGR_R2", "REGR_SLOPE", "REGR_SXX", "REGR_SXY", "REGR_SYY", "SKEW"),
    }
)
"""The functions that take no ORDER BY in OVER."""
_UNFRAMED = frozenset({"INTERPOLATE_BFILL", "INTERPOLATE_FFILL", "CUME_DIST", "LAG", "LEAD", "NTILE"})
"""The functions that take an order but no window frame."""
# Functions that a VALUES clause of an INSERT cannot have.
_NOT_IN_VALUES = frozenset(
    {
        *("ARRAY_CONSTRUCT", "ARRAY_CONSTRUCT_COMPACT", "OBJECT_CONSTRUCT", "OBJECT_CONSTRUCT_KEEP_NULL"),
        *("PARSE_JSON", "TO_ARRAY", "TO_OBJECT", "TO_VARIANT", "TRY_PARSE_JSON"),
    }
)
# Subclasses of sqlglot's AggFunc that are window functions.
_NO_AGGREGATES = (
    exp.CumeDist,
    exp.DenseRank,
    exp.FirstValue,
    exp.Lag,
    exp.LastValue,
    exp.Lead,
    exp.NthValue,
    exp.Ntile,
    exp.PercentRank,
    exp.Rank,
    exp.RowNumber,
)

_CHECKED = (
    exp.Window,
    exp.AggFunc,
    exp.Limit,
    exp.Fetch,
    exp.Offset,
    exp.Select,
    exp.SetOperation,
    exp.Subquery,
    exp.Collate,
)


def check_query(tree: exp.Expr) -> None:
    """Check a statement as it was written, before any translation.

    Raises:
        ProgrammingError: Snowflake refuses the statement.
    """
    for node in nodes(tree, *_CHECKED):
        match node:
            case exp.Window():
                _check_window(node)
            case exp.AggFunc():
                _check_aggregate(node)
            case exp.Limit() | exp.Fetch() | exp.Offset():
                _check_limit(node)
            case exp.Select():
                _check_positions(node)
            case exp.SetOperation():
                _check_branches(node)
            case exp.Subquery():
                _check_correlation(node)
            case exp.Collate():
                raise errors.UnsupportedError(f"the collation {node.expression.sql(dialect='snowflake')}")
    if isinstance(tree, exp.Insert) and isinstance(tree.expression, exp.Values):
        _check_values(tree.expression)


def check_ambiguous(tree: exp.Expr) -> None:
    """Refuse columns that a subquery has twice, of which DuckDB takes the first; names are in stored form.

    Raises:
        ProgrammingError: a name is ambiguous.
    """
    for query in nodes(tree, exp.Subquery, exp.CTE):
        inner = query.this
        if not isinstance(inner, exp.Select):
            continue
        names = [each.alias_or_name for each in inner.expressions if not each.is_star]
        twice = {name for name in names if name and names.count(name) > 1}
        if not twice:
            continue
        uses: list[exp.Expr] = [query]
        if isinstance(query, exp.CTE):
            uses = [each for each in tree.find_all(exp.Table) if each.name == query.alias and not each.db]
        for use in uses:
            _check_twice(use, twice)


def _check_twice(relation: exp.Expr, twice: set[str]) -> None:
    select = relation.parent_select
    alias = relation.alias_or_name
    if not isinstance(relation.parent, exp.From | exp.Join) or not isinstance(select, exp.Select):
        return
    aliases = {each.alias for each in select.expressions if isinstance(each, exp.Alias)}
    for column in select.find_all(exp.Column):
        if (
            column.name in twice
            and column.parent_select is select
            and (
                (column.table and column.table == alias) or (not column.table and column.name not in aliases)
            )
        ):
            raise errors.error(
                2028, "42601", f"SQL compilation error:\nambiguous column name '{column.name}'"
            )


def named(node: exp.Expr) -> str:
    """Return the name in a call, in upper case; empty for another node."""
    while isinstance(node, exp.IgnoreNulls | exp.RespectNulls | exp.WithinGroup | exp.Order):
        node = node.this
    return str(node.name if isinstance(node, exp.Anonymous) else node.meta.get("called", "")).upper()


def _is_whole(window: exp.Window) -> bool:
    """Return whether the frame of a window is always the whole partition."""
    spec = window.args.get("spec")
    return spec is not None and [
        spec.args.get(key) for key in ("start", "start_side", "end", "end_side")
    ] == [
        "UNBOUNDED",
        "PRECEDING",
        "UNBOUNDED",
        "FOLLOWING",
    ]


def _check_window(window: exp.Window) -> None:
    name, order = named(window.this), window.args.get("order")
    clause = window.find_ancestor(exp.Where, exp.Group, exp.Having, exp.Query)
    if isinstance(clause, exp.Where | exp.Group | exp.Having):
        raise errors.compilation(
            f"Window function [{window.sql(dialect='snowflake')}] appears outside of SELECT, QUALIFY, "
            "and ORDER BY clauses."
        )
    if name in _ORDERED and order is None:
        raise errors.compilation(f"Window function type [{name}] requires ORDER BY in window specification.")
    framed = window.args.get("spec") is not None
    sliding = (order is not None or framed) and not _is_whole(window)
    if (name in _UNORDERED and sliding) or (name in _UNFRAMED and framed):
        raise errors.error(
            2303, "0A000", f"SQL compilation error:\nSliding window frame unsupported for function {name}"
        )
    distinct = window.this.find(exp.Distinct)
    if order is not None and distinct is not None and (name != "COUNT" or len(distinct.expressions) > 1):
        raise errors.error(
            2079,
            "42601",
            "SQL compilation error:\ndistinct cannot be used with a window frame or an order.",
        )


def _is_aggregate(node: exp.Expr) -> bool:
    return (
        isinstance(node, exp.AggFunc)
        and not isinstance(node, _NO_AGGREGATES)
        and not _under_window(node)
        and "called" in node.meta
    )


def _under_window(node: exp.Expr) -> bool:
    parent = node.parent
    while isinstance(parent, exp.IgnoreNulls | exp.RespectNulls | exp.WithinGroup):
        parent = parent.parent
    return isinstance(parent, exp.Window)


def _check_aggregate(node: exp.Expr) -> None:
    """Refuse an aggregate in WHERE or inside another aggregate."""
    if not _is_aggregate(node):
        return
    parent = node.parent
    while parent is not None and not isinstance(parent, exp.Query):
        if isinstance(parent, exp.Where):
            query = parent.parent
            if named(node).startswith("GROUPING") and query is not None and not query.args.get("group"):
                raise errors.compilation("GROUPING function without a GROUP BY clause")
            raise errors.error(
                2035,
                "42601",
                f"SQL compilation error:\nInvalid aggregate function in where clause [{node.sql(dialect='snowflake')}]",
            )
        if _is_aggregate(parent):
            raise errors.error(
                2036,
                "42601",
                f"SQL compilation error:\nAggregate functions cannot be nested: [{node.sql(dialect='snowflake')}] nested in "
                f"[{parent.sql(dialect='snowflake')}]",
            )
        parent = parent.parent


def _check_limit(node: exp.Expr) -> None:
    """Refuse a row count that is not a constant. An empty text means no limit, as NULL does.

    https://docs.snowflake.com/en/sql-reference/constructs/limit
    """
    value = node.args.get("count") if isinstance(node, exp.Fetch) else node.expression
    if value is None or isinstance(value, exp.Null | exp.Placeholder | exp.Parameter):
        return
    if (
        isinstance(value, exp.Literal | exp.RawString)
        and value.name == ""
        and not isinstance(node, exp.Fetch)
    ):
        value.replace(exp.Null())
        return
    if not isinstance(value, exp.Literal) or (value.is_string and value.name) or "." in value.name:
        raise errors.error(
            1003,
            "42000",
            "SQL compilation error:\nsyntax error unexpected "
            f"'{value.sql(dialect='snowflake')}': a row count must be a constant that is not negative.",
        )


def _check_positions(select: exp.Select) -> None:
    """Refuse a position in ORDER BY or GROUP BY that the SELECT list does not have."""
    if any(output.is_star for output in select.expressions):
        return
    if select.args.get("distinct") is not None:
        _check_distinct(select)
    order, group = select.args.get("order"), select.args.get("group")
    keys = [(key.this, "ORDER BY") for key in (order.expressions if order is not None else [])]
    keys += [(key, "GROUP BY") for key in (group.expressions if group is not None else [])]
    for key, clause in keys:
        if isinstance(key, exp.Literal) and key.is_int and not 1 <= int(key.name) <= len(select.expressions):
            raise errors.error(
                1003, "42000", f"SQL compilation error:\ninvalid {clause} position [{key.name}]"
            )


def _check_distinct(select: exp.Select) -> None:
    """Refuse a column in ORDER BY that SELECT DISTINCT does not return."""
    order = select.args.get("order")
    returned = {output.unnest().alias_or_name.upper() for output in select.expressions}
    written = {output.unalias().unnest().sql(dialect="snowflake").upper() for output in select.expressions}
    for key in order.expressions if order is not None else []:
        if isinstance(key.this, exp.Column) and key.this.name.upper() not in returned | {"ALL"}:
            text = key.this.sql(dialect="snowflake").upper()
            if text not in written:
                raise errors.error(
                    976, "42601", f"SQL compilation error:\n[{text}] is not a valid order by expression"
                )


def _columns(query: exp.Expr) -> int | None:
    """Return the number of columns of a query; None if it has a star."""
    while isinstance(query, exp.Subquery | exp.SetOperation):
        query = query.this
    if not isinstance(query, exp.Select) or any(output.is_star for output in query.expressions):
        return None
    return len(query.expressions)


def _check_branches(union: exp.SetOperation) -> None:
    if union.args.get("by_name"):
        return
    left, right = _columns(union.this), _columns(union.expression)
    if left is not None and right is not None and left != right:
        raise errors.error(
            1789,
            "42601",
            "SQL compilation error:\ninvalid number of result columns for set operator input branches, "
            f"expected {left}, got {right} in branch {{2}}",
        )


def _check_correlation(node: exp.Subquery) -> None:
    """Refuse a correlated scalar subquery that does not aggregate, or that has a LIMIT.

    https://docs.snowflake.com/en/user-guide/querying-subqueries
    """
    query = node.this
    if isinstance(
        node.parent,
        exp.From
        | exp.Join
        | exp.Lateral
        | exp.In
        | exp.Any
        | exp.All
        | exp.Exists
        | exp.Subquery
        | exp.SetOperation,
    ):
        return
    if not isinstance(query, exp.Select) or query.args.get("from_") is None or not _is_correlated(query):
        return
    aggregated = any(
        _is_aggregate(found) for output in query.expressions for found in output.find_all(exp.AggFunc)
    )
    if not aggregated or query.args.get("group") is not None or query.args.get("limit") is not None:
        raise errors.error(
            2031, "42601", "SQL compilation error:\nUnsupported subquery type cannot be evaluated"
        )


def _is_correlated(query: exp.Select) -> bool:
    """Return whether a query refers to a relation of the query around it, by its name."""
    own = {table.alias_or_name.upper() for table in query.find_all(exp.Table, exp.Subquery, exp.Lateral)}
    own |= {values.alias_or_name.upper() for values in query.find_all(exp.Values, exp.TableFromRows)}
    outer: set[str] = set()
    around = query.parent_select
    while around is not None:
        for source in (around.args.get("from_"), *(around.args.get("joins") or [])):
            if source is not None:
                outer.add(source.this.alias_or_name.upper())
        around = around.parent_select
    outer -= {"", *own}  # a relation without a name cannot be referred to
    return any(column.table.upper() in outer for column in query.find_all(exp.Column))


def _check_values(values: exp.Values) -> None:
    for node in values.walk():
        name = named(node)
        if name in _NOT_IN_VALUES or (isinstance(node, exp.Struct | exp.Array) and not name):
            raise errors.error(
                2014,
                "22000",
                f"SQL compilation error:\nInvalid expression [{node.sql(dialect='snowflake')}] in VALUES clause",
            )


def check_names(query: exp.Expr) -> None:
    """Refuse the query of a table or view that has a column without a name.

    Raises:
        ProgrammingError: an expression has no alias.
    """
    while isinstance(query, exp.Subquery | exp.SetOperation):
        query = query.this
    for output in query.expressions if isinstance(query, exp.Select) else []:
        if (
            not isinstance(output, exp.Alias | exp.Aliases | exp.Column | exp.Star | exp.Dot)
            and not output.is_star
        ):
            raise errors.error(2022, "42601", "SQL compilation error:\nMissing column specification")

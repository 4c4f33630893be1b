"""Reject the syntax that sqlglot parses and Snowflake does not have.

sqlglot reads the union of many dialects. This module lists the nodes that a Snowflake statement can have, with
the parts of each. A node or a part that is not listed is a syntax error, or refused by name where Snowflake
has it. Calls are left to ``translate/guard.py``, which knows the functions by name.
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.syntax.trees import nodes

_QUERY = "with_ joins laterals pivots order limit offset"

# The nodes of Snowflake's statements, each with the parts that it can have.
_PARTS: dict[type[exp.Expr], frozenset[str]] = {
    of: frozenset(parts.split())
    for of, parts in {
        # Queries
        exp.Select: f"{_QUERY} expressions distinct from_ where group having qualify connect match sample hint",
        exp.Subquery: f"{_QUERY} this alias match sample",
        exp.Union: f"{_QUERY} this expression distinct by_name",
        exp.Except: f"{_QUERY} this expression distinct",
        exp.Intersect: f"{_QUERY} this expression distinct",
        exp.With: "expressions recursive",
        exp.CTE: "this alias",
        exp.From: "this",
        exp.Where: "this",
        exp.Having: "this",
        exp.Qualify: "this",
        exp.Connect: "start connect nocycle",
        exp.Prior: "this",
        exp.Group: "expressions grouping_sets cube rollup all",
        exp.Cube: "expressions",
        exp.Rollup: "expressions",
        exp.GroupingSets: "expressions",
        exp.Order: "this expressions",
        exp.Ordered: "this desc nulls_first",
        exp.Limit: "this expression limit_options",
        exp.Fetch: "direction count limit_options",
        exp.LimitOptions: "rows",
        exp.Offset: "this expression",
        exp.Distinct: "expressions",
        exp.Star: "except_ replace rename ilike",
        exp.Hint: "expressions",
        # Relations
        exp.Table: "this alias db catalog joins laterals pivots when changes sample pattern format",
        exp.TableAlias: "this columns",
        exp.TableFromRows: "this alias joins pivots sample",
        exp.TableSample: "method percent size seed",
        exp.Values: "expressions alias",
        exp.Lateral: "this alias outer",
        exp.Join: "this on side kind using method match_condition directed pivots",
        exp.Pivot: "alias expressions fields unpivot columns include_nulls default_on_null identify_pivot_strings "
        "prefixed_pivot_columns pivot_column_naming value_columns_first",
        exp.PivotAlias: "this alias",
        exp.PivotAny: "this",
        exp.MatchRecognize: "partition_by order measures rows after pattern define alias",
        exp.MatchRecognizeMeasure: "this window_frame",
        exp.HistoricalData: "this kind expression",
        exp.Changes: "information at_before end",
        exp.DirectoryStage: "this",
        # Statements that change rows
        exp.Insert: "with_ this expression overwrite",
        exp.MultitableInserts: "kind expressions source",
        exp.ConditionalInsert: "this expression else_",
        exp.Update: "with_ this expressions from_ where",
        exp.Delete: "with_ this using where",
        exp.Merge: "with_ this using on whens",
        exp.Whens: "expressions",
        exp.When: "matched condition then",
        exp.Schema: "this expressions",
        # Expressions
        exp.Column: "this table db catalog join_mark",
        exp.Identifier: "this quoted",
        exp.Dot: "this expression",
        exp.Literal: "this is_string",
        exp.HexString: "this",
        exp.RawString: "this",
        exp.National: "this",
        exp.Boolean: "this",
        exp.Null: "",
        exp.Var: "this",
        exp.Parameter: "this",
        exp.Placeholder: "this",
        exp.Alias: "this alias",
        exp.Paren: "this",
        exp.Tuple: "expressions",
        exp.Add: "this expression",
        exp.Sub: "this expression",
        exp.Mul: "this expression",
        exp.Div: "this expression",
        exp.Mod: "this expression",
        exp.Neg: "this",
        exp.DPipe: "this expression safe",
        exp.Not: "this",
        exp.And: "this expression",
        exp.Or: "this expression",
        exp.EQ: "this expression",
        exp.NEQ: "this expression",
        exp.GT: "this expression",
        exp.GTE: "this expression",
        exp.LT: "this expression",
        exp.LTE: "this expression",
        exp.NullSafeEQ: "this expression",
        exp.NullSafeNEQ: "this expression",
        exp.Is: "this expression",
        exp.Between: "this low high",
        exp.In: "this expressions query field",
        exp.Like: "this expression",
        exp.ILike: "this expression",
        exp.RegexpLike: "this expression flag full_match",
        exp.Escape: "this expression",
        exp.Any: "this",
        exp.All: "this",
        exp.Exists: "this",
        exp.Case: "this ifs default",
        exp.If: "this true false",
        exp.Cast: "this to",
        exp.TryCast: "this to requires_string",
        exp.DataType: "this expressions nested nullable",
        exp.DataTypeParam: "this expression",
        exp.ColumnDef: "this kind",
        exp.Interval: "this unit",
        exp.IntervalSpan: "this expression",
        exp.Collate: "this expression",
        exp.Array: "expressions",
        exp.Struct: "expressions",
        exp.PropertyEQ: "this expression",
        exp.Bracket: "this expressions",
        exp.JSONExtract: "this expression variant_extract requires_json",
        exp.JSONPath: "expressions",
        exp.JSONPathRoot: "",
        exp.JSONPathKey: "this quoted",
        exp.JSONPathSubscript: "this",
        exp.JSONKeyValue: "this expression",
        exp.Lambda: "this expressions",
        exp.Kwarg: "this expression",
        exp.Window: "this partition_by order spec over",
        exp.WindowSpec: "kind start start_side end end_side",
        exp.WithinGroup: "this expression",
        exp.IgnoreNulls: "this",
        exp.RespectNulls: "this",
        exp.DynamicIdentifier: "this",
        exp.ModelAttribute: "this expression",
        # Read from a call by our parser
        exp.StrToTime: "this format target_type safe",
        exp.TsOrDsToDate: "this format safe",
        exp.TsOrDsToTime: "this format safe",
    }.items()
}

# What Snowflake has and no rule serves: nodes, and parts of nodes.
_REFUSED: dict[type[exp.Expr] | tuple[type[exp.Expr], str], str] = {
    exp.SemanticView: "SEMANTIC_VIEW",
    exp.Lock: "SELECT ... FOR UPDATE",
    (exp.Select, "locks"): "SELECT ... FOR UPDATE",
    exp.XMLElement: "XML",
    (exp.With, "udfs"): "WITH FUNCTION",
    (exp.Cast, "format"): "CAST with a format",
    (exp.DataType, "kind"): "a structured type",
    (exp.ColumnDef, "constraints"): "NOT NULL in a structured type",
    exp.NotNullColumnConstraint: "NOT NULL in a structured type",
}

# How the parts and nodes that Snowflake does not have are written.
_WRITTEN = {
    "by_name": "BY",
    "bitwiseleftshift": "<<",
    "bitwiserightshift": ">>",
    "cross_apply": "APPLY",
    "expressions": "BY",
    "filter": "FILTER",
    "intdiv": "DIV",
    "this": "PIVOT",
    "with_ties": "WITH",
}


# https://docs.snowflake.com/en/sql-reference/reserved-keywords
_RESERVED = frozenset(
    {
        *("ALTER", "AND", "ANY", "AS", "BETWEEN", "BY", "CHECK", "COLUMN", "CONNECT"),
        *("CREATE", "CURRENT", "DELETE", "DISTINCT", "DROP", "ELSE", "EXISTS", "FOLLOWING", "FOR"),
        *("FROM", "GRANT", "GROUP", "HAVING", "ILIKE", "IN", "INCREMENT", "INSERT", "INTERSECT"),
        *("INTO", "IS", "LIKE", "MINUS", "NOT", "NULL", "OF", "ON", "OR"),
        *("ORDER", "QUALIFY", "REGEXP", "REVOKE", "RLIKE", "SAMPLE", "SELECT", "SET", "SOME"),
        *("START", "TABLE", "TABLESAMPLE", "THEN", "TO", "TRIGGER", "UNION", "UNIQUE", "UPDATE"),
        *("VALUES", "WHENEVER", "WHERE", "WINDOW", "WITH"),
    }
)
_NOT_OF_TABLES = frozenset({"CROSS", "FULL", "INNER", "JOIN", "LATERAL", "LEFT", "NATURAL", "RIGHT", "USING"})


def check_clauses(tree: exp.Expr) -> None:
    """Refuse the parts of a parsed statement that Snowflake does not have.

    Raises:
        ProgrammingError: it is not Snowflake's syntax.
        UnsupportedError: Snowflake has it, and no rule serves it.
    """
    if isinstance(tree, exp.Values):
        raise errors.UnsupportedError("VALUES as a statement", "Use SELECT * FROM VALUES")
    for node in nodes(tree, exp.Expr):
        of = type(node)
        if of in _REFUSED:
            raise errors.UnsupportedError(_REFUSED[of])
        parts = _PARTS.get(of)
        if parts is None:
            if "called" in node.meta or isinstance(node, exp.Anonymous | exp.Property | exp.Properties):
                continue
            raise _unexpected(node)
        for part, value in node.args.items():
            if part not in parts and value not in (None, False, []):
                if (of, part) in _REFUSED:
                    raise errors.UnsupportedError(_REFUSED[of, part])
                if "called" not in node.meta:
                    raise _unexpected(node, part)
        _check_values(node)


# The nodes that can have a list in parentheses.
_LISTS = (
    exp.In,
    exp.Values,
    exp.Insert,
    exp.ConditionalInsert,
    exp.Any,
    exp.All,
    exp.Group,
    exp.GroupingSets,
    exp.Cube,
    exp.Rollup,
    exp.Array,
    exp.Lambda,
    exp.Paren,
)


def _check_values(node: exp.Expr) -> None:
    """Refuse values of parts, and positions of nodes, that only other dialects have."""
    match node:
        case exp.Join():
            if node.kind not in ("", "INNER", "CROSS", "OUTER") or node.method not in ("", "NATURAL", "ASOF"):
                raise _unexpected(node, node.kind or node.method)
        case exp.In() if node.args.get("field") is not None:
            if not (isinstance(node.parent, exp.Anonymous) and node.parent.name.upper() == "POSITION"):
                raise _unexpected(node, node.args["field"].name or "IN")
        case exp.Cube() | exp.Rollup() if not node.expressions:
            raise _unexpected(node, ")")
        case exp.Group() if not any(node.args.values()):
            raise _unexpected(node, "GROUP BY")
        case exp.Update() if not node.expressions and not isinstance(node.parent, exp.When):
            raise _unexpected(node, "SET")
        case exp.WindowSpec() if node.args.get("kind") not in ("ROWS", "RANGE"):
            raise _unexpected(node, str(node.args.get("kind")))
        case exp.JSONExtract() if "called" not in node.meta and not node.args.get("variant_extract"):
            raise _unexpected(node, "->")
        case exp.Struct() if "called" not in node.meta:
            for field in node.expressions:
                if not (isinstance(field, exp.PropertyEQ) and field.this.is_string) and not field.is_star:
                    raise _unexpected(node, field.name or "{")
        case exp.Identifier() if isinstance(node.parent, exp.Pivot):
            pass  # the parser names the columns of a PIVOT after its values, such as NULL
        case exp.Identifier() if not node.args.get("quoted"):
            of_table = isinstance(node.parent, exp.Table | exp.TableAlias) and node.arg_key == "this"
            if node.name.upper() in _RESERVED or (of_table and node.name.upper() in _NOT_OF_TABLES):
                raise _unexpected(node, node.name)
        case exp.DataType() if node.this == exp.DType.DECIMAL:
            check_precision(node)
        case exp.DataType() if node.this == exp.DType.STRUCT:
            raise _unexpected(node, "STRUCT")
        case exp.Tuple() if isinstance(node.parent, exp.EQ | exp.NEQ | exp.GT | exp.GTE | exp.LT | exp.LTE):
            raise errors.UnsupportedError("comparisons of lists", "Compare the columns one by one")
        case exp.Tuple() if not isinstance(node.parent, _LISTS) and not _is_searched(node):
            raise _unexpected(node, "(")
        case exp.Star() if isinstance(node.parent, exp.Binary | exp.Predicate) and not isinstance(
            node.parent, exp.Dot
        ):
            raise _unexpected(node, node.parent.key)


def _is_searched(node: exp.Expr) -> bool:
    """Return whether a list of columns is the first argument of SEARCH or SEARCH_IP."""
    call = node.parent
    return (
        isinstance(call, exp.Anonymous)
        and call.name.upper() in ("SEARCH", "SEARCH_IP")
        and call.expressions[0] is node
    )


def check_definitions(tree: exp.Expr) -> None:
    """Check the names and types of the columns that a CREATE TABLE defines.

    Raises:
        ProgrammingError: a name is reserved, or a NUMBER has an invalid precision.
    """
    for column in nodes(tree, exp.ColumnDef):
        name = column.this
        if not name.args.get("quoted") and name.name.upper() in _RESERVED:
            raise _unexpected(name, name.name)
        if column.kind is not None and column.kind.this == exp.DType.DECIMAL:
            check_precision(column.kind)
        if column.kind is not None and column.kind.this in _LONGEST:
            check_length(column.kind)


# The most characters of a VARCHAR and bytes of a BINARY.
_LONGEST = {
    **dict.fromkeys((exp.DType.VARCHAR, exp.DType.TEXT, exp.DType.CHAR, exp.DType.NCHAR), 134_217_728),
    **dict.fromkeys((exp.DType.NVARCHAR,), 134_217_728),
    **dict.fromkeys((exp.DType.BINARY, exp.DType.VARBINARY), 67_108_864),
}


def check_length(type_: exp.DataType) -> None:
    """Refuse ``VARCHAR(0)`` and a length beyond the limit of the type.

    https://docs.snowflake.com/en/sql-reference/data-types-text

    Raises:
        ProgrammingError: the length is invalid.
    """
    for parameter in type_.expressions:
        most = _LONGEST[type_.this]
        if parameter.name.isdigit() and not 1 <= int(parameter.name) <= most:
            raise errors.syntax(f"invalid length '{parameter.name}' of a {type_.this.value}: 1 to {most}.")


def check_precision(type_: exp.DataType) -> None:
    """Refuse ``NUMBER(39, 0)`` and ``NUMBER(3, 4)``; ``NUMBER(0, 0)`` has 38 digits, as Snowpark's tests expect.

    Raises:
        ProgrammingError: the precision or the scale is invalid.
    """
    given = [int(parameter.name) for parameter in type_.expressions if parameter.name.isdigit()]
    if given in ([0], [0, 0]):
        type_.expressions[0].set("this", exp.Literal.number(38))
        return
    if given and not 1 <= given[0] <= 38:
        raise errors.syntax(f"invalid precision '{given[0]}' of a NUMBER, which has 1 to 38 digits.")
    if len(given) > 1 and given[1] > given[0]:
        raise errors.syntax(f"invalid scale '{given[1]}' of a NUMBER with the precision {given[0]}.")


def _unexpected(node: exp.Expr, part: str = "") -> Exception:
    name = (part or node.key).strip("_")
    return errors.syntax(f"syntax error unexpected '{_WRITTEN.get(name, name.upper())}'.")

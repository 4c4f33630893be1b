"""Translate VARIANTs: their construction, and their use as text and in comparisons.

A VARIANT is stored as JSON, whose text and order differ from Snowflake's: ``"a"`` has quotes, and 10 sorts
before 9. An argument of a text function is converted to its text; a comparison is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

import fakesnow.transforms as fakesnow
from sqlglot import exp

from snowpipe_ml.local.catalog.columns import stored_columns
from snowpipe_ml.local.core.errors import UnsupportedError, error, syntax
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.casts import as_text, builtin, macro, may_be_variant, text_of
from snowpipe_ml.local.translate.registry import same_in_duckdb
from snowpipe_ml.local.translate.types import TEXTS, TIMESTAMPS, VARIANTS, T, column_types, kind, outputs

_CAST_IT = "Add a cast, as in v::STRING"


# Nodes that can produce a VARIANT; a function without a sqlglot class may be user-defined.
_SOURCES = (
    exp.ParseJSON,
    exp.JSONExtract,
    exp.JSONExtractScalar,
    exp.ToVariant,
    exp.Struct,
    exp.StarMap,
    exp.JSONObject,
    exp.ObjectAgg,
    exp.GetExtract,
    exp.Bracket,
    exp.Anonymous,
)


def has_variants(tree: exp.Expr, session: Session) -> bool:
    """Return whether a statement can contain a VARIANT; if not, the rules for VARIANTs are skipped."""
    if any(node.this in VARIANTS for node in tree.find_all(exp.DataType)) or tree.find(*_SOURCES) is not None:
        return True
    return any(
        stored == "JSON"
        for table in tree.find_all(exp.Table)
        if table.meta.get("resolved")
        for _, stored in column_types(table, session)
    )


def parse_json(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate PARSE_JSON, which accepts unquoted keys: ``PARSE_JSON('{a: 1}')``."""
    if node.args.get("safe"):
        return node
    return macro("sf_parse_json", node.this.copy())


def to_variant(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``TO_VARIANT(x)``."""
    return _json(node.this)


def star_object(node: exp.Expr) -> exp.Expr:
    """Translate ``OBJECT_CONSTRUCT(*)`` and ``OBJECT_CONSTRUCT_KEEP_NULL(*)``."""
    if isinstance(node, exp.StarMap) or (
        isinstance(node, exp.JSONObject) and node.expressions[:1] and _is_star(node.expressions[0])
    ):
        replaced: exp.Expr = fakesnow.object_construct(node)
        return replaced
    return node


def _is_star(node: exp.Expr) -> bool:
    return isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star))


def object_construct(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``{'a': 1}``, ``OBJECT_CONSTRUCT('a', 1)`` and ``OBJECT_CONSTRUCT_KEEP_NULL('a', 1)``."""
    keep_nulls = isinstance(node, exp.JSONObject)
    if any(_is_star(pair) for pair in node.expressions):
        raise UnsupportedError("an object constant with *", "Use OBJECT_CONSTRUCT(*)")
    keys = [_key(pair.this) for pair in node.expressions]
    values = [pair.expression for pair in node.expressions]
    names = [key.name for key in keys if key.is_string]
    for name in names:
        if names.count(name) > 1:
            raise syntax(f"Duplicate field key '{name}'")
    made: exp.Expr
    if len(names) == len(keys) and (keep_nulls or all(isinstance(value, exp.Literal) for value in values)):
        made = builtin(
            "json_object", *(part for pair in zip(keys, map(_json, values), strict=True) for part in pair)
        )
    else:
        made = macro(
            "sf_object", _list(keys), _list([_json(value) for value in values]), exp.Boolean(this=keep_nulls)
        )
    made.type = exp.DataType(this=T.JSON)
    return made


def _key(key: exp.Expr) -> exp.Expr:
    if isinstance(key, exp.Identifier):  # OBJECT_CONSTRUCT(k, v) with a column as key
        key = exp.column(key.copy())
    return key.copy() if key.is_string or kind(key) in TEXTS else text_of(key)


def _json(value: exp.Expr) -> exp.Expr:
    """Convert a value to JSON; a timestamp by way of its text on Snowflake."""
    shown = as_text(value) if kind(value) in TIMESTAMPS else value
    made = builtin("to_json", shown.copy())
    made.type = exp.DataType(this=T.JSON)
    return made


def _list(items: list[exp.Expr]) -> exp.Expr:
    return builtin("list_value", *items)


# Functions whose arguments are only texts.
TEXT_FUNCTIONS: tuple[type[exp.Expr], ...] = (
    exp.Upper,
    exp.Lower,
    exp.Initcap,
    exp.Trim,
    exp.Like,
    exp.ILike,
    exp.RegexpLike,
    exp.RegexpReplace,
    exp.RegexpExtract,
    exp.RegexpCount,
    exp.RegexpInstr,
    exp.Replace,
    exp.StartsWith,
    exp.EndsWith,
    exp.Contains,
    exp.GroupConcat,
    exp.Split,
    exp.SplitPart,
    exp.StrPosition,
    exp.Translate,
    exp.Repeat,
    exp.Ascii,
    exp.Soundex,
    exp.Levenshtein,
    exp.Strtok,
    exp.Collate,
)
# Functions that also accept binary values.
BINARY_FUNCTIONS: tuple[type[exp.Expr], ...] = (
    exp.Length,
    exp.Substring,
    exp.Left,
    exp.Right,
    exp.Pad,
    exp.Reverse,
    exp.DPipe,
    exp.Concat,
    exp.ConcatWs,
    exp.Stuff,
    exp.MD5,
    exp.SHA,
    exp.SHA2,
    exp.Base64Encode,
    exp.Hex,
)


def text_function(node: exp.Expr, session: Session) -> exp.Expr:
    """Convert VARIANT arguments to text, as in ``UPPER(v)``, ``v || 'x'`` and ``LENGTH(v:name)``."""
    for part in list(node.iter_expressions()):
        inner = part.this if isinstance(part, exp.Order) else part  # LISTAGG(x) WITHIN GROUP (ORDER BY y)
        items = inner.expressions if isinstance(inner, exp.Distinct) else [inner]
        for item in items:
            _as_text_argument(item, isinstance(node, BINARY_FUNCTIONS))
    return node


def _as_text_argument(item: exp.Expr, may_be_binary: bool) -> None:
    found = kind(item)
    if isinstance(item.unnest(), exp.JSONExtract) or found in VARIANTS:
        item.replace(text_of(item))
    elif (
        found is None
        and may_be_variant(item.unnest())
        and not isinstance(item.unnest(), exp.JSONExtractScalar)
    ):
        item.replace(macro("sf_not_variant" if may_be_binary else "sf_text", item.copy()))


def check_stored(tree: exp.Expr, session: Session) -> None:
    """Refuse to store a VARIANT in a text column, as Snowflake does; DuckDB would store its JSON.

    Raises:
        ProgrammingError: the statement assigns a VARIANT to a text column.
    """
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if not isinstance(tree, exp.Insert | exp.Update | exp.Merge) or not isinstance(target, exp.Table):
        return
    kinds = {
        stored.name: stored.column.snowflake
        for stored in stored_columns(session, (target.catalog, target.db, target.name))
    }
    for name, value in _assigned(tree, list(kinds)):
        if value in VARIANTS and kinds.get(name, "").startswith("VARCHAR"):
            raise error(
                2023,
                "22000",
                "SQL compilation error:\nExpression type does not match column data type, expecting "
                f"{kinds[name]} but got VARIANT for column {name}",
            )


def _assigned(tree: exp.Expr, columns: list[str]) -> Iterator[tuple[str, exp.DType | None]]:
    """Yield (column, type of its new value) for the assignments of an INSERT, UPDATE or MERGE."""
    if isinstance(tree, exp.Insert):
        named = (
            [column.name for column in tree.this.expressions]
            if isinstance(tree.this, exp.Schema)
            else columns
        )
        yield from zip(named, (found for _, found in outputs(tree.expression)), strict=False)
    whens = tree.args["whens"].expressions if isinstance(tree, exp.Merge) else []
    for action in (tree, *(when.args["then"] for when in whens)):
        if isinstance(action, exp.Update):
            pairs = [(assignment.this, assignment.expression) for assignment in action.expressions]
        elif isinstance(action, exp.Insert) and isinstance(action.this, exp.Tuple):
            pairs = list(zip(action.this.expressions, action.expression.expressions, strict=False))
        else:
            continue
        yield from ((column.name, kind(value)) for column, value in pairs)


# Nodes that compare values, or combine values of different types.
COMPARISONS: tuple[type[exp.Expr], ...] = (
    exp.EQ,
    exp.NEQ,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    exp.NullSafeEQ,
    exp.Between,
    exp.In,
    exp.Min,
    exp.Max,
    exp.Ordered,
    exp.Group,
    exp.Window,
    exp.Distinct,
    exp.SetOperation,
    exp.Coalesce,
    exp.Greatest,
    exp.Least,
    exp.Nullif,
    exp.If,
    exp.Case,
)


def variant_path(node: exp.Expr, session: Session) -> exp.Expr:
    """Refuse an uncast ``v:path`` where its value is used: as JSON text, 9 would sort after 10."""
    parent = node.parent
    while isinstance(parent, exp.Paren):
        parent = parent.parent
    fine = (
        exp.Cast,
        exp.TryCast,
        exp.JSONExtract,
        exp.JSONExtractScalar,
        exp.Alias,
        exp.Select,
        exp.Is,
        exp.Anonymous,
        exp.Explode,
        exp.Kwarg,
        exp.ArraySize,
    )
    if not isinstance(parent, fine):
        raise UnsupportedError("an uncast path into a VARIANT here", "Add a cast, as in v:path::STRING")
    return node


def variant_comparison(node: exp.Expr, session: Session) -> exp.Expr:
    """Refuse comparisons of VARIANTs: Snowflake orders them by type, and here they are ordered by text."""
    where = _compared(node)
    if where is not None:
        raise UnsupportedError(f"{where} of a VARIANT", _CAST_IT)
    return node


def _compared(node: exp.Expr) -> str | None:
    """Return the name of the operation if a node compares a VARIANT, otherwise None."""
    if isinstance(node, exp.EQ) and isinstance(node.parent, exp.Update):
        return None  # an assignment
    match node:
        case exp.Ordered():
            return "ORDER BY" if _key_kind(node.this, node.parent) in VARIANTS else None
        case exp.Group():
            return "GROUP BY" if any(_key_kind(key, node) in VARIANTS for key in node.expressions) else None
        case exp.Window():
            return "PARTITION BY" if _any(node.args.get("partition_by") or []) else None
        case exp.Distinct():
            shown = outputs(node.parent) if isinstance(node.parent, exp.Select) else []
            return "DISTINCT" if _any(node.expressions) or VARIANTS & {found for _, found in shown} else None
        case exp.SetOperation():
            found = {found for side in (node.left, node.right) for _, found in outputs(side)}
            merged = not isinstance(node, exp.Union) or node.args.get("distinct")
            return node.key.upper() if merged and VARIANTS & found else None
        case exp.Coalesce():
            return "COALESCE" if _mixed([node.this, *node.expressions]) else None
        case exp.If():
            return "IFF" if _mixed([node.args.get("true"), node.args.get("false")]) else None
        case exp.Case():
            branches = [*(branch.args["true"] for branch in node.args["ifs"]), node.args.get("default")]
            return "CASE" if _mixed(branches) or _any([node.this] if node.this else []) else None
    name = node.sql_name() if isinstance(node, exp.Func) else "comparison"
    return name if _any(list(node.iter_expressions())) else None


def _mixed(values: list[exp.Expr | None]) -> bool:
    """Return whether VARIANTs are mixed with other types, which Snowflake would convert to VARIANT."""
    kinds = {kind(value) for value in values}
    return bool(kinds & VARIANTS and kinds - VARIANTS - {None})


def _any(nodes: list[exp.Expr]) -> bool:
    return any(kind(node) in VARIANTS for node in nodes)


def _key_kind(key: exp.Expr, clause: exp.Expr | None) -> exp.DType | None:
    """Return the type of a GROUP BY or ORDER BY key: an expression, a position or an alias of the SELECT."""
    select = clause.parent if clause is not None else None
    shown = outputs(select) if isinstance(select, exp.Select) else []
    if key.is_int:
        place = int(key.name) - 1
        return shown[place][1] if place < len(shown) else None
    found = kind(key)
    if found is None and isinstance(key, exp.Column) and not key.table:
        return next((output for name, output in shown if name == key.name), None)
    return found


same_in_duckdb(
    "CHECK_JSON",
    "GET",
    "GET_PATH",
    "IS_ARRAY",
    "IS_NULL_VALUE",
    "JSON_EXTRACT_PATH_TEXT",
    "OBJECT_CONSTRUCT",
    "OBJECT_CONSTRUCT_KEEP_NULL",
    "OBJECT_KEYS",
    "PARSE_JSON",
    "STRIP_NULL_VALUE",
    "STRTOK_TO_ARRAY",
    "TRY_PARSE_JSON",
    "TYPEOF",
)

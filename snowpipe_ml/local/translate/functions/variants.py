"""Functions of VARIANTs and OBJECTs: parsing, types, casts, and the parts of objects.

https://docs.snowflake.com/en/sql-reference/functions-semistructured
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.errors import TWIN, UnsupportedError, syntax
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.casts import cast
from snowpipe_ml.local.translate.conversions import text_of, variant_of
from snowpipe_ml.local.translate.expressions import builtin, macro, once, stored_cast
from snowpipe_ml.local.translate.paths import check_container, element, extract, json_path
from snowpipe_ml.local.translate.registry import same_in_duckdb, scalar_function
from snowpipe_ml.local.translate.signatures import Kind, check_count, converted, define
from snowpipe_ml.local.translate.stars import is_star, named_columns
from snowpipe_ml.local.translate.type_names import wrong_type
from snowpipe_ml.local.translate.types import MOMENTS, TEXTS, VARIANTS, T, kind

_NUMBERS = ("INTEGER", "DECIMAL", "DOUBLE")
_PREDICATES = {
    "IS_ARRAY": ("ARRAY",),
    "IS_BINARY": ("BINARY",),
    "IS_BOOLEAN": ("BOOLEAN",),
    "IS_CHAR": ("VARCHAR",),
    "IS_VARCHAR": ("VARCHAR",),
    "IS_DATE": ("DATE",),
    "IS_DATE_VALUE": ("DATE",),
    "IS_DECIMAL": ("INTEGER", "DECIMAL"),
    "IS_DOUBLE": _NUMBERS,
    "IS_REAL": _NUMBERS,
    "IS_INTEGER": ("INTEGER",),
    "IS_OBJECT": ("OBJECT",),
    "IS_TIME": ("TIME",),
    "IS_TIMESTAMP_LTZ": ("TIMESTAMP_LTZ",),
    "IS_TIMESTAMP_NTZ": ("TIMESTAMP_NTZ",),
    "IS_TIMESTAMP_TZ": ("TIMESTAMP_TZ",),
}
# For each AS_ function: the types of the values that it converts, and its result.
_CASTS: dict[str, tuple[tuple[str, ...], exp.DType]] = {
    "AS_ARRAY": (("ARRAY",), T.ARRAY),
    "AS_OBJECT": (("OBJECT",), T.OBJECT),
    "AS_BINARY": (("BINARY",), T.BINARY),
    "AS_BOOLEAN": (("BOOLEAN",), T.BOOLEAN),
    "AS_CHAR": (("VARCHAR",), T.VARCHAR),
    "AS_VARCHAR": (("VARCHAR",), T.VARCHAR),
    "AS_DATE": (("DATE",), T.DATE),
    "AS_DOUBLE": (_NUMBERS, T.DOUBLE),
    "AS_REAL": (_NUMBERS, T.DOUBLE),
    "AS_INTEGER": (("INTEGER", "DECIMAL"), T.BIGINT),
    "AS_TIME": (("TIME",), T.TIME),
    "AS_TIMESTAMP_LTZ": (("TIMESTAMP_LTZ",), T.TIMESTAMPLTZ),
    "AS_TIMESTAMP_NTZ": (("TIMESTAMP_NTZ",), T.TIMESTAMPNTZ),
    "AS_TIMESTAMP_TZ": (("TIMESTAMP_TZ",), T.TIMESTAMPTZ),
}


def typed(node: exp.Expr, of: exp.DType) -> exp.Expr:
    """Set the type of an expression, and return it."""
    node.type = exp.DataType(this=of)
    return node


def _texts(*items: str) -> exp.Expr:
    return builtin("list_value", *(exp.Literal.string(item) for item in items))


@scalar_function("PARSE_JSON", "TRY_PARSE_JSON", returns=T.VARIANT)
def parse_json(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``PARSE_JSON(x [, 'd'])``; with 'd', the last of several equal keys is kept."""
    check_count(call, 1, 2)
    given = call.expressions
    mode = given[1].name.lower() if len(given) > 1 and given[1].is_string else ""
    if len(given) > 1 and mode not in ("d", "s"):
        raise UnsupportedError(f"{call.name.upper()} with a second argument other than 'd' and 's'")
    name = f"sf_{call.name.lower()}{'_last' if mode == 'd' else ''}"
    return typed(once(name, converted(given[0], Kind.TEXT)), T.VARIANT)


for _name, _macro, _takes, _returns in (
    ("CHECK_JSON", "sf_check_json", (Kind.TEXT,), T.VARCHAR),
    ("TYPEOF", "sf_typeof", (Kind.VARIANT,), T.VARCHAR),
    ("IS_NULL_VALUE", "sf_is_null_value", (Kind.VARIANT,), T.BOOLEAN),
    ("STRIP_NULL_VALUE", "sf_strip_null_value", (Kind.VARIANT,), T.VARIANT),
    ("TO_JSON", "sf_to_json", (Kind.VARIANT,), T.VARCHAR),
    ("TO_OBJECT", "sf_to_object", (Kind.VARIANT,), T.OBJECT),
    ("TO_ARRAY", "sf_to_array", (Kind.VARIANT,), T.ARRAY),
    ("OBJECT_KEYS", "sf_object_keys", (Kind.VARIANT,), T.ARRAY),
    ("GET_IGNORE_CASE", "sf_field_ignoring_case", (Kind.VARIANT, Kind.TEXT), T.VARIANT),
):
    define(_name, to=_macro, takes=_takes, returns=_returns)
define(
    "OBJECT_INSERT",
    to="sf_object_insert",
    takes=(Kind.VARIANT, Kind.TEXT, Kind.VARIANT),
    optional=(Kind.BOOLEAN,),
    defaults=("false",),
    returns=T.OBJECT,
)


@scalar_function("TO_VARIANT", returns=T.VARIANT)
def to_variant(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``TO_VARIANT(x)``."""
    check_count(call, 1, 1)
    return variant_of(call.expressions[0])


@scalar_function(*_PREDICATES, returns=T.BOOLEAN)
def is_type(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate the type predicates, as ``IS_INTEGER(v)``."""
    check_count(call, 1, 1)
    check_variant(call)
    kinds = _texts(*_PREDICATES[call.name.upper()])
    return typed(once("sf_is", variant_of(call.expressions[0]), kinds), T.BOOLEAN)


def check_variant(call: exp.Expr) -> None:
    """Refuse an argument that is known to be no VARIANT.

    https://docs.snowflake.com/en/sql-reference/functions/is

    Raises:
        ProgrammingError: the argument has another type.
    """
    found = kind(call.expressions[0])
    if found is not None and found not in VARIANTS:
        raise wrong_type(call.name.upper(), call.expressions[0])


def _as_type(name: str) -> None:
    kinds, of = _CASTS[name]

    @scalar_function(name, returns=of)
    def as_type(call: exp.Expr, session: Session) -> exp.Expr:
        check_count(call, 1, 1)
        check_variant(call)
        value = variant_of(call.expressions[0])
        if of in VARIANTS:
            return typed(once("sf_as_json", value, _texts(*kinds)), of)
        text = typed(once("sf_as_clock" if of in MOMENTS else "sf_as", value, _texts(*kinds)), T.VARCHAR)
        return text if of in TEXTS else _cast_to(text, exp.DataType(this=of), session)


for _name in _CASTS:
    _as_type(_name)


def _cast_to(node: exp.Expr, to: exp.DataType, session: Session) -> exp.Expr:
    made = cast(exp.Cast(this=node, to=to.copy()), session)
    if made.type is None and not isinstance(made, exp.Cast):
        made.type = to.copy()
    return made


def _decimal_type(arguments: list[exp.Expr]) -> exp.DataType:
    precision = arguments[1].name if len(arguments) > 1 and arguments[1].is_int else "38"
    scale = arguments[2].name if len(arguments) > 2 and arguments[2].is_int else "0"
    return exp.DataType.build(f"DECIMAL({precision}, {scale})", dialect="snowflake")


@scalar_function("AS_DECIMAL", "AS_NUMBER", returns=_decimal_type)
def as_decimal(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``AS_DECIMAL(v [, precision [, scale]])``."""
    check_count(call, 1, 3)
    if not all(argument.is_int for argument in call.expressions[1:]):
        raise UnsupportedError(f"{call.name.upper()} with a precision or scale that is not a constant")
    value = typed(once("sf_as", variant_of(call.expressions[0]), _texts("INTEGER", "DECIMAL")), T.VARCHAR)
    return _cast_to(value, _decimal_type(call.expressions), session)


@scalar_function("GET", returns=T.VARIANT)
def get(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``GET(v, 'key')`` and ``GET(v, position)``."""
    check_count(call, 2, 2)
    check_container(*call.expressions)
    return element(variant_of(call.expressions[0]), call.expressions[1])


@scalar_function("GET_PATH", returns=T.VARIANT)
def get_path(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``GET_PATH(v, 'a.b[0]')``."""
    check_count(call, 2, 2)
    value, path = call.expressions
    check_container(value, path, "GET_PATH")
    if not path.is_string:
        return typed(once("sf_get_path", variant_of(value), converted(path, Kind.TEXT)), T.VARIANT)
    return extract(variant_of(value), json_path(path))


@scalar_function("JSON_EXTRACT_PATH_TEXT", returns=T.VARCHAR)
def json_extract_path_text(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``JSON_EXTRACT_PATH_TEXT('{...}', 'a.b')``."""
    check_count(call, 2, 2)
    value = typed(macro("sf_parse_json", converted(call.expressions[0], Kind.TEXT)), T.VARIANT)
    return text_of(
        get_path(exp.Anonymous(this="GET_PATH", expressions=[value, call.expressions[1]]), session)
    )


@scalar_function("OBJECT_DELETE", returns=T.OBJECT)
def object_delete(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``OBJECT_DELETE(o, 'key', ...)``."""
    check_count(call, 2, None)
    keys = builtin("list_value", *(converted(key, Kind.TEXT) for key in call.expressions[1:]))
    return typed(once("sf_object_without", variant_of(call.expressions[0]), keys), T.OBJECT)


@scalar_function("OBJECT_PICK", returns=T.OBJECT)
def object_pick(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``OBJECT_PICK(o, 'key', ...)`` and ``OBJECT_PICK(o, array_of_keys)``."""
    check_count(call, 2, None)
    given = call.expressions[1:]
    if len(given) == 1 and kind(given[0]) in VARIANTS:
        keys = macro("sf_texts", variant_of(given[0]))
    else:
        keys = builtin("list_value", *(converted(key, Kind.TEXT) for key in given))
    return typed(once("sf_object_pick", variant_of(call.expressions[0]), keys), T.OBJECT)


def object_construct(node: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``{'a': 1}``, ``OBJECT_CONSTRUCT('a', 1)`` and ``OBJECT_CONSTRUCT_KEEP_NULL('a', 1)``."""
    keep_nulls = isinstance(node, exp.JSONObject)
    if (star := _star(node)) is not None:
        return _object_of_row(node, star, keep_nulls)
    keys = [_key(pair.this) for pair in node.expressions]
    values = [pair.expression for pair in node.expressions]
    names = [key.name for key in keys if key.is_string]
    for name in names:
        if names.count(name) > 1:
            raise syntax(f"Duplicate field key '{name}'")
    if not keys:
        return typed(stored_cast(exp.Literal.string("{}"), "JSON"), T.OBJECT)
    made: exp.Expr
    if len(names) == len(keys) and (keep_nulls or all(isinstance(value, exp.Literal) for value in values)):
        parts = [part for pair in zip(keys, map(variant_of, values), strict=True) for part in pair]
        made = builtin("json_object", *parts)
    else:
        made = once(
            "sf_object",
            builtin("list_value", *keys),
            builtin("list_value", *map(variant_of, values)),
            exp.Boolean(this=keep_nulls),
        )
    return typed(made, T.OBJECT)


def _star(node: exp.Expr) -> exp.Expr | None:
    """Return the star of ``OBJECT_CONSTRUCT(*)``, ``OBJECT_CONSTRUCT(t.* EXCLUDE c)`` and ``{*}``."""
    parts = [node.this] if isinstance(node, exp.StarMap) else node.expressions
    stars = [part for part in parts if is_star(part)]
    if stars and len(parts) > 1:
        raise syntax("a wildcard of an object cannot be combined with other keys")
    return stars[0] if stars else None


def _object_of_row(node: exp.Expr, star: exp.Expr, keep_nulls: bool) -> exp.Expr:
    columns = named_columns(node, star)
    keys: list[exp.Expr] = [exp.Literal.string(column.name.rstrip(TWIN)) for column in columns]
    values = [variant_of(column) for column in columns]
    if not keys:
        return typed(stored_cast(exp.Literal.string("{}"), "JSON"), T.OBJECT)
    lists = (builtin("list_value", *keys), builtin("list_value", *values))
    return typed(once("sf_object", *lists, exp.Boolean(this=keep_nulls)), T.OBJECT)


def _key(key: exp.Expr) -> exp.Expr:
    if isinstance(key, exp.Identifier):  # OBJECT_CONSTRUCT(k, v) with a column as key
        key = exp.column(key.copy())
    return key.copy() if key.is_string or kind(key) in TEXTS else text_of(key)


same_in_duckdb("OBJECT_CONSTRUCT", "OBJECT_CONSTRUCT_KEEP_NULL")

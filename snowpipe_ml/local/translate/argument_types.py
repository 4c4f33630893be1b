"""Check the types of arguments, as Snowflake does before it runs a statement.

A value is converted implicitly only where Snowflake does so: a text to a number, but no BOOLEAN, date, BINARY,
ARRAY or OBJECT; see https://docs.snowflake.com/en/sql-reference/data-type-conversion. Arguments whose types are
not known here pass.
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.syntax.trees import nodes
from snowpipe_ml.local.translate.number_types import chosen
from snowpipe_ml.local.translate.type_names import as_written, type_name, wrong_type
from snowpipe_ml.local.translate.types import (
    BINARIES,
    DECIMALS,
    FLOATS,
    INTEGERS,
    MOMENTS,
    TEXTS,
    T,
    kind,
)

_COLLECTIONS = frozenset({T.ARRAY, T.OBJECT, T.STRUCT, T.MAP})
_NO_NUMBERS = frozenset({T.BOOLEAN, *MOMENTS, *BINARIES, *_COLLECTIONS})
_NO_TEXTS = _COLLECTIONS
_NO_VARIANTS = frozenset({*TEXTS, *MOMENTS, *BINARIES})
_NO_COLLECTIONS = frozenset({T.BOOLEAN, *INTEGERS, *DECIMALS, *FLOATS, *_NO_VARIANTS})

# The types that the arguments of a function cannot have: those of the first, of the second, and so on; the last
# ones hold for all further arguments.
_REFUSED: dict[str, tuple[frozenset[exp.DType], ...]] = {
    **dict.fromkeys(
        (
            *("ABS", "CEIL", "FLOOR", "ROUND", "SIGN", "SQRT", "CBRT", "EXP", "FACTORIAL", "LN", "LOG"),
            *("MOD", "POW", "POWER", "SQUARE", "WIDTH_BUCKET", "DIV0", "DIV0NULL", "HAVERSINE"),
            *("ACOS", "ACOSH", "ASIN", "ASINH", "ATAN", "ATAN2", "ATANH", "COS", "COSH", "COT"),
            *("DEGREES", "RADIANS", "SIN", "SINH", "TAN", "TANH", "BOOLAND", "BOOLNOT", "BOOLOR", "BOOLXOR"),
            *(
                "SUM",
                "AVG",
                "MEDIAN",
                "KURTOSIS",
                "SKEW",
                "CORR",
                "COVAR_POP",
                "COVAR_SAMP",
                "APPROX_PERCENTILE",
            ),
            *("STDDEV", "STDDEV_POP", "STDDEV_SAMP", "VARIANCE", "VARIANCE_POP", "VARIANCE_SAMP"),
            *("VAR_POP", "VAR_SAMP", "REGR_AVGX", "REGR_AVGY", "REGR_COUNT", "REGR_INTERCEPT", "REGR_R2"),
            *(
                "REGR_SLOPE",
                "REGR_SXX",
                "REGR_SXY",
                "REGR_SYY",
                "RATIO_TO_REPORT",
                "ZEROIFNULL",
                "NULLIFZERO",
            ),
            *("BITMAP_BIT_POSITION", "BITMAP_BUCKET_NUMBER", "BITMAP_CONSTRUCT_AGG", "SPACE", "CHR", "CHAR"),
        ),
        (_NO_NUMBERS,),
    ),
    **dict.fromkeys(
        (
            *("BITANDAGG", "BITAND_AGG", "BITORAGG", "BITOR_AGG", "BITXORAGG", "BITXOR_AGG"),
            *("BIT_ANDAGG", "BIT_AND_AGG", "BIT_ORAGG", "BIT_OR_AGG", "BIT_XORAGG", "BIT_XOR_AGG"),
        ),
        (_NO_NUMBERS,),
    ),
    **dict.fromkeys(("TRUNC", "TRUNCATE"), (frozenset(_NO_NUMBERS - MOMENTS | {T.TIME}),)),
    **dict.fromkeys(
        ("BOOLAND_AGG", "BOOLOR_AGG", "BOOLXOR_AGG", "COUNT_IF"),
        (frozenset({*MOMENTS, *BINARIES, *_COLLECTIONS}),),
    ),
    **dict.fromkeys(
        (
            *("BIT_LENGTH", "CONTAINS", "ENDSWITH", "LEFT", "LEN", "LENGTH", "LPAD", "LTRIM", "OCTET_LENGTH"),
            *("REVERSE", "RIGHT", "RPAD", "RTRIM", "STARTSWITH", "SUBSTR", "SUBSTRING", "TRIM", "CHARINDEX"),
            *("BASE64_ENCODE", "HEX_ENCODE", "MD5", "SHA1", "SHA2"),
        ),
        (_NO_TEXTS,),
    ),
    **dict.fromkeys(
        (
            *(
                "ASCII",
                "EDITDISTANCE",
                "INITCAP",
                "JAROWINKLER_SIMILARITY",
                "LOWER",
                "PARSE_URL",
                "REGEXP_COUNT",
            ),
            *(
                "REGEXP_INSTR",
                "REGEXP_LIKE",
                "REGEXP_REPLACE",
                "REGEXP_SUBSTR",
                "REGEXP_SUBSTR_ALL",
                "REPEAT",
            ),
            *("REPLACE", "RLIKE", "RTRIMMED_LENGTH", "SOUNDEX", "SPLIT", "SPLIT_PART", "STRTOK"),
            *("STRTOK_TO_ARRAY", "TRANSLATE", "UNICODE", "UPPER"),
        ),
        (frozenset(_NO_TEXTS | BINARIES),),
    ),
    **dict.fromkeys(
        (
            *("ARRAYS_OVERLAP", "ARRAYS_TO_OBJECT", "ARRAYS_ZIP", "ARRAY_CAT", "ARRAY_EXCEPT"),
            *(
                "ARRAY_COMPACT",
                "ARRAY_DISTINCT",
                "ARRAY_FLATTEN",
                "ARRAY_INTERSECTION",
                "ARRAY_MAX",
                "ARRAY_MIN",
            ),
            *("ARRAY_REVERSE", "ARRAY_SIZE", "ARRAY_UNION_AGG", "OBJECT_KEYS", "MAP_KEYS", "MAP_SIZE"),
        ),
        (_NO_COLLECTIONS,),
    ),
    **dict.fromkeys(
        (
            *(
                "ARRAY_APPEND",
                "ARRAY_INSERT",
                "ARRAY_PREPEND",
                "ARRAY_REMOVE_AT",
                "ARRAY_SLICE",
                "ARRAY_SORT",
            ),
            *("ARRAY_TO_STRING", "OBJECT_DELETE", "OBJECT_INSERT", "OBJECT_PICK"),
        ),
        (_NO_COLLECTIONS, frozenset()),
    ),
    **dict.fromkeys(("ARRAY_CONTAINS", "ARRAY_POSITION"), (_NO_VARIANTS, _NO_COLLECTIONS)),
    **dict.fromkeys(("IS_NULL_VALUE", "STRIP_NULL_VALUE"), (_NO_VARIANTS,)),
    **dict.fromkeys(("AS_DECIMAL", "AS_NUMBER"), (_NO_VARIANTS, frozenset())),
}
_OPERATORS: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
}
_COMPARISONS: tuple[type[exp.Expr], ...] = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
_CHOICES: tuple[type[exp.Expr], ...] = (exp.Coalesce, exp.Case, exp.If, exp.Greatest, exp.Least)
_CLASSES = {
    "number": frozenset({*INTEGERS, *DECIMALS, *FLOATS}),
    "boolean": frozenset({T.BOOLEAN}),
    "date": frozenset({T.DATE}),
    "timestamp": frozenset(MOMENTS - {T.DATE, T.TIME}),
    "time": frozenset({T.TIME}),
    "binary": frozenset(BINARIES),
}
_COMPATIBLE = ({"number", "boolean"}, {"date", "timestamp"}, {"time", "timestamp"})


def check_argument_types(tree: exp.Expr) -> None:
    """Refuse calls with arguments of types that the functions do not take; their types are annotated.

    Raises:
        ProgrammingError: an argument has such a type.
    """
    for node in nodes(tree, exp.Func, exp.Neg, *_OPERATORS, *_COMPARISONS):
        if isinstance(node, exp.Func):
            _check_call(node)
        elif isinstance(node, exp.Neg):
            _check("-", [node.this], (_NO_NUMBERS,))
        elif type(node) in _OPERATORS:
            _check_operation(node)
        is_assignment = isinstance(node, exp.EQ) and isinstance(node.parent, exp.Update)
        if isinstance(node, (*_COMPARISONS, *_CHOICES)) and not is_assignment:
            _check_common(_chosen(node))


def _check_call(call: exp.Expr) -> None:
    if call.meta.get("ours"):
        return
    name = (call.name if isinstance(call, exp.Anonymous) else str(call.meta.get("called", ""))).upper()
    refused = _REFUSED.get(name)
    if refused is not None:
        _check(name, _arguments(call), refused)


def _check_operation(node: exp.Expr) -> None:
    """Check the operands of ``+``, ``-``, ``*``, ``/`` and ``%``: days can be added to and taken from a DATE."""
    given = [node.this, node.expression]
    kinds = [kind(operand) for operand in given]
    refused = _NO_NUMBERS
    if isinstance(node, exp.Add | exp.Sub):
        refused = _NO_NUMBERS - MOMENTS
        if isinstance(node, exp.Add) and None not in kinds and set(kinds) <= MOMENTS:
            refused = _NO_NUMBERS
    _check(_OPERATORS[type(node)], given, (refused,))


def _chosen(node: exp.Expr) -> list[exp.Expr]:
    """Return the values of a comparison or of COALESCE, CASE and the like, which must have a common type."""
    return [node.this, node.expression] if isinstance(node, exp.Binary) else chosen(node)


def _check_common(values: list[exp.Expr]) -> None:
    """Refuse values without a common type, such as a DATE and a number.

    Raises:
        ProgrammingError: two values have such types.
    """
    first: exp.Expr | None = None
    for value in values:
        found = _class(value)
        if found is None:
            continue
        if first is not None and {found, _class(first)} not in _COMPATIBLE and found != _class(first):
            raise errors.error(
                1065,
                "22023",
                "SQL compilation error:\nCan not convert parameter "
                f"'{as_written(value)}' of type [{type_name(value)}] into expected type "
                f"[{type_name(first)}]",
            )
        first = first if first is not None else value


def _class(value: exp.Expr) -> str | None:
    """Return the class of a value's type; None for texts, VARIANTs and unknown types, which are converted."""
    if isinstance(value.unnest(), exp.Null | exp.Interval):
        return None
    found = kind(value)
    for name, types in _CLASSES.items():
        if found in types:
            return name
    return None


def _arguments(call: exp.Expr) -> list[exp.Expr]:
    """Return the arguments of a call, also those below DISTINCT, in the order of the call."""
    if isinstance(call, exp.Anonymous):
        return list(call.expressions)
    if isinstance(call, exp.If):  # ZEROIFNULL and the like, of which sqlglot makes a condition
        return [value for value in (call.args.get("false"),) if value is not None]
    found: list[exp.Expr] = []
    for part in call.iter_expressions():
        found += part.expressions if isinstance(part, exp.Distinct) else [part]
    return found


def _check(name: str, given: list[exp.Expr], refused: tuple[frozenset[exp.DType], ...]) -> None:
    for i, argument in enumerate(given):
        if isinstance(argument.unnest(), exp.Null):
            continue
        if kind(argument) in refused[min(i, len(refused) - 1)]:
            raise wrong_type(name, *given)

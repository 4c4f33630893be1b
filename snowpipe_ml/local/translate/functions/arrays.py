"""Functions of arrays.

https://docs.snowflake.com/en/sql-reference/functions-semistructured
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.conversions import variant_of
from snowpipe_ml.local.translate.expressions import builtin, macro, once
from snowpipe_ml.local.translate.registry import scalar_function
from snowpipe_ml.local.translate.signatures import Kind, check_count, define
from snowpipe_ml.local.translate.stars import expand_stars
from snowpipe_ml.local.translate.types import T

_V, _I = Kind.VARIANT, Kind.INTEGER

for _name, _takes, _returns in (
    ("ARRAY_APPEND", (_V, _V), T.ARRAY),
    ("ARRAY_CAT", (_V, _V), T.ARRAY),
    ("ARRAY_COMPACT", (_V,), T.ARRAY),
    ("ARRAY_CONTAINS", (_V, _V), T.BOOLEAN),
    ("ARRAY_DISTINCT", (_V,), T.ARRAY),
    ("ARRAY_EXCEPT", (_V, _V), T.ARRAY),
    ("ARRAY_FLATTEN", (_V,), T.ARRAY),
    ("ARRAY_INSERT", (_V, _I, _V), T.ARRAY),
    ("ARRAY_INTERSECTION", (_V, _V), T.ARRAY),
    ("ARRAY_MAX", (_V,), T.VARIANT),
    ("ARRAY_MIN", (_V,), T.VARIANT),
    ("ARRAY_POSITION", (_V, _V), T.BIGINT),
    ("ARRAY_PREPEND", (_V, _V), T.ARRAY),
    ("ARRAY_REMOVE", (_V, _V), T.ARRAY),
    ("ARRAY_REMOVE_AT", (_V, _I), T.ARRAY),
    ("ARRAY_REPEAT", (_V, _I), T.ARRAY),
    ("ARRAY_REVERSE", (_V,), T.ARRAY),
    ("ARRAY_SIZE", (_V,), T.BIGINT),
    ("ARRAY_SLICE", (_V, _I, _I), T.ARRAY),
    ("ARRAY_TO_STRING", (_V, Kind.TEXT), T.VARCHAR),
    ("ARRAYS_OVERLAP", (_V, _V), T.BOOLEAN),
    ("ARRAYS_TO_OBJECT", (_V, _V), T.OBJECT),
):
    define(_name, to=f"sf_{_name.lower()}", takes=_takes, returns=_returns)

define(
    "ARRAY_GENERATE_RANGE",
    to="sf_array_generate_range",
    takes=(_I, _I),
    optional=(_I,),
    defaults=("1",),
    returns=T.ARRAY,
)
define(
    "ARRAY_SORT",
    to="sf_array_sort",
    takes=(_V,),
    optional=(Kind.BOOLEAN, Kind.BOOLEAN),
    defaults=("true", "NULL"),
    returns=T.ARRAY,
)
define(
    "STRTOK_TO_ARRAY",
    to="sf_strtok_to_array",
    takes=(Kind.TEXT,),
    optional=(Kind.TEXT,),
    defaults=("' '",),
    returns=T.ARRAY,
)


@scalar_function("ARRAY_CONSTRUCT", returns=T.ARRAY)
def array_construct(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``ARRAY_CONSTRUCT(1, 'a')`` and ``[1, 'a']``; NULL is a missing element."""
    items = expand_stars(call)
    values = [variant_of(item) for item in items]
    if all(isinstance(item, exp.Literal) for item in items):
        made = builtin("json_array", *values)
    else:
        made = macro("sf_array", builtin("list_value", *values))
    made.type = exp.DataType(this=T.ARRAY)
    return made


@scalar_function("ARRAY_CONSTRUCT_COMPACT", returns=T.ARRAY)
def array_construct_compact(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``ARRAY_CONSTRUCT_COMPACT(1, NULL, 'a')``."""
    made = once("sf_array_compact", array_construct(call, session))
    made.type = exp.DataType(this=T.ARRAY)
    return made


@scalar_function("ARRAYS_ZIP", returns=T.ARRAY)
def arrays_zip(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``ARRAYS_ZIP(a, b, ...)``."""
    check_count(call, 1, None)
    made = once("sf_arrays_zip", builtin("list_value", *map(variant_of, call.expressions)))
    made.type = exp.DataType(this=T.ARRAY)
    return made

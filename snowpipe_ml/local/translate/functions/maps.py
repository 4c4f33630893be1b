"""Functions of MAPs, which are stored as OBJECTs.

https://docs.snowflake.com/en/sql-reference/data-types-structured
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.conversions import variant_of
from snowpipe_ml.local.translate.expressions import builtin, macro, once
from snowpipe_ml.local.translate.registry import scalar_function
from snowpipe_ml.local.translate.signatures import Kind, check_count, converted, define
from snowpipe_ml.local.translate.types import VARIANTS, T, kind

_V = Kind.VARIANT

define("MAP_CAT", to="sf_map_cat", takes=(_V, _V), returns=T.MAP)
define("MAP_CONTAINS_KEY", to="sf_map_contains_key", takes=(Kind.TEXT, _V), returns=T.BOOLEAN)
define("MAP_ENTRIES", to="sf_map_entries", takes=(_V,), returns=T.ARRAY)
define("MAP_KEYS", to="sf_object_keys", takes=(_V,), returns=T.ARRAY)
define("MAP_SIZE", to="sf_map_size", takes=(_V,), returns=T.BIGINT)
define(
    "MAP_INSERT",
    to="sf_map_insert",
    takes=(_V, Kind.TEXT, _V),
    optional=(Kind.BOOLEAN,),
    defaults=("false",),
    returns=T.MAP,
)


@scalar_function("MAP_DELETE", "MAP_PICK", returns=T.MAP)
def map_part(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``MAP_DELETE(m, key, ...)``, ``MAP_PICK(m, key, ...)`` and ``MAP_PICK(m, array_of_keys)``."""
    check_count(call, 2, None)
    given = call.expressions[1:]
    if len(given) == 1 and kind(given[0]) in VARIANTS:
        keys = macro("sf_texts", variant_of(given[0]))
    else:
        keys = builtin("list_value", *(converted(key, Kind.TEXT) for key in given))
    name = "sf_object_without" if call.name.upper() == "MAP_DELETE" else "sf_object_pick"
    made = once(name, variant_of(call.expressions[0]), keys)
    made.type = exp.DataType(this=T.MAP)
    return made

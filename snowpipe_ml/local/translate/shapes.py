"""Casts to and from GEOGRAPHY and GEOMETRY.

https://docs.snowflake.com/en/sql-reference/data-types-geospatial
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import geospatial
from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.translate.conversions import text_of
from snowpipe_ml.local.translate.expressions import called, stored_cast
from snowpipe_ml.local.translate.types import BINARIES, TEXTS, VARIANTS, T, kind
from snowpipe_ml.local.translate.vectors import no_cast

assert geospatial.__name__  # it registers the functions in Python
SHAPES = {T.GEOGRAPHY, T.GEOMETRY}


def json_result(node: exp.Expr, type_: exp.DType) -> exp.Expr:
    """Return a text as a stored ARRAY, OBJECT or VARIANT."""
    made = stored_cast(node, "JSON")
    made.to.meta["kind"] = type_
    return made


def parsed_shape(
    value: exp.Expr, to: exp.DType, srid: exp.Expr, allow_invalid: exp.Expr, trying: bool
) -> exp.Expr | None:
    """Convert a text, a BINARY, an OBJECT or another shape to a shape; None for any other type."""
    name = "geography" if to == T.GEOGRAPHY else "geometry"
    numbers = [srid] if to == T.GEOMETRY else []
    found = kind(value)
    if found in SHAPES:
        made = called(f"convert:{name}", value.copy(), *numbers)
    elif found in TEXTS | VARIANTS | BINARIES or isinstance(value, exp.Null):
        given = text_of(value) if found in VARIANTS else value.copy()
        if isinstance(value, exp.Null):
            given = stored_cast(given, "VARCHAR")
        made = called(f"{'try_' if trying else ''}parse:{name}", given, *numbers, allow_invalid)
    else:
        return None
    made.type = exp.DataType(this=to)
    return made


def to_shape(node: exp.Expr, trying: bool) -> exp.Expr:
    """Translate a cast to GEOGRAPHY or GEOMETRY."""
    to = node.args["to"].this
    made = parsed_shape(node.this, to, exp.Literal.number("-1"), exp.false(), trying)
    if made is None:
        raise no_cast(kind(node.this), node.args["to"])
    return made


def from_shape(node: exp.Expr) -> exp.Expr:
    """Translate a cast of a shape to another type."""
    target, source = node.args["to"], kind(node.this)
    if target.this in (T.OBJECT, T.VARIANT):
        return json_result(called("st_asgeojson", node.this.copy()), target.this)
    if target.this in TEXTS:
        shown = source.value if source is not None else "shape"
        raise UnsupportedError(
            f"a cast of a {shown} to a text, which depends on the output format",
            "Call ST_ASWKT or ST_ASGEOJSON",
        )
    raise no_cast(source, target)

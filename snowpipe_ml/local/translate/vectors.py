"""VECTORs: their types, and casts to them.

https://docs.snowflake.com/en/sql-reference/data-types-vector
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core.errors import UnsupportedError, error
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.conversions import variant_of
from snowpipe_ml.local.translate.expressions import macro, stored_cast
from snowpipe_ml.local.translate.types import T, kind, vector_type_of
from snowpipe_ml.sql import DataType


def vector_cast(node: exp.Expr, element: str, dimension: int) -> exp.Expr:
    """Cast a list or an array of DuckDB to a VECTOR."""
    made = stored_cast(node, f"{'FLOAT' if element == 'FLOAT' else 'INTEGER'}[{dimension}]")
    made.to.meta["kind"] = T.VECTOR
    made.to.meta["vector"] = (element, dimension)
    return made


def parsed_type(node: exp.DataType) -> DataType:
    """Parse a type that sqlglot has read.

    Raises:
        ProgrammingError: Snowflake has no such type.
    """
    try:
        return DataType.parse(node.sql(dialect="snowflake"))
    except ValueError as invalid:
        raise error(2040, "42601", f"SQL compilation error:\nUnsupported data type: {invalid}") from invalid


def no_cast(source: exp.DType | None, target: exp.DataType) -> Exception:
    """Make the error of a conversion that Snowflake does not have."""
    shown = source.value if source is not None else "an unknown type"
    written = target.sql(dialect="snowflake")
    return error(
        1065,
        "22023",
        f"SQL compilation error:\nInvalid argument types for function 'CAST': ({shown}) to {written}",
    )


def to_vector(node: exp.Expr, trying: bool) -> exp.Expr:
    """Cast an ARRAY or another VECTOR to a VECTOR of the same dimension.

    https://docs.snowflake.com/en/sql-reference/data-types-vector#vector-conversion
    """
    target, source = node.args["to"], kind(node.this)
    type_ = parsed_type(target)
    assert type_.element is not None
    if source == T.VECTOR:
        found = vector_type_of(node.this)
        if found is not None and found[1] != type_.parameters[0]:
            raise no_cast(source, target)
        return vector_cast(node.this.copy(), type_.element, type_.parameters[0])
    value = node.this.unnest()
    if isinstance(value, exp.Null):
        return vector_cast(value.copy(), type_.element, type_.parameters[0])
    if source not in (T.ARRAY, T.VARIANT, T.JSON) and not isinstance(value, exp.JSONExtract | exp.Array):
        raise no_cast(source, target)
    if trying:
        raise no_cast(source, target)
    text = macro("sf_standard_json", variant_of(node.this))
    return vector_cast(stored_cast(text, "JSON"), type_.element, type_.parameters[0])


def vector_comparison(node: exp.Expr, session: Session) -> exp.Expr:
    """Refuse the order of VECTORs, which is that of their bytes on Snowflake."""
    if T.VECTOR in (kind(node.this), kind(node.expression)):
        raise UnsupportedError("the order of VECTORs, which compares their bytes", "Compare a distance")
    return node

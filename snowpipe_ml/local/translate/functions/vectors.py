"""Functions of VECTORs.

https://docs.snowflake.com/en/sql-reference/functions-vector
"""

from __future__ import annotations

from sqlglot import exp

from snowpipe_ml.local.core import errors, vectors
from snowpipe_ml.local.core.session import Session
from snowpipe_ml.local.translate.expressions import builtin, called, stored_cast
from snowpipe_ml.local.translate.registry import scalar_function
from snowpipe_ml.local.translate.signatures import check_count
from snowpipe_ml.local.translate.type_names import wrong_type
from snowpipe_ml.local.translate.types import T, vector_data_type, vector_type_of
from snowpipe_ml.local.translate.vectors import vector_cast

assert vectors.__name__  # it registers the functions in Python
# DuckDB's functions of two arrays.
_DISTANCES = {
    "VECTOR_COSINE_SIMILARITY": "array_cosine_similarity",
    "VECTOR_INNER_PRODUCT": "array_inner_product",
    "VECTOR_L1_DISTANCE": "vector_l1_distance",
    "VECTOR_L2_DISTANCE": "array_distance",
}


def _vectors(call: exp.Expr, given: list[exp.Expr]) -> list[tuple[str, int]]:
    """Return the types of a call's vectors.

    Raises:
        ProgrammingError: an argument is not a VECTOR.
    """
    found = [vector_type_of(argument) for argument in given]
    known = [each for each in found if each is not None]
    if len(known) < len(found):
        raise wrong_type(call.name.upper(), *given)
    return known


@scalar_function(*_DISTANCES, returns=T.DOUBLE)
def _distance(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate the distances and products of two vectors, which have the same dimension."""
    check_count(call, 2, 2)
    left, right = _vectors(call, call.expressions)
    name = call.name.upper()
    if left != right:
        raise wrong_type(name, *call.expressions)
    if name == "VECTOR_L1_DISTANCE":
        return called("vector_l1_distance", *(argument.copy() for argument in call.expressions))
    floats = [vector_cast(argument.copy(), "FLOAT", left[1]) for argument in call.expressions]
    return stored_cast(builtin(_DISTANCES[name], *floats), "DOUBLE")


def _same(arguments: list[exp.Expr]) -> exp.DataType | None:
    found = vector_type_of(arguments[0]) if arguments else None
    return vector_data_type(*found) if found is not None else None


def _of_floats(arguments: list[exp.Expr]) -> exp.DataType | None:
    found = vector_type_of(arguments[0]) if arguments else None
    return vector_data_type("FLOAT", found[1]) if found is not None else None


@scalar_function("VECTOR_NORMALIZE", returns=_of_floats)
def _normalize(call: exp.Expr, session: Session) -> exp.Expr:
    check_count(call, 1, 1)
    ((_, size),) = _vectors(call, call.expressions)
    return vector_cast(called("vector_normalize", call.expressions[0].copy()), "FLOAT", size)


def _truncated(arguments: list[exp.Expr]) -> exp.DataType | None:
    found = vector_type_of(arguments[0]) if len(arguments) == 2 else None
    if found is None or not arguments[1].is_int:
        return None
    return vector_data_type(found[0], int(arguments[1].name))


@scalar_function("VECTOR_TRUNCATE", "VECTOR_TRUNC", returns=_truncated)
def _truncate(call: exp.Expr, session: Session) -> exp.Expr:
    """Translate ``VECTOR_TRUNCATE(v, 2)``, the first elements.

    https://docs.snowflake.com/en/sql-reference/functions/vector_truncate
    """
    check_count(call, 2, 2)
    vector, dimension = call.expressions
    ((element, size),) = _vectors(call, [vector])
    if not dimension.is_int:
        raise errors.UnsupportedError("VECTOR_TRUNCATE with a dimension that is not a constant")
    if not 1 <= int(dimension.name) <= size:
        raise errors.error(
            1044,
            "42P13",
            f"SQL compilation error:\nthe dimension {dimension.name} of {call.name.upper()} is not from 1 to {size}",
        )
    first = builtin("array_slice", vector.copy(), exp.Literal.number(1), dimension.copy())
    return vector_cast(first, element, int(dimension.name))


def _aggregated(name: str) -> None:
    returns = _of_floats if name == "VECTOR_AVG" else _same

    @scalar_function(name, returns=returns)
    def _aggregate(call: exp.Expr, session: Session) -> exp.Expr:
        """Translate an aggregate of the elements at each position; NULLs are ignored."""
        check_count(call, 1, 1)
        if isinstance(call.parent, exp.Window):
            raise errors.UnsupportedError(f"{name} as a window function")
        ((element, size),) = _vectors(call, call.expressions)
        made = called(name.lower(), builtin("list", call.expressions[0].copy()))
        return vector_cast(made, "FLOAT" if name == "VECTOR_AVG" else element, size)


for _name in ("VECTOR_AVG", "VECTOR_MAX", "VECTOR_MIN", "VECTOR_SUM"):
    _aggregated(_name)

"""Convert Arrow values to the Python values that a handler receives, and its results back."""

from __future__ import annotations

import datetime
import decimal
import json
import types
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, cast

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    Series: TypeAlias = pd.Series[Any]


class sqlNullWrapper:  # noqa: N801 - Snowflake's name
    """SQL NULL in a VARIANT, where None is the null of JSON.

    https://docs.snowflake.com/en/developer-guide/udf/python/udf-python-designing
    """

    is_sql_null = True


# A shape is the dict of its GeoJSON.
_FROM_JSON = ("OBJECT", "ARRAY", "GEOGRAPHY", "GEOMETRY")
SQL_NULL = sqlNullWrapper()


class WorkerConfig(TypedDict):
    """How a worker loads and calls a handler. Kinds are those of ``travel.value_kind``."""

    handler: str
    procedure: bool
    memory: int | None
    body: str | None
    import_directory: str
    import_archives: list[str]
    blocked: dict[str, str]
    strict: bool
    names_out: list[str]
    names: list[str]
    kinds: list[str]
    output_kinds: list[str]
    output_types: list[str]


def python_column(column: pa.Array | pa.ChunkedArray, kind: str) -> list[object]:
    """Convert an Arrow column to the Python values that a row handler receives."""
    values = column.to_pylist()
    if kind == "VARIANT":
        return [SQL_NULL if v is None else json.loads(v) for v in values]
    if kind in _FROM_JSON:
        return [None if v is None else json.loads(v) for v in values]
    if kind == "INT":
        return [None if v is None else int(v) for v in values]
    if kind == "TIMESTAMP_TZ":
        return [None if v is None else datetime.datetime.fromisoformat(v) for v in values]
    return list(values)


def series(column: pa.ChunkedArray, kind: str, narrow: bool = False) -> Series:
    """Convert an Arrow column to the pandas Series that a vectorized handler receives."""
    import pandas as pd

    if kind == "VARIANT" or kind in _FROM_JSON:
        values = [None if v is None else json.loads(v) for v in column.to_pylist()]
        return pd.Series(values, dtype=object)
    if kind == "INT":
        column = column.cast(pa.int64())
        if column.null_count:
            return cast("Series", column.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get))
        numbers = cast("Series", column.to_pandas())
        # A vectorized UDF receives the narrowest type that holds its batch, as Snowpark's tests expect.
        return pd.to_numeric(numbers, downcast="integer") if narrow else numbers
    if kind == "BOOLEAN":
        return cast("Series", column.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get))
    if kind == "DATE":
        return pd.to_datetime(pd.Series(column.to_pandas(date_as_object=True)))
    if kind == "TIME":
        return cast("Series", column.cast(pa.int64()).cast(pa.duration("us")).to_pandas())
    if kind == "TIMESTAMP_TZ":
        return pd.Series(python_column(column, kind), dtype=object)
    return cast("Series", column.to_pandas())


def frame(
    table: pa.Table, kinds: Sequence[str], names: list[str] | list[int], narrow: bool = False
) -> pd.DataFrame:
    """Convert a slice of the input to a DataFrame with the given column names."""
    import pandas as pd

    data = {i: series(table.column(i), kind, narrow) for i, kind in enumerate(kinds)}
    result = pd.DataFrame(data, index=range(table.num_rows))
    result.columns = names
    return result


def null_rows(table: pa.Table) -> list[bool]:
    """Return for each row whether an argument is NULL: a strict function is not called for such rows."""
    return [any(row) for row in zip(*(column.is_null().to_pylist() for column in table.columns))]


def arrow_column(values: Iterable[object], kind: str, type_: pa.DataType) -> pa.Array:
    """Convert Python values or a Series to an Arrow column of the declared type."""
    if kind == "VARIANT" and isinstance(values, list):
        return pa.array([None if v is SQL_NULL else json.dumps(v, default=str) for v in values], pa.string())
    if kind == "VARIANT" or kind in _FROM_JSON:
        values = [None if _is_null(v) else json.dumps(v, default=str) for v in values]
        return pa.array(values, pa.string())
    if kind == "TIMESTAMP_TZ":
        return pa.array([None if _is_null(v) else _aware(v).isoformat() for v in values], pa.string())
    if type(values).__module__.startswith("pandas"):
        array = pa.Array.from_pandas(values)
    else:
        values = list(values)
        if pa.types.is_string(type_):
            values = [None if v is None else v if isinstance(v, str) else str(v) for v in values]
        elif pa.types.is_decimal(type_):
            values = [None if v is None else _decimal(v, type_.scale) for v in values]
        elif pa.types.is_date(type_):
            values = [v.date() if isinstance(v, datetime.datetime) else v for v in values]
        array = pa.array(values)  # a float's NaN stays NaN
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if array.type == type_:
        return array
    if pa.types.is_decimal(array.type) and pa.types.is_integer(type_):
        return array.cast(pa.decimal128(38, 0)).cast(type_)
    if pa.types.is_duration(array.type) and pa.types.is_time(type_):
        return array.cast(pa.duration("us")).cast(pa.int64()).cast(type_)
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        array = array.cast(pa.timestamp("us"))
    if pa.types.is_timestamp(array.type) and pa.types.is_date(type_):
        return array.cast(pa.timestamp("us")).cast(pa.date32(), safe=False)
    if pa.types.is_floating(array.type) and pa.types.is_integer(type_):
        return array.cast(type_, safe=True)
    return array.cast(type_)


def _aware(value: object) -> datetime.datetime:
    if not isinstance(value, datetime.datetime) or value.tzinfo is None:
        raise TypeError(f"a TIMESTAMP_TZ needs a datetime with a time zone: {value!r}")
    return value


def _decimal(value: object, scale: int) -> decimal.Decimal:
    return decimal.Decimal(str(value)).quantize(decimal.Decimal(1).scaleb(-scale), decimal.ROUND_HALF_UP)


def arrow_type(name: str) -> pa.DataType:
    """Return the Arrow type for a name that the warehouse sent."""
    if name.startswith("decimal128"):
        return pa.decimal128(*(int(n) for n in name[11:-1].split(",")))
    return pa.type_for_alias(name)


def _is_null(value: object) -> bool:
    # NaN and pandas' NaT, which is a datetime, are not equal to themselves.
    return value is None or (isinstance(value, float | datetime.datetime) and value != value)


class Output:
    """Collects the rows of a table function with their source row, or partition for rows from its end."""

    def __init__(self, config: WorkerConfig) -> None:
        self.kinds: list[str] = config["output_kinds"]
        self.types = [arrow_type(name) for name in config["output_types"]]
        self.pieces: list[pa.Table] = []

    def rows(self, rows: Iterable[Sequence[object] | None], source: int) -> None:
        """Add the rows that come from one source; a handler that yields None has no row."""
        found = [row for row in rows if row is not None]
        if not found:
            return
        for row in found:
            if len(row) != len(self.kinds):
                raise ValueError(
                    f"a row of {len(row)} values where {len(self.kinds)} columns are declared: {row!r}"
                )
        self._add(list(zip(*found)), [source] * len(found))

    def frame(self, result: Any, sources: int | list[int]) -> None:
        """Add a DataFrame, a tuple of Series or arrays, or a generator of these."""
        if result is None:
            return
        if isinstance(result, types.GeneratorType):
            for piece in result:
                self.frame(piece, sources)
            return
        if hasattr(result, "columns"):
            columns = [result.iloc[:, i] for i in range(result.shape[1])]
        elif isinstance(result, tuple):
            columns = list(result)
        else:
            columns = [result]
        if len(columns) != len(self.kinds):
            raise ValueError(f"{len(columns)} columns returned where {len(self.kinds)} are declared")
        count = len(columns[0])
        self._add(columns, sources if not isinstance(sources, int) else [sources] * count)

    def _add(self, columns: Sequence[Iterable[object]], sources: list[int]) -> None:
        arrays = [
            arrow_column(column, kind, type_) for column, kind, type_ in zip(columns, self.kinds, self.types)
        ]
        self.pieces.append(
            pa.table([pa.array(sources, pa.int64()), *arrays], names=[str(i) for i in range(len(arrays) + 1)])
        )

    def table(self) -> pa.Table:
        """Return all rows; column 0 is the source."""
        if self.pieces:
            return pa.concat_tables(self.pieces, promote_options="permissive")
        arrays = [pa.array([], t) for t in (pa.int64(), *self.types)]
        return pa.table(arrays, names=[str(i) for i in range(len(arrays))])

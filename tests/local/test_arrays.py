"""Arrow arrays that are made without pyarrow.array equal those that it makes."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snowpipe_ml.local.core.arrays import OF_TYPE

KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "VARCHAR": (pa.string(), st.text(st.characters(exclude_categories=["Cs"]))),
    "JSON": (pa.string(), st.just("{}")),
    "BIGINT": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "DOUBLE": (pa.float64(), st.floats(allow_nan=False)),
    "BOOLEAN": (pa.bool_(), st.booleans()),
    "TIMESTAMP WITH TIME ZONE": (
        pa.timestamp("us", tz="UTC"),
        st.datetimes(timezones=st.sampled_from([None, dt.UTC, dt.timezone(dt.timedelta(hours=-7))])),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_the_array_of_values_is_that_of_pyarrow(kind: str, data: st.DataObject) -> None:
    type_, values = KINDS[kind]
    given_values = data.draw(st.lists(st.none() | values))
    made = OF_TYPE[kind](given_values)
    made.validate(full=True)
    assert made.equals(pa.array(given_values, type_))


def test_every_kind_is_tested() -> None:
    assert KINDS.keys() == OF_TYPE.keys()


def test_a_number_of_more_than_64_bits_is_refused() -> None:
    with pytest.raises(OverflowError):
        OF_TYPE["BIGINT"]([2**63])

"""Avro files: each type and codec is read as it was written, or refused by name."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.files.avro import read_avro
from tests.local.avro_files import avro_file


def _record(**fields: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": "r",
        "fields": [{"name": name, "type": kind} for name, kind in fields.items()],
    }


ALL = _record(
    s="string",
    i="int",
    n=["null", "long"],
    d="double",
    b="boolean",
    e={"type": "enum", "name": "letter", "symbols": ["A", "B"]},
    again="letter",
    a={"type": "array", "items": ["long", "null"]},
    m={"type": "map", "values": "string"},
    r=_record(x="long") | {"name": "inner"},
)
_LONG = st.integers(-(2**63), 2**63 - 1)
_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "s": st.text(max_size=20),
            "i": st.integers(-(2**31), 2**31 - 1),
            "n": st.none() | _LONG,
            "d": st.floats(allow_nan=False),
            "b": st.booleans(),
            "e": st.sampled_from("AB"),
            "a": st.lists(st.none() | _LONG, max_size=3),
            "m": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3),
            "r": st.fixed_dictionaries({"x": _LONG}),
        }
    ),
    max_size=5,
)


@given(rows=_ROWS, codec=st.sampled_from(["null", "deflate"]), block=st.integers(1, 3))
def test_what_is_written_is_read(rows: list[dict[str, Any]], codec: str, block: int) -> None:
    schema = json.loads(json.dumps(ALL))
    schema["fields"] = [field for field in schema["fields"] if field["name"] != "again"]
    found = read_avro(io.BytesIO(avro_file(schema, rows, codec, block)), "x").to_pylist()
    assert [{**row, "m": dict(row["m"])} for row in found] == rows


def test_a_named_type_is_used_again() -> None:
    schema = _record(e={"type": "enum", "name": "letter", "symbols": ["A", "B"]}, f="letter")
    # The writer of the tests does not look up names: an enum is written as the number of its symbol.
    as_numbers = _record(e="int", f="int")
    content = avro_file(as_numbers, [{"e": 0, "f": 1}]).replace(
        *(_header(each) for each in (as_numbers, schema))
    )
    assert read_avro(io.BytesIO(content), "x").to_pylist() == [{"e": "A", "f": "B"}]


def _header(schema: dict[str, Any]) -> bytes:
    whole = avro_file(schema, [])
    return whole[: -len(bytes(16))]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("bytes", "the type bytes"),
        ({"type": "fixed", "name": "f", "size": 2}, "the type fixed"),
        ({"type": "long", "logicalType": "timestamp-micros"}, "the logical type timestamp-micros"),
        (["int", "string"], "a union of several types"),
    ],
)
def test_a_type_that_snowflake_may_read_otherwise_is_refused(kind: Any, name: str) -> None:
    with pytest.raises(UnsupportedError, match=name):
        read_avro(io.BytesIO(avro_file(_record(x=kind), [])), "x")


@pytest.mark.parametrize("end", [-1, -20, 3, 40])
def test_a_damaged_file_is_an_error(end: int) -> None:
    content = avro_file(_record(x="long"), [{"x": 1}])
    with pytest.raises(Exception, match="Error parsing Avro: the file 's/x' is not valid"):
        read_avro(io.BytesIO(content[:end]), "s/x")


def test_files_are_queried_inferred_and_loaded(query: Any, session: Any) -> None:
    rows = [{"name": "a", "n": 1, "list": [1, 2]}, {"name": "b", "n": None, "list": []}]
    schema = _record(name="string", n=["null", "int"], list={"type": "array", "items": "int"})
    query("CREATE STAGE s")
    query("CREATE FILE FORMAT f TYPE = AVRO")
    for name, content in (
        ("1.avro", avro_file(schema, rows)),
        ("2.avro.gz", gzip.compress(avro_file(schema, rows))),
    ):
        session.file.put_stream(io.BytesIO(content), f"@s/{name}", auto_compress=False)
    assert query("SELECT $1:name::VARCHAR, $1:list[1]::INT FROM @s/1.avro (FILE_FORMAT => 'f')") == [
        ("a", 2),
        ("b", None),
    ]
    inferred = "TABLE(INFER_SCHEMA(LOCATION => '@s', FILE_FORMAT => 'f'))"
    assert query(f"SELECT COLUMN_NAME, TYPE FROM {inferred}") == [
        ("name", "TEXT"),
        ("n", "NUMBER(38, 0)"),
        ("list", "VARIANT"),
    ]
    query("CREATE TABLE t (name VARCHAR, n INT)")
    query("COPY INTO t FROM @s FILE_FORMAT = (FORMAT_NAME = f) MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE")
    assert query("SELECT name, n, COUNT(*) FROM t GROUP BY ALL ORDER BY name") == [
        ("a", 1, 2),
        ("b", None, 2),
    ]

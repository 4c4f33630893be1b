"""COPY INTO of delimited files whose quotes DuckDB's reader takes otherwise, and of records that are too long."""

from __future__ import annotations

import bz2
import gzip
import io
import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from snowpipe_ml.local.files import quoting

QUOTED = "FIELD_OPTIONALLY_ENCLOSED_BY = '\"'"
SINGLE = "FIELD_OPTIONALLY_ENCLOSED_BY = ''''"
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "NONE": bytes,
    "GZIP": gzip.compress,
    "BZ2": bz2.compress,
    "ZSTD": lambda text: pa.compress(text, codec="zstd", asbytes=True),
}


@pytest.mark.parametrize(
    ("data", "options", "loaded", "rejected"),
    [
        ('1,5"x\n2,"y', QUOTED, [(1, '5"x')], 1),
        ('1,5"x\r\n2,"y\r\n3,z\r\n', QUOTED, [(1, '5"x')], 1),
        ("1,5'x\n2,'y", SINGLE, [(1, "5'x")], 1),
        ('1||5"x\n2||"|y', f"FIELD_DELIMITER = '||' {QUOTED}", [(1, '5"x')], 1),
        ('1,"a\\"b"\n2,"y\\"', rf"ESCAPE = '\\' {QUOTED}", [(1, 'a"b')], 1),
        ('a,"b\n1,x\n2,y\n', f"SKIP_HEADER = 1 {QUOTED}", [(1, "x"), (2, "y")], 0),
        ('a,"b\n"\n1,x\n', f"SKIP_HEADER = 1 {QUOTED}", [], 1),
        ('1,x\n2, "y', QUOTED, [(1, "x"), (2, ' "y')], 0),
        ('1,"a"b\n2,"c" "d"\n3,z\n', QUOTED, [(3, "z")], 2),
    ],
)
def test_quotes_decide_on_records_as_on_snowflake(
    session: Any, query: Any, data: str, options: str, loaded: list[tuple[int, str]], rejected: int
) -> None:
    """DuckDB's reader would lose records here, or read others, without an error."""
    query("CREATE STAGE s")
    query("CREATE TABLE t (a NUMBER, b VARCHAR)")
    form = f"FILE_FORMAT = (TYPE = CSV {options})"
    for name, pack in PACKED.items():
        session.file.put_stream(io.BytesIO(pack(data.encode())), f"@s/{name}", auto_compress=False)
        found = query(f"COPY INTO t FROM @s FILES = ('{name}') {form} ON_ERROR = CONTINUE")
        assert found[0][2:4] == (len(loaded) + rejected, len(loaded)), name
        assert query("SELECT * FROM t ORDER BY a") == loaded, name
        query("TRUNCATE TABLE t")
    query(f"COPY INTO t FROM @s {form} ON_ERROR = SKIP_FILE")
    assert query("SELECT * FROM t ORDER BY a") == ([] if rejected else sorted(loaded * len(PACKED)))


@pytest.mark.parametrize("beginning", ["2,", '2,"', '2,"x""'])
def test_a_record_that_is_too_long_is_rejected_and_the_next_one_is_loaded(
    session: Any, query: Any, beginning: str
) -> None:
    query("CREATE STAGE s")
    query("CREATE TABLE t (a NUMBER, b VARCHAR)")
    quote = '"' if '"' in beginning else ""
    text = f"1,x\n{beginning}{'y' * 17_000_000}{quote}\n3,z\n"
    session.file.put_stream(io.BytesIO(gzip.compress(text.encode(), 1)), "@s/f.csv.gz", auto_compress=False)
    query(f"COPY INTO t FROM @s FILE_FORMAT = (TYPE = CSV {QUOTED}) ON_ERROR = CONTINUE")
    ((line, code, record),) = query(
        "SELECT line, code, LEFT(rejected_record, 2) FROM TABLE(VALIDATE(t, JOB_ID => '_last'))"
    )
    assert (line, code, record) == (2, 100082, "2,")
    assert query("SELECT * FROM t ORDER BY a") == [(1, "x"), (3, "z")]


def _are_regular(data: bytes, quote: bytes, delimiter: bytes) -> bool:
    """Read fields byte by byte."""
    place, stop = 0, len(data)
    while place <= stop:
        if data.startswith(quote, place):
            place = data.find(quote, place + 1)
            while place >= 0 and data.startswith(quote * 2, place):
                place = data.find(quote, place + 2)
            place += 1
            if place == 0 or (place < stop and not data.startswith((delimiter, b"\r", b"\n"), place)):
                return False
        elif data[place:].startswith(b" ") and data[place:].lstrip(b" ").startswith(quote):
            return False
        while place < stop and not data.startswith((delimiter, b"\r", b"\n"), place):
            place += 1
        place += len(delimiter) if data.startswith(delimiter, place) else 1
    return True


def test_regular_quotes_are_found_in_pieces_of_any_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quick test may take a file with regular quotes for another one, but not the other way round."""
    random_ = random.Random(22)
    paired = regular = 0
    for _ in range(2000):
        quote, delimiter = random_.choice([b'"', b"'"]), random_.choice([b",", b"||", b"|+"])
        parts = [quote, quote, delimiter, delimiter[:1], b"\n", b"\r\n", b"x", b" "]
        data = b"".join(random_.choices(parts, k=random_.randrange(30)))
        if random_.random() < 0.5:
            fields = [b"", b"x", quote + b"a" + quote * 2 + delimiter + quote, quote * 2]
            data = delimiter.join(random_.choices(fields, k=8)) + data[:3]
        monkeypatch.setattr(quoting, "_CHUNK", random_.choice([1, 2, 3, 7, 100]))
        wanted = _are_regular(data, quote, delimiter)
        assert quoting.has_regular_quotes(io.BytesIO(data), quote, delimiter) == wanted, (data, quote)
        step = random_.choice([1, 5, 16, 17, 40])
        quick = quoting.Quoting(quote, delimiter)
        pieces = (data[start : start + step] for start in range(0, len(data), step))
        found = all(quick.add(piece) for piece in pieces) and quick.add(b"", last=True)
        assert wanted or not found, (data, quote, step)
        paired += found and quote in data
        regular += wanted and quote in data
    assert paired > regular / 3 > 200

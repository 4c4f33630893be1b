"""COPY INTO of delimited files whose records have a field too many that is NULL: DuckDB's reader would drop it."""

from __future__ import annotations

import gzip
import io
import random
from typing import Any

import pytest

from snowpipe_ml.local.files.surplus import SurplusFields

QUOTED = "FIELD_OPTIONALLY_ENCLOSED_BY = '\"'"


@pytest.mark.parametrize(
    ("data", "options", "loaded", "rejected"),
    [
        ("1,x,\n2,y\n", "", [(2, "y")], 1),
        ("1,x\n2,y,", "", [(1, "x")], 1),
        ("1,x\r\n2,y,\r\n3,\r\n", QUOTED, [(1, "x"), (3, None)], 1),
        ('1,"x,\n",\n2,"y,"\n', QUOTED, [(2, "y,")], 1),
        ("1,x,\\N\n2,\\N\n", "", [(2, None)], 1),
        ('1,x,""\n2,y\n', f"EMPTY_FIELD_AS_NULL = FALSE NULL_IF = ('') {QUOTED}", [(2, "y")], 1),
        ("1||x||\n2||\n", "FIELD_DELIMITER = '||'", [(2, None)], 1),
        ('1,5"x,\n2,y,\n3,z\n', QUOTED, [(3, "z")], 2),
        ("1,x,\n2,y\n", "ERROR_ON_COLUMN_COUNT_MISMATCH = FALSE", [(1, "x"), (2, "y")], 0),
    ],
)
def test_a_record_with_a_field_too_many_is_rejected(
    session: Any, query: Any, data: str, options: str, loaded: list[tuple[int, str]], rejected: int
) -> None:
    """An empty field counts: https://docs.snowflake.com/en/sql-reference/sql/copy-into-table."""
    query("CREATE STAGE s")
    query("CREATE TABLE t (a NUMBER, b VARCHAR)")
    form = f"FILE_FORMAT = (TYPE = CSV {options})"
    for name, content in (("plain", data.encode()), ("packed", gzip.compress(data.encode()))):
        session.file.put_stream(io.BytesIO(content), f"@s/{name}", auto_compress=False)
        for columns in ("", "(a, b)"):
            query("TRUNCATE TABLE t")
            copied = query(f"COPY INTO t {columns} FROM @s FILES = ('{name}') {form} ON_ERROR = CONTINUE")
            assert copied[0][2:4] == (len(loaded) + rejected, len(loaded)), (name, columns)
            assert query("SELECT * FROM t ORDER BY a") == loaded, (name, columns)


def test_fields_are_counted_across_pieces() -> None:
    """A reader of one character at a time finds the same records."""
    chance = random.Random(16)
    for _ in range(3000):
        width = chance.randint(1, 3)
        fields = ["", "", "x", "NA", '""', '","', '"\n"', '"a""\r"', '"NA"', "long text"]
        records = [
            ",".join(chance.choice(fields) for _ in range(max(1, width + chance.choice((0, 0, 0, 1, -1)))))
            for _ in range(chance.randint(1, 6))
        ]
        data = "".join(record + chance.choice(("\n", "\r\n")) for record in records).encode()
        quoted = chance.random() < 0.5
        search = SurplusFields(b'"', b",", width, [b"", b"NA"], quoted=quoted)
        cuts = sorted(chance.choices(range(len(data) + 1), k=chance.randint(0, 9)))
        pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        found = any(search.add(piece) for piece in pieces if piece)
        assert found == _has_surplus(data.decode(), width, quoted=quoted), (data, width, quoted, pieces)


def _has_surplus(data: str, width: int, *, quoted: bool) -> bool:
    nulls = {"", "NA", *(['""', '"NA"'] if quoted else [])}
    fields, field, inside = 0, "", False
    for character in data:
        inside ^= character == '"'
        if inside or character not in ",\r\n":
            field += character
        elif character == ",":
            fields, field = fields + 1, ""
        else:
            if fields == width and field in nulls:
                return True
            fields, field = 0, ""
    return False

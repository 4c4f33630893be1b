"""Values that DuckDB's casts take for numbers and dates, and Snowflake's do not, wherever they are in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml.local.files.irregular import _has_odd_number


@pytest.mark.parametrize(
    ("text", "odd"),
    [
        ("1,0x1F\n", True),
        ("0b101,2\n", True),
        ('"0o17",2\n', True),
        ("+0X0,2\n", True),
        ("1,1_000\n", True),
        ("1_0", True),
        ("A0b1,0B8C2D,x0x1\n", False),  # ids in hexadecimal
        ("first_name,a_1,1_a,_1\n", False),
        ("10b,100x,0xyz\n", False),
        ("2022/01/02\n", False),  # no time among the columns
        ("", False),
        ("0", False),
    ],
)
def test_which_bytes_may_be_odd_numbers(text: str, odd: bool) -> None:
    assert _has_odd_number(text.encode(), {b"_"}, prefixed=True) is odd


@pytest.mark.parametrize(("text", "odd"), [("2022/01/02", True), ("W 52 St/6 Ave", False), ("a/b", False)])
def test_which_bytes_may_be_odd_dates(text: str, odd: bool) -> None:
    assert _has_odd_number(text.encode(), {b"/"}, prefixed=False) is odd


@pytest.mark.parametrize(
    ("value", "row"),
    [
        ("0x10", 0),
        ("1_000", 250_000),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [("1_000", 0), ("0b11", 0), ("0x10", 250_000), ("0b11", 250_000)]
        ),
    ],
)
def test_an_odd_number_is_refused_wherever_it_is(query: Any, tmp_path: Path, value: str, row: int) -> None:
    """The second row is behind the first piece of the file that is looked through."""
    lines = [f"{n},some text\n" for n in range(300_000)]
    lines[row] = f"{value},some text\n"
    (tmp_path / "rows.csv").write_text("".join(lines))
    query("CREATE TABLE loaded (n NUMBER, name VARCHAR)")
    query("CREATE STAGE files")
    query(f"PUT 'file://{tmp_path}/rows.csv' @files AUTO_COMPRESS = FALSE")
    with pytest.raises(Exception, match=f"Numeric value '{value}' is not recognized"):
        query("COPY INTO loaded FROM @files FILE_FORMAT = (TYPE = CSV)")

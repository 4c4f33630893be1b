"""Translation of Snowflake's date and time formats to DuckDB's specifiers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.core.time_formats import (
    Fraction,
    Offset,
    Pattern,
    format_option,
    input_format,
    output_format,
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("yyyy-mm-dd", [Pattern("%Y-%m-%d")]),
        ("DD-MON-YYYY", [Pattern("%d-%b-%Y")]),
        ("MMMM DD, YY", [Pattern("%B %d, %y")]),
        ("DY HH12:MI:SS.FF2 PM", [Pattern("%a %I:%M:%S."), Fraction(2), Pattern(" %p")]),
        ("YYYYMMDDHH24MISSFF", [Pattern("%Y%m%d%H%M%S%f000")]),
        ('YYYY"T"HH24 "at 100%"', [Pattern("%YT%H at 100%%")]),
        ("SS.FF0|FF3", [Pattern("%S.|%g")]),
        ("HH24 TZH:TZM", [Pattern("%H "), Offset(":")]),
        ("HH24 TZHTZM TZH", [Pattern("%H "), Offset(""), Pattern(" "), Offset(None)]),
        ("", []),
    ],
)
def test_a_format_is_written_by_these_parts(text: str, parts: list[object]) -> None:
    assert output_format(text) == parts


@pytest.mark.parametrize("text", ["DAY", "MMM", "M/D/YYYY", "YYYY-MONTH", "HH24:MI hours"])
def test_a_run_of_letters_that_is_no_element_is_refused_by_name(text: str) -> None:
    for read in (input_format, output_format):
        with pytest.raises(UnsupportedError, match=text):
            read(text)


@given(
    st.sampled_from(
        ["YYYY-MM-DD HH24:MI:SS", "DY MON DD YY", "HH12:MI AM", "YYYY-MM-DDTHH24:MI:SS.FF3TZH:TZM"]
    ),
    st.data(),
)
def test_letters_of_elements_are_read_in_any_case(text: str, data: st.DataObject) -> None:
    mixed = "".join(
        c.upper() if data.draw(st.booleans()) else c.lower() for c in text.replace("T", "\0")
    ).replace("\0", "T")
    assert input_format(mixed).pattern == input_format(text).pattern


@given(st.text(st.characters(exclude_characters='"', exclude_categories=["Cs"])))
def test_text_in_quotes_stands_for_itself(text: str) -> None:
    assert input_format(f'YYYY-MM-DD "{text}"').pattern == "%Y-%m-%d " + text.replace("%", "%%")


def test_auto_is_no_format() -> None:
    assert format_option(None) is None
    assert format_option("auto") is None
    assert format_option("DD.MM.YY") is not None

"""The types and numbers of arguments that functions and operators take."""

from __future__ import annotations

from typing import Any

import pytest

_TABLE = "CREATE TABLE typed (n INT, s VARCHAR, b BOOLEAN, d DATE, m TIMESTAMP, t TIME, x BINARY, v VARIANT, a ARRAY, o OBJECT)"


@pytest.mark.parametrize(
    "expression",
    [
        "ABS(b)",
        "SQRT(d)",
        "ROUND(d, 'year')",
        "SUM(m)",
        "STDDEV(x)",
        "BITAND_AGG(d)",
        "BOOLAND(b, 1)",
        "-b",
        "-d",
        "n * d",
        "b + 1",
        "d + d",
        "UPPER(a)",
        "UPPER(x)",
        "SPLIT(o, ',')",
        "ARRAY_SIZE(s)",
        "ARRAY_CONTAINS(s, a)",
        "OBJECT_KEYS(s)",
        "IS_NULL_VALUE(s)",
        "COUNT_IF(d)",
    ],
)
def test_a_type_without_conversion_is_refused(query: Any, expression: str) -> None:
    query(_TABLE)
    with pytest.raises(Exception, match=r"(?s)001044.*Invalid argument types for function"):
        query(f"SELECT {expression} FROM typed")


@pytest.mark.parametrize(
    "expression",
    ["COALESCE(d, n)", "IFF(b, d, 1)", "GREATEST(d, 1)", "d > 5", "t = d", "CASE WHEN b THEN x ELSE n END"],
)
def test_values_without_a_common_type_are_refused(query: Any, expression: str) -> None:
    query(_TABLE)
    with pytest.raises(Exception, match=r"(?s)001065.*Can not convert parameter"):
        query(f"SELECT {expression} FROM typed")


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        ("UPPER(INITCAP('a'), 'b')", "UPPER(..., 'b')"),
        ("TO_TIMESTAMP(INITCAP('a'), 1, 2, 3)", "TO_TIMESTAMP(..., 1, 2, 3)"),
        ("ABS(1, 2)", "ABS(1, 2)"),
    ],
)
def test_a_call_with_too_many_arguments_is_shown_without_macros(query: Any, call: str, shown: str) -> None:
    with pytest.raises(Exception, match=r"(?s)000939.*too many arguments") as found:
        query(f"SELECT {call}")
    assert f"[{shown}]" in str(found.value)


def test_texts_and_variants_are_converted(query: Any) -> None:
    query(_TABLE)
    query(
        "INSERT INTO typed SELECT 1, '2', TRUE, '2024-02-29', '2024-02-29', '10:00:00', TO_BINARY('AB'), "
        "PARSE_JSON('3'), [1], {'k': 1}"
    )
    assert query("SELECT ABS('-1'), -s, BOOLAND(s, 1), ABS(v), UPPER(d), LENGTH(x) FROM typed") == [
        (1.0, -2.0, True, 3.0, "2024-02-29", 1)
    ]
    assert query(
        "SELECT COALESCE('true', b), ARRAY_CONTAINS(1, a), ARRAY_SIZE(v), d > '2024-01-01' FROM typed"
    ) == [(True, True, None, True)]


@pytest.mark.parametrize(
    ("call", "number"),
    [
        ("COUNT()", "000938"),
        ("DIV0(1)", "000938"),
        ("MIN_BY(1)", "000938"),
        ("ARRAY_AGG()", "000938"),
        ("DATE_PART(year)", "000938"),
        ("CURRENT_DATABASE(1)", "000939"),
        ("DENSE_RANK(1) OVER (ORDER BY 1)", "000939"),
    ],
)
def test_the_number_of_arguments_is_checked(query: Any, call: str, number: str) -> None:
    with pytest.raises(Exception, match=number):
        query(f"SELECT {call}")

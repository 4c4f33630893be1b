"""The matcher of row patterns finds what a regular expression finds, in time that does not explode."""

from __future__ import annotations

import random
import re

import pytest
from snowflake.connector.errors import ProgrammingError

from snowpipe_ml.local.core.errors import UnsupportedError
from snowpipe_ml.local.translate.row_patterns import Matcher, Skip, parse_pattern

_LETTERS = "ABC"
_PAST = Skip("PAST")


def _found(pattern: str, rows: str, skip: Skip = _PAST) -> list[tuple[int, str]]:
    """Return the start and the symbols of each match; each row has one symbol, and an excluded one is in lower case."""
    has = {letter: [row == letter for row in rows] for letter in _LETTERS}
    return [
        (match.start, "".join(s.name.lower() if s.excluded else s.name for s in match.symbols))
        for match in Matcher(parse_pattern(pattern)).find(len(rows), has, skip)
    ]


def _pattern(source: random.Random, depth: int) -> str:
    """Make a pattern that is a regular expression when its spaces are removed."""
    kind = source.randrange(6 if depth else 1)
    if kind < 2:
        return source.choice(_LETTERS)
    if kind < 4:
        return f"({_pattern(source, depth - 1)} {_pattern(source, depth - 1)})"
    if kind == 4:
        return f"(({_pattern(source, depth - 1)})|({_pattern(source, depth - 1)}))"
    quantifier = source.choice(("*", "+", "?", "{2}", "{1,2}", "{,2}", "{1,}")) + source.choice(("", "?"))
    return f"({_pattern(source, depth - 1)}){quantifier}"


def test_finds_what_a_regular_expression_finds() -> None:
    source = random.Random(23)
    for _ in range(600):
        pattern = _pattern(source, 4)
        rows = "".join(source.choice(_LETTERS) for _ in range(source.randrange(1, 9)))
        compiled = re.compile(pattern.replace(" ", "").replace("{,", "{0,"))
        expected, start = [], 0
        while start < len(rows):
            match = compiled.match(rows, start)
            if match is not None:
                expected.append((start, match.group()))
            start += max(1, len(match.group()) if match is not None else 1)
        assert _found(pattern, rows) == expected, (pattern, rows)


@pytest.mark.parametrize(
    ("pattern", "rows", "matches"),
    [
        ("PERMUTE(A, B, C)", "CABBCA", [(0, "CAB"), (3, "BCA")]),
        ("A {- B* -} C", "ABBC", [(0, "AbbC")]),
        ("^ A", "AA", [(0, "A")]),
        ("A $", "AA", [(1, "A")]),
        ("A B | C", "ABAC", [(0, "AB"), (2, "AC")]),  # an alternative binds closer than a concatenation
        ("a ( b c )", "ABC", [(0, "ABC")]),
        ("ANY B", "CB", [(0, "ANYB")]),
        ("A { 1 , 2 }", "AAA", [(0, "AA"), (2, "A")]),
    ],
)
def test_operators(pattern: str, rows: str, matches: list[tuple[int, str]]) -> None:
    assert _found(pattern, rows) == matches


def test_where_the_search_goes_on() -> None:
    assert _found("A B+", "ABB", Skip("NEXT")) == [(0, "ABB")]
    assert _found("B+", "BBB", Skip("NEXT")) == [(0, "BBB"), (1, "BB"), (2, "B")]
    assert _found("A B+ A", "ABABBA", Skip("LAST", "A")) == [(0, "ABA"), (2, "ABBA")]
    assert _found("A B B", "ABB", Skip("FIRST", "B")) == [(0, "ABB")]
    with pytest.raises(ProgrammingError, match="does not skip past the first row"):
        _found("A B", "AB", Skip("FIRST", "A"))
    with pytest.raises(ProgrammingError, match="no row of the match has the symbol"):
        _found("A B*", "A", Skip("LAST", "B"))


@pytest.mark.parametrize("pattern", ["(A+)+ B", "(A|A A)* B", "((A*)*)* B", "A+ ANY* B"])
def test_a_pattern_that_does_not_match_takes_linear_time(pattern: str) -> None:
    """Trying every way to divide 3,000 rows would never end."""
    assert _found(pattern, "A" * 3000) == []


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("A )", ")"),
        ("(A", "<EOF>"),
        ("A -}", "-}"),
        ("*", "*"),
        ("A{2,1}", "{2,1}"),
        ("A &", "&"),
        ("A{}", "{}"),
    ],
)
def test_a_pattern_that_is_none(pattern: str, found: str) -> None:
    with pytest.raises(ProgrammingError, match=re.escape(f"unexpected '{found}' in the PATTERN")):
        parse_pattern(pattern)


def test_limits() -> None:
    with pytest.raises(UnsupportedError, match="PERMUTE of more than 6 patterns"):
        parse_pattern("PERMUTE(A, B, C, D, E, F, G)")
    with pytest.raises(UnsupportedError, match="a PATTERN of more than 10000 steps"):
        Matcher(parse_pattern("((A{100}){100}){2}"))

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snowpipe_ml.sql import Identifier, QualifiedName

HOSTILE = [
    "a b",
    'a"b',
    "x; DROP TABLE t",
    "--",
    "/*",
    "ünïcode",
    "ＳＥＬＥＣＴ",
    "a.b",
    "'",
    "\n",
    "select",
    "1a",
    "ÅNGSTRÖM",
]


def test_unquoted_is_stored_upper() -> None:
    assert Identifier.parse("trips") == Identifier.parse('"TRIPS"') == Identifier("TRIPS")
    assert Identifier.parse('"trips"').sql == '"trips"'


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_one_name(name: str) -> None:
    text = Identifier(name).sql
    assert QualifiedName.parse(text) == QualifiedName((Identifier(name),))


@given(st.lists(st.text(min_size=1, max_size=20).filter(lambda s: "\0" not in s), min_size=1, max_size=3))
def test_round_trip(names: list[str]) -> None:
    name = QualifiedName.of(*names)
    assert QualifiedName.parse(name.sql) == name


@pytest.mark.parametrize("text", ["", "a b", "a.", ".a", "a.b.c.d", "1a", "a;b", "a-b", '"a', "select"])
def test_refuses_what_is_no_name(text: str) -> None:
    with pytest.raises(ValueError):
        QualifiedName.parse(text)


def test_reserved_word_says_what_to_do() -> None:
    with pytest.raises(ValueError, match='needs double quotes: "TABLE"'):
        Identifier.parse("table")

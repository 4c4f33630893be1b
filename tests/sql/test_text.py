from __future__ import annotations

import datetime as dt
import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snowpipe_ml.errors import UnsafeSqlError
from snowpipe_ml.sql import DataType, Identifier, Literal, Secret, Sql, StagePath, join, sql


def test_template_takes_fragments_alone() -> None:
    statement = sql(
        "SELECT {c} FROM {t} WHERE x = {v}", c=Identifier("a b"), t=Identifier("T"), v=Literal("it's")
    )
    assert str(statement) == "SELECT \"a b\" FROM T WHERE x = 'it''s'"
    with pytest.raises(UnsafeSqlError, match="bare str"):
        sql("SELECT {x}", x="1; DROP TABLE t")
    with pytest.raises(UnsafeSqlError, match="bare int"):
        join(", ", [1])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (7, "7"),
        (1.5, "1.5"),
        (Decimal("1.50"), "1.50"),
        ("a\\b'c", "'a\\\\b''c'"),
        (dt.date(2020, 1, 2), "'2020-01-02'::DATE"),
        (["a", 1], "('a', 1)"),
        (dt.datetime(2020, 1, 2, 3), "'2020-01-02 03:00:00'::TIMESTAMP_NTZ"),
        (float("nan"), "'NaN'::FLOAT"),
    ],
)
def test_literals(value: Any, text: str) -> None:
    assert Literal(value).sql == text


def test_no_literal_for_an_object() -> None:
    with pytest.raises(UnsafeSqlError, match="no SQL literal for a dict"):
        _ = Literal({}).sql


@given(st.text(max_size=60).filter(lambda s: "\0" not in s))
def test_a_text_comes_back_from_the_warehouse(text: str) -> None:
    from snowpipe_ml.local.syntax.reader import unquote

    assert unquote(Literal(text).sql) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("number(10, 2)", "NUMBER(10, 2)"),
        ("string", "VARCHAR"),
        ("double precision", "FLOAT"),
        ("integer", "INT"),
    ],
)
def test_data_types(text: str, canonical: str) -> None:
    assert DataType.parse(text).sql == canonical


@pytest.mark.parametrize("text", ["nubmer", "number(39)", "number(5, 6)", "date(3)", "int; drop table t", ""])
def test_bad_data_types(text: str) -> None:
    with pytest.raises(ValueError):
        DataType.parse(text)


def test_stage_paths() -> None:
    path = StagePath.parse("@load_stage/trips/")
    assert path.sql == "'@LOAD_STAGE/trips/'"
    assert path.child("old/").overlaps(path)
    assert path.overlaps(StagePath.parse("@load_stage"))
    assert not path.overlaps(StagePath.parse("@load_stage/weather/"))
    for bad in ("load_stage", "@a/../b", "@"):
        with pytest.raises(ValueError):
            StagePath.parse(bad)


def test_secret_is_stars_everywhere() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {secret:>10} {[secret]}"
    assert secret.reveal() == "hunter2"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(UnsafeSqlError):
        sql("ALTER USER x SET PASSWORD = {p}", p=secret)
    assert str(Sql("x")) == "x"

"""Snapshots of ``transform``: tables with the history of their rows."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml.plugins import RunContext, RunInfo
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql
from snowpipe_ml.steps.data.row_versions import Versions, record_versions
from tests.steps.test_incremental import Shop

NAME, ID, N, AT = QualifiedName.of("SHOPS"), Identifier("ID"), Identifier("N"), Identifier("AT")
START = datetime(2024, 1, 1)


@pytest.fixture
def record(session: Any, tmp_path: Path) -> Callable[..., str]:
    """Record the versions of a query in a run that starts a number of days after 2024-01-01."""

    def recorded(table: Versions, query: str, day: int) -> str:
        at = START + timedelta(days=day)
        ctx = RunContext(
            base_dir=tmp_path,
            cache_dir=tmp_path,
            target="local",
            scope={},
            opened=session,
            run=RunInfo(f"R{day}", at, f"M{day}", at.date()),
        )
        return record_versions(ctx, table, Sql(query)).message

    return recorded


def rows(*values: tuple[object, ...], columns: str = "ID, N") -> str:
    listed = ", ".join(
        "(" + ", ".join("NULL" if v is None else repr(v) for v in value) + ")" for value in values
    )
    return f"SELECT * REPLACE (N::NUMBER AS N) FROM VALUES {listed} AS V ({columns})"


def test_a_changed_row_has_a_new_version(record: Callable[..., str], query: Any) -> None:
    table = Versions(NAME, (ID,))
    assert record(table, rows((1, 1), (2, None)), 0) == "first versions"
    assert record(table, rows((1, 1), (2, 5), (3, 3)), 1) == "2 inserted, 1 updated"
    assert record(table, rows((1, 1), (2, 5), (3, 3)), 2) == "0 inserted"
    assert record(table, rows((2, None)), 3) == "1 inserted, 1 updated"
    assert query(
        "SELECT ID, N, VALID_FROM::DATE::VARCHAR, VALID_TO::DATE::VARCHAR FROM SHOPS ORDER BY 1, 3"
    ) == [
        (1, 1, "2024-01-01", None),
        (2, None, "2024-01-01", "2024-01-02"),
        (2, 5, "2024-01-02", "2024-01-04"),
        (2, None, "2024-01-04", None),
        (3, 3, "2024-01-02", None),
    ]


def test_a_row_that_is_gone_is_closed_and_may_return(record: Callable[..., str], query: Any) -> None:
    table = Versions(NAME, (ID,), close_deleted=True)
    record(table, rows((1, 1), (2, 2)), 0)
    assert record(table, rows((2, 2)), 1) == "0 inserted, 1 updated"
    assert record(table, rows((1, 1), (2, 2)), 2) == "1 inserted"
    assert query("SELECT ID, VALID_TO IS NULL FROM SHOPS ORDER BY ID, VALID_FROM") == [
        (1, False),
        (1, True),
        (2, True),
    ]


def test_versions_start_when_the_row_was_updated(record: Callable[..., str], query: Any) -> None:
    table = Versions(NAME, (ID,), updated_at=AT)

    def at(day: int, n: int) -> str:
        return f"SELECT 1 AS ID, {n} AS N, '2023-05-{day:02}'::DATE AS AT"

    record(table, at(1, 1), 0)
    assert record(table, at(1, 9), 1) == "0 inserted"  # it says that it was not updated
    assert record(table, at(3, 9), 2) == "1 inserted, 1 updated"
    assert query("SELECT N, VALID_FROM::VARCHAR, VALID_TO::VARCHAR FROM SHOPS ORDER BY 2") == [
        (1, "2023-05-01", "2023-05-03"),
        (9, "2023-05-03", None),
    ]


def test_only_the_checked_columns_count(record: Callable[..., str], query: Any) -> None:
    table = Versions(NAME, (ID,), check=(N,))
    record(table, rows((1, 1, "a"), columns="ID, N, NOTE"), 0)
    assert record(table, rows((1, 1, "b"), columns="ID, N, NOTE"), 1) == "0 inserted"
    assert query("SELECT NOTE FROM SHOPS") == [("a",)]


@pytest.mark.parametrize(
    ("seed", "days"),
    [(0, 6), (1, 6), *(pytest.param(seed, 30, marks=pytest.mark.stress) for seed in range(2, 7))],
)
def test_each_past_state_can_be_read(record: Callable[..., str], query: Any, seed: int, days: int) -> None:
    chance = random.Random(seed)
    table = Versions(NAME, (ID,), close_deleted=True)
    states = []
    for day in range(days):
        state = {key: chance.choice([1, 2, None]) for key in range(5) if chance.random() < 0.7} or {9: 1}
        record(table, rows(*state.items()), day)
        states.append(state)
    for day, state in enumerate(states):
        at = f"'{START + timedelta(days=day, hours=1)}'"
        found = query(f"SELECT ID, N FROM SHOPS WHERE VALID_FROM <= {at} AND COALESCE(VALID_TO > {at}, TRUE)")
        assert dict(found) == state


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path, "key: [ID]", "SELECT ID, N FROM {{ ref('events') }}")
    yield made
    made.session.close()


def test_a_full_refresh_keeps_the_history(shop: Shop) -> None:
    at = shop
    spec = at.pipeline.path
    spec.write_text(spec.read_text().replace("incremental", "snapshot"))
    at.run(select=["tables.events"])
    at.sql("INSERT INTO EVENTS VALUES (1, 'a', '2024-01-01', 1)")
    at.run()
    at.sql("UPDATE EVENTS SET N = 2")
    assert at.run(full_refresh=True).steps["totals"].message == "1 inserted, 1 updated"
    assert at.sql("SELECT N, VALID_TO IS NULL FROM TOTALS ORDER BY N") == [(1, False), (2, True)]


def test_the_columns_of_versions_are_those_of_the_table(record: Callable[..., str], query: Any) -> None:
    with pytest.raises(
        Exception, match="the query has a column VALID_TO, which the table SHOPS adds: rename it"
    ):
        record(Versions(NAME, (ID,)), "SELECT 1 AS ID, 2 AS VALID_TO", 0)
    query("CREATE TABLE SHOPS (ID NUMBER)")
    with pytest.raises(Exception, match="the table SHOPS has no columns VALID_FROM and VALID_TO"):
        record(Versions(NAME, (ID,)), "SELECT 1 AS ID", 0)


def test_the_statements_are_as_snowflake_documents_them(golden: Callable[[str, str], None]) -> None:
    """Read against the pages CREATE TABLE, UPDATE and INSERT."""
    at, query = Literal(START), Sql("SELECT * FROM CUSTOMERS")
    texts = []
    for table in (Versions(NAME, (ID,), close_deleted=True), Versions(NAME, (ID,), updated_at=AT)):
        statements = (table.stage(query), table.first(query, at), *table.publish((ID, N, AT), at))
        texts += [f"{statement.text};" for statement in statements]
    golden("row_versions.sql", "\n".join(texts) + "\n")

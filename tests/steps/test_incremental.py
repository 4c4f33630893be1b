"""Incremental tables of ``transform``."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.engine.run.outcome import RunResult
from snowpipe_ml.errors import SpecError
from snowpipe_ml.plugins import Interval
from snowpipe_ml.sql import Identifier, QualifiedName, Sql
from snowpipe_ml.steps.data.incremental import Incremental, Lookback
from tests.conftest import write_spec

Rows = list[tuple[Any, ...]]


class Shop:
    """A pipeline with the incremental table TOTALS over EVENTS, and a Session on its warehouse."""

    def __init__(self, folder: Path, settings: str, query: str) -> None:
        self.pipeline = Pipeline.from_yaml(
            write_spec(
                folder,
                "tables: {events: {columns: {ID: number, SHOP: varchar, AT: timestamp_ntz, N: number}}}\n"
                "steps:\n"
                "  totals:\n"
                f"    {{type: transform, writes: totals, materialized: incremental, {settings},\n"
                f'     query: "{query}"}}\n',
            )
        )
        self.session = self.pipeline.session()

    def sql(self, text: str) -> Rows:
        return [tuple(row) for row in self.session.sql(text).collect()]

    def run(self, **options: Any) -> RunResult:
        result = self.pipeline.run(**options)
        assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
        return result

    def failure(self) -> str:
        result = self.pipeline.run()
        assert not result.ok
        return result.steps["totals"].message


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """Make the table EVENTS, and keep the warehouse open between the runs, which then need not open it again."""
    shops: list[Shop] = []

    def made(settings: str, query: str = "SELECT * FROM {{ ref('events') }}") -> Shop:
        shops.append(Shop(tmp_path, settings, query))
        if len(shops) == 1:
            shops[0].run(select=["tables.events"])
        return shops[-1]

    yield made
    for one in shops:
        one.session.close()


ADD = "INSERT INTO EVENTS SELECT * FROM VALUES "


def test_append_adds_the_rows_after_the_greatest_value(shop: Callable[..., Shop]) -> None:
    at = shop("since: AT")
    at.sql(ADD + "(1, 'a', '2024-01-01', 1), (2, 'a', '2024-01-02', 2), (0, 'a', NULL, 0)")
    assert at.run().steps["totals"].rows == 3
    at.sql(ADD + "(3, 'b', '2024-01-03', 3), (4, 'b', '2023-12-31', 4)")
    done = at.run().steps["totals"]
    assert (done.rows, done.message, done.metrics["inserted"]) == (1, "1 inserted", 1)
    assert at.sql("SELECT ID FROM TOTALS ORDER BY ID") == [(0,), (1,), (2,), (3,)]
    assert at.run().steps["totals"].status.value == "reused"
    assert at.run(full_refresh=True).steps["totals"].rows == 5
    assert at.sql("SELECT COUNT(*) FROM TOTALS") == [(5,)]
    assert at.sql("SHOW TABLES LIKE '%NEW_ROWS%'") == []


def test_an_empty_table_gets_all_rows(shop: Callable[..., Shop]) -> None:
    at = shop("since: AT")
    assert at.run().steps["totals"].rows == 0
    at.sql(ADD + "(1, 'a', '2024-01-01', 1), (2, 'a', NULL, 2)")
    assert at.run().steps["totals"].rows == 2


def test_merge_updates_only_rows_that_differ(shop: Callable[..., Shop]) -> None:
    at = shop("key: [ID]")
    at.sql(ADD + "(1, 'a', '2024-01-01', 1), (2, 'a', '2024-01-02', NULL)")
    at.run()
    at.sql("UPDATE EVENTS SET N = 5 WHERE ID = 2")
    at.sql(ADD + "(3, 'b', '2024-01-03', 3)")
    done = at.run().steps["totals"]
    assert (done.rows, done.message) == (2, "1 inserted, 1 updated")
    assert at.sql("SELECT ID, N FROM TOTALS ORDER BY ID") == [(1, 1), (2, 5), (3, 3)]


def test_delete_insert_replaces_the_rows_of_a_key(shop: Callable[..., Shop]) -> None:
    at = shop(
        "key: [DAY], strategy: delete_insert, since: DAY, lookback: 1 day",
        "SELECT AT::DATE AS DAY, ID FROM {{ ref('events') }}",
    )
    at.sql(ADD + "(1, 'a', '2023-12-30', 1), (2, 'b', '2024-01-01', 2), (3, 'b', '2024-01-02', 3)")
    at.run()
    at.sql("DELETE FROM EVENTS WHERE ID < 3")
    at.sql(ADD + "(4, 'b', '2024-01-01 12:00', 4), (5, 'b', '2024-01-01 13:00', 5)")
    done = at.run().steps["totals"]
    assert done.message == "3 inserted, 2 deleted"
    assert at.sql("SELECT ID FROM TOTALS ORDER BY ID") == [(1,), (3,), (4,), (5,)]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.stress) for seed in range(1, 6))])
def test_increments_end_in_the_table_of_a_full_refresh(shop: Callable[..., Shop], seed: int) -> None:
    chance = random.Random(seed)
    at = shop(
        "key: [SHOP, DAY], since: DAY, lookback: 2 days",
        "SELECT SHOP, AT::DATE AS DAY, SUM(N) AS N FROM {{ ref('events') }} GROUP BY 1, 2",
    )
    day = datetime(2024, 1, 1)
    for _ in range(8):
        day += timedelta(days=chance.randint(0, 2))
        rows = [
            f"({chance.randint(1, 9)}, '{chance.choice('abc')}', '{day - timedelta(days=chance.randint(0, 2)):%F}', 1)"
            for _ in range(5)
        ]
        at.sql(ADD + ", ".join(rows))
        at.run()
    added = at.sql("SELECT * FROM TOTALS ORDER BY ALL")
    at.run(full_refresh=True)
    assert at.sql("SELECT * FROM TOTALS ORDER BY ALL") == added


def test_a_query_can_choose_its_new_rows(shop: Callable[..., Shop]) -> None:
    at = shop(
        "key: [ID]",
        "SELECT * FROM {{ ref('events') }} {% if incremental %} WHERE ID > {{ previous('ID') }} {% endif %}",
    )
    at.sql(ADD + "(1, 'a', '2024-01-01', 1)")
    at.run()
    at.sql("UPDATE EVENTS SET N = 7")
    at.sql(ADD + "(2, 'a', '2024-01-01', 2)")
    assert at.run().steps["totals"].message == "1 inserted"
    assert at.sql("SELECT ID, N FROM TOTALS ORDER BY ID") == [(1, 1), (2, 2)]


def test_a_failure_leaves_the_table_as_it_was(shop: Callable[..., Shop]) -> None:
    at = shop("key: [ID]")
    at.sql(ADD + "(1, 'a', '2024-01-01', 1)")
    at.run()
    at.sql(ADD + "(2, 'b', '2024-01-01', 1), (2, 'c', '2024-01-01', 1)")
    assert "2 new rows of TOTALS have the same key (ID 2)" in at.failure()
    at.sql("DELETE FROM EVENTS WHERE SHOP = 'c'")
    at.sql(ADD + "(NULL, 'd', '2024-01-01', 1)")
    assert "a new row of TOTALS has no key (ID None)" in at.failure()
    assert at.sql("SELECT ID FROM TOTALS") == [(1,)]


def test_new_columns_have_the_types_of_the_query(shop: Callable[..., Shop]) -> None:
    at = shop("key: [ID]", "SELECT ID FROM {{ ref('events') }}")
    at.sql(ADD + "(1, 'a', '2024-01-01', 1)")
    at.run()
    more = (
        "AT::DATE AS D, AT::TIME AS T, AT, AT::TIMESTAMP_LTZ AS L, N / 2::FLOAT AS F, N > 0 AS B, N::VARIANT AS V, "
        "TO_BINARY('00') AS Y, N::NUMBER(9, 2) AS N, N::VARCHAR(5) AS C"
    )
    shop(
        "key: [ID], on_schema_change: append_new_columns", f"SELECT ID, {more} FROM {{{{ ref('events') }}}}"
    ).run()
    assert [str(kind) for _, kind, *_ in at.sql("DESCRIBE TABLE TOTALS")] == [
        *(
            "NUMBER(38,0)",
            "DATE",
            "TIME(9)",
            "TIMESTAMP_NTZ(9)",
            "TIMESTAMP_LTZ(9)",
            "FLOAT",
            "BOOLEAN",
            "VARIANT",
        ),
        *("BINARY(8388608)", "NUMBER(9,2)", "VARCHAR(5)"),
    ]


def test_other_columns_fail_are_added_or_are_ignored(shop: Callable[..., Shop]) -> None:
    before = "SELECT ID, SHOP::VARCHAR(1) AS SHOP FROM {{ ref('events') }}"
    after = "SELECT ID, SHOP || '!' AS SHOP, N FROM {{ ref('events') }}"
    at = shop("key: [ID]", before)
    at.sql(ADD + "(1, 'a', '2024-01-01', 1)")
    at.run()
    changed = shop("key: [ID]", after)
    assert "the query adds N. Set on_schema_change to append_new_columns or ignore" in changed.failure()
    ignoring = shop("key: [ID], on_schema_change: ignore", after)
    ignoring.run()
    assert at.sql("SELECT * FROM TOTALS") == [(1, "a!")]
    adding = shop("key: [ID], on_schema_change: append_new_columns", after)
    assert adding.run().steps["totals"].message == "0 inserted, 1 updated, new columns: N"
    assert at.sql("SELECT * FROM TOTALS") == [(1, "a!", 1)]


def test_the_statements_are_as_snowflake_documents_them(golden: Callable[[str, str], None]) -> None:
    """Read against the pages CREATE TABLE, INSERT, DELETE, MERGE and ALTER TABLE ... ALTER COLUMN."""
    name, day, shop = (QualifiedName.of("TOTALS"), Identifier("DAY"), Identifier("SHOP"))
    columns = (day, shop, Identifier("N"))
    query = Sql("SELECT * FROM EVENTS")
    march = Interval.parse("2022-03-01..2022-04-01")
    tables = [
        Incremental(name, "append", since=day),
        Incremental(name, "merge", (day, shop), day, Lookback(2, "DAY")),
        Incremental(name, "delete_insert", (day,), day),
    ]
    texts = []
    for one in tables:
        texts += [f"-- {one.strategy}"]
        texts += [f"{s.text};" for s in (one.stage(one.new_rows(query)), *one.publish(columns))]
        texts += [f"-- {one.strategy}, an interval"]
        texts += [f"{s.text};" for s in (one.stage(one.rows_of(query, march)), *one.replace(columns, march))]
    golden("incremental.sql", "\n".join(texts) + "\n")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("key: [ID]", "key is for `materialized: incremental or snapshot` only"),
        ("materialized: incremental, key: [ID], check: [N]", "check is for `materialized: snapshot` only"),
        ("materialized: snapshot", "a snapshot needs the key of a row"),
        ("materialized: snapshot, key: [ID], check: [N], updated_at: AT", "give either check or updated_at"),
        ("materialized: incremental", "the strategy append needs since"),
        ("materialized: incremental, strategy: merge", "the strategy merge needs a key"),
        ("materialized: incremental, strategy: append, key: [ID]", "the strategy append has no key"),
        ("materialized: incremental, since: AT, lookback: 1 day", "lookback needs since and a key"),
        (
            "materialized: incremental, strategy: delete_insert, key: [ID], since: AT",
            "AT must be a column of the key",
        ),
        ("materialized: incremental, key: [ID], since: AT, lookback: soon", "such as '3 days', not 'soon'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(tmp_path: Path, settings: str, message: str) -> None:
    spec = write_spec(
        tmp_path, f"steps:\n  s: {{type: transform, writes: t, query: SELECT 1 AS ID, {settings}}}\n"
    )
    with pytest.raises(SpecError, match=message) as caught:
        Pipeline.from_yaml(spec).validate()
    assert caught.value.problems[0].position.line > 1

"""`snowpipe-ml diff-data`: tables of two targets, on one connection and on two."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from snowpipe_ml import local
from snowpipe_ml.cli.main import main
from snowpipe_ml.data_diff.columns import described, schema_differences, shared
from snowpipe_ml.data_diff.found import Found, Pair
from snowpipe_ml.data_diff.hashed import compare_hashed
from snowpipe_ml.data_diff.joined import compare_joined
from snowpipe_ml.plugins.connection import Connection
from snowpipe_ml.sql import Identifier, QualifiedName

HERE, THERE = QualifiedName.of("HERE"), QualifiedName.of("THERE")


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    with closing(local.connect(None, "DEMO", "PUBLIC")) as opened:
        yield opened


@pytest.fixture(params=[compare_joined, lambda opened, pair: compare_hashed(opened, opened, pair)])
def compare(request: pytest.FixtureRequest, connection: Connection) -> Callable[[str, str, str], Found]:
    """Compares two tables by a key, or by whole rows, on one connection and on two."""

    def compared(here: str, there: str, key: str) -> Found:
        pair = pair_of(connection, here, there, key)
        found: Found = request.param(connection, pair)
        return found

    return compared


def pair_of(connection: Connection, here: str, there: str, key: str) -> Pair:
    cursor = connection.cursor()
    cursor.execute(f"CREATE OR REPLACE TABLE HERE AS {here}")
    cursor.execute(f"CREATE OR REPLACE TABLE THERE AS {there}")
    columns = shared(described(connection, HERE) or {}, described(connection, THERE) or {})
    names = [Identifier(name) for name in key.split(",") if name] or [
        column.name for column in columns if not column.is_float
    ]
    return Pair(
        HERE,
        THERE,
        [column for column in columns if column.name in names],
        [column for column in columns if column.name not in names],
        1e-9,
    )


EVERY_TYPE = """
SELECT $1 AS ID, IFF(ID = 1, NULL, 'a') AS S, $2::FLOAT AS F, PARSE_JSON($3) AS V, $4::NUMBER(10, 2) AS N, ID = 2 AS B,
    '2024-03-10 02:30:00.123456'::TIMESTAMP_NTZ AS T, '2024-01-01'::DATE AS D, '01:02:03'::TIME AS C,
    '2024-01-01 00:00:00 +0100'::TIMESTAMP_TZ AS Z, TO_BINARY('ff', 'HEX') AS X, ARRAY_CONSTRUCT(ID) AS A
FROM VALUES (1, 'NaN', '{"a": 1, "b": null}', 1.5), (2, 'inf', '[1]', NULL), (NULL, NULL, NULL, 2)
"""


@pytest.mark.parametrize("key", ["ID", ""])
def test_equal_tables_of_every_type(compare: Callable[..., Found], key: str) -> None:
    there = EVERY_TYPE.replace('{"a": 1, "b": null}', '{"b": null, "a": 1}')
    found = compare(EVERY_TYPE, there, key)
    assert not found.differs, found
    assert (found.here, found.there, found.repeated_here) == (3, 3, 0)


def test_each_type_of_difference(compare: Callable[..., Found]) -> None:
    others = {
        "S": "''",  # NULL and an empty text
        "T": "'2024-03-10 02:30:00.123457'::TIMESTAMP_NTZ",  # a microsecond
        "Z": "'2024-01-01 00:00:00 +0000'::TIMESTAMP_TZ",
        "V": "PARSE_JSON('{}')",
        "X": "TO_BINARY('fe', 'HEX')",
        "B": "TRUE",
        "C": "'01:02:04'::TIME",
        "D": "'2024-01-02'::DATE",
    }
    here = f"SELECT * FROM ({EVERY_TYPE}) WHERE ID = 1"
    replaced = ", ".join(f"{other} AS {column}" for column, other in others.items())
    found = compare(here, f"SELECT * REPLACE ({replaced}) FROM ({here})", "ID")
    assert (found.changed, found.only_here, found.only_there) == (1, 0, 0)
    assert found.columns == dict.fromkeys(others, 1)


def test_floats_that_are_no_numbers(compare: Callable[..., Found]) -> None:
    here, there = (
        f"SELECT $1 AS ID, $2::FLOAT AS F FROM VALUES {rows}"
        for rows in (
            "(1, 'NaN'), (2, 'inf'), (3, NULL), (4, 'NaN'), (5, 'inf'), (6, 'NaN'), (7, '0')",
            "(1, '0'), (2, '0'), (3, 'NaN'), (4, 'inf'), (5, '-inf'), (6, 'NaN'), (7, '1e-12')",
        )
    )
    assert compare(here, there, "ID").changed == 5


def test_rows_and_columns_that_differ(compare: Callable[..., Found]) -> None:
    found = compare(
        "SELECT $1 AS ID, $2 AS A, $3 AS B, $4::FLOAT AS F FROM VALUES (1, 'x', 1, 0.1), (2, 'y', 1, 1), (3, 'z', 1, 1), (4, 'z', 1, 1)",
        "SELECT $1 AS ID, $2 AS A, $3 AS B, $4::FLOAT AS F FROM VALUES (1, 'x', 1, 0.1000000000001), (2, 'Y', 2, 1), (3, NULL, 1, 1), (5, 'z', 1, 1)",
        "ID",
    )
    assert (found.only_here, found.only_there, found.changed) == (1, 1, 2)
    assert found.columns == {"A": 2, "B": 1}
    changed = next(each for each in found.sample if each.expected and each.expected["ID"] == "2")
    assert changed.actual is not None
    assert changed.actual["A"] == "Y"


def test_copies_of_a_row_count(compare: Callable[..., Found]) -> None:
    here, there = (
        f"SELECT $1 AS ID, $2 AS A FROM VALUES {rows}"
        for rows in ("(1, 'a'), (1, 'a'), (1, 'b')", "(1, 'b'), (1, 'a'), (1, 'b')")
    )
    by_key = compare(here, there, "ID")
    assert (by_key.repeated_here, by_key.repeated_there, by_key.changed) == (2, 2, 1)
    whole = compare(here, there, "")
    assert (whole.only_here, whole.only_there) == (1, 1)
    fewer = compare(here, there + " LIMIT 0", "")
    assert (fewer.only_here, fewer.only_there) == (3, 0)


def test_types_that_differ(compare: Callable[..., Found], connection: Connection) -> None:
    here = "SELECT 1::NUMBER(38, 0) AS ID, 2::NUMBER(10, 2) AS N, '3' AS S, '2024-01-01 00:00:00 +0100'::TIMESTAMP_TZ AS T, 1::NUMBER AS F"
    there = "SELECT 1::NUMBER(10, 2) AS ID, 2::NUMBER(38, 0) AS N, 3 AS S, '2024-01-01 00:00:00 +0100'::TIMESTAMP_TZ::TIMESTAMP_LTZ AS T, 1::FLOAT AS F"
    found = compare(here, there, "ID")
    assert not found.differs, found
    names = {
        name
        for name, *_ in schema_differences(
            described(connection, HERE) or {}, described(connection, THERE) or {}
        )
    }
    assert names == {"ID", "N", "S", "T", "F"}


def test_many_rows_are_not_read(connection: Connection) -> None:
    rows = "SELECT SEQ4() AS ID, {value} AS A FROM TABLE(GENERATOR(ROWCOUNT => 2000))"
    equal = pair_of(connection, rows.format(value="1"), rows.format(value="1"), "ID")
    assert not compare_hashed(connection, connection, equal, most=0).differs
    one = pair_of(connection, rows.format(value="1"), rows.format(value="IFF(ID = 77, 2, 1)"), "ID")
    found = compare_hashed(connection, connection, one, most=1000)
    assert (found.changed, found.unread) == (1, 0)
    every = pair_of(connection, rows.format(value="1"), rows.format(value="2"), "ID")
    found = compare_hashed(connection, connection, every, most=1000)
    assert 0 < found.changed <= 500
    assert found.unread == 4000 - 2 * found.changed
    assert compare_hashed(connection, connection, every, most=0).differs


SPEC = """\
name: shop
default_target: here
targets:
  here: {type: local, path: one, database: DEMO, schema: A}
  beside: {type: local, path: one, database: DEMO, schema: B}
  other: {type: local, path: two, database: DEMO, schema: A}
  nothing: {type: local, path: three, database: DEMO}
tables: {events: {columns: {ID: number, NAME: varchar}}}
steps:
  orders: {type: transform, query: "SELECT 1 AS ID, 2 AS AMOUNT", writes: orders, materialized: incremental, key: [ID]}
  daily: {type: transform, query: "SELECT 1 AS N", writes: daily}
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.yaml").write_text(SPEC)
    for path, schema, amount in (("one", "A", 5), ("one", "B", 6), ("two", "A", 6)):
        with closing(local.connect(folder / path, "DEMO", schema)) as opened:
            cursor = opened.cursor()
            cursor.execute(
                f"CREATE TABLE ORDERS AS SELECT $1 AS ID, $2 AS AMOUNT, REPEAT('n', 60) AS NOTE, REPEAT('m', 60) AS MORE, REPEAT('l', 60) AS LESS FROM VALUES (1, 1), (2, {amount})"
            )
            cursor.execute("CREATE TABLE EVENTS (ID NUMBER, NAME VARCHAR)")
            if amount == 5:
                cursor.execute("CREATE TABLE DAILY AS SELECT 1 AS N")
    return folder / "shop.yaml"


def diff(spec: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["diff-data", str(spec), *arguments])


@pytest.mark.parametrize("other", ["beside", "other"])
def test_targets_are_compared(spec: Path, other: str) -> None:
    done = diff(spec, "--with", other)
    assert done.exit_code == 1, done.output
    lines = done.output.splitlines()
    assert "✓ EVENTS  0 rows by whole rows" in lines
    assert "✗ DAILY  only on here" in lines
    assert "✗ ORDERS  2 rows by ID" in lines  # the key of the step
    assert "  by column: AMOUNT 1" in lines
    assert lines[-1] == "2 of 3 tables differ"
    assert max(map(len, lines)) <= 80
    assert lines[lines.index(f"  - is here, + is {other}") + 1].split() == [
        "ID",
        "|",
        "AMOUNT",
        "|",
        "NOTE",
        "|",
        "MORE",
    ]


def test_options(spec: Path) -> None:
    assert diff(spec, "--with", "beside", "--select", "ev*").exit_code == 0
    ignored = diff(spec, "--with", "beside", "--select", "orders", "--ignore", "amount")
    assert ignored.output == "✓ ORDERS  2 rows by ID\n1 table, no difference\n"
    key = ("--key", "events=NAME", "--key", "orders=amount")
    found = json.loads(
        diff(spec, "--with", "other", "--select", "orders", "--select", "events", "--json", *key).stdout
    )
    by_name = {each["table"]: each for each in found}
    assert by_name["ORDERS"]["key"] == ["AMOUNT"]
    assert by_name["ORDERS"]["only"] == {"a": 1, "b": 1}
    assert by_name["EVENTS"]["differs"] is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--with", "here"], "--target and --with are both here"),
        (["--with", "nothing"], "nothing exists on nothing yet"),
        (["--with", "beside", "--select", "nope"], "--select nope: no such table; the spec has"),
        (["--with", "beside", "--key", "nope=ID"], "--key nope=ID: nope is not compared"),
        (["--with", "beside", "--key", "A B"], "expected [TABLE=]COLUMN,COLUMN"),
        (
            ["--with", "beside", "--key", "orders=NOPE"],
            "ORDERS has no column NOPE on both targets; it has ID",
        ),
    ],
)
def test_refusals(spec: Path, arguments: list[str], message: str) -> None:
    done = diff(spec, *arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_declared_key_that_is_not_unique(spec: Path) -> None:
    with closing(local.connect(spec.parent / "two", "DEMO", "A")) as opened:
        opened.cursor().execute(
            "CREATE OR REPLACE TABLE ORDERS AS SELECT 1 AS ID, $1 AS AMOUNT FROM VALUES (1), (1)"
        )
    lines = diff(spec, "--with", "other", "--select", "orders").output.splitlines()
    assert "  ID is not unique, so whole rows are compared" in lines
    assert any(line.startswith("  column NOTE only on here: VARCHAR") for line in lines)

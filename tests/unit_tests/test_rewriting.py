"""`snowpipe-ml test --update`: the expectation is written, and comments and layout stay."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from snowpipe_ml.cli.main import main
from snowpipe_ml.errors import UsageError
from snowpipe_ml.unit_tests.rewriting import Update, rewrite
from snowpipe_ml.unit_tests.suite import find_tests, run_tests

SPEC = """\
name: shop
targets: {local: {type: local, path: warehouse, database: SHOP}}
tables: {orders: {columns: {ID: number, DAY: date, AMOUNT: "number(10, 2)", NOTE: varchar}}}
steps:
  doubled:
    type: transform
    query: "SELECT ID, DAY, AMOUNT * 2 AS AMOUNT, NOTE FROM {{ ref('orders') }} WHERE ID < 5"
    writes: doubled
"""
TESTS = """\
# the tests of the shop
tests:
  first:  # why it is here
    given:
      orders: [{ID: 1, DAY: 2024-01-01, AMOUNT: 5}, {ID: 2, AMOUNT: 1.5, NOTE: "a: b, c"}]
    expect:
      doubled:
        - {ID: 1, AMOUNT: 10, NOTE: null}   # right
        # a wrong one
        - {ID: 2, AMOUNT: 4}   # to be changed

        - {ID: 9, AMOUNT: 3}   # to be deleted
  second:
    given: {orders: [{ID: 1, AMOUNT: 1}, {ID: 7}]}
    expect: {doubled: {count: 5, rows: [{ID: 1, AMOUNT: 3}, {ID: 7, AMOUNT: null}]}}
  third:
    given: {orders: [{ID: 1, AMOUNT: 1, NOTE: x}, {ID: 2, NOTE: z}]}
    expect:
      doubled:
        - ID: 1
          NOTE: y  # a block
  fourth:
    given: {orders: [{ID: 4, AMOUNT: 1, NOTE: "no"}]}
    expect: {doubled: wanted.csv}
"""
UPDATED = """\
# the tests of the shop
tests:
  first:  # why it is here
    given:
      orders: [{ID: 1, DAY: 2024-01-01, AMOUNT: 5}, {ID: 2, AMOUNT: 1.5, NOTE: "a: b, c"}]
    expect:
      doubled:
        - {ID: 1, AMOUNT: 10, NOTE: null}   # right
        # a wrong one
        - {ID: 2, AMOUNT: 3.00, NOTE: 'a: b, c'}   # to be changed

  second:
    given: {orders: [{ID: 1, AMOUNT: 1}, {ID: 7}]}
    expect: {doubled: {count: 1, rows: [{ID: 1, AMOUNT: 2.00}]}}
  third:
    given: {orders: [{ID: 1, AMOUNT: 1, NOTE: x}, {ID: 2, NOTE: z}]}
    expect:
      doubled:
        - ID: 1
          NOTE: x  # a block
        - {ID: 2, NOTE: z}
  fourth:
    given: {orders: [{ID: 4, AMOUNT: 1, NOTE: "no"}]}
    expect: {doubled: wanted.csv}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(SPEC)
    (tmp_path / "shop.tests.yaml").write_text(TESTS)
    (tmp_path / "wanted.csv").write_text("ID,NOTE\n4,yes\n")
    return path


def test_update_asks_and_writes(spec: Path) -> None:
    tests = spec.with_name("shop.tests.yaml")
    declined = CliRunner().invoke(
        main, ["test", str(spec), "--update", "--workers", "1"], input="n\nn\nn\nn\n"
    )
    assert declined.exit_code == 1, declined.output
    assert tests.read_text() == TESTS
    accepted = CliRunner().invoke(main, ["test", str(spec), "--update", "--yes", "--workers", "1"])
    assert accepted.exit_code == 0, accepted.output
    assert tests.read_text() == UPDATED
    assert spec.with_name("wanted.csv").read_text() == "ID,NOTE\n4,no\n"
    assert all(result.ok for result in run_tests(spec, find_tests(spec), workers=1))


def test_an_error_is_not_updated(spec: Path) -> None:
    spec.with_name("shop.tests.yaml").write_text(
        "tests: {fails: {given: {orders: []}, step: doubled, error: nothing like this}}"
    )
    done = CliRunner().invoke(main, ["test", str(spec), "--update", "--yes"])
    assert done.exit_code == 1
    assert "no step failed" in done.output


def _update(tmp_path: Path, text: str, *changes: tuple[int | None, dict[str, object] | None]) -> str:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    rewrite(file, [("t", Update("a", changes=changes))])
    yaml.safe_load(file.read_text())
    return file.read_text()


def test_values_are_written_as_yaml_reads_them(tmp_path: Path) -> None:
    text = _update(
        tmp_path,
        "tests: {t: {expect: {a: [{X: 1}]}}}\n",
        (0, {"X": "it's, {odd}: #1", "Y": datetime(2024, 1, 2, 3, 4), "Z": Decimal("1.50"), "W": None}),
    )
    assert text == (
        "tests: {t: {expect: {a: [{X: 'it''s, {odd}: #1', Y: 2024-01-02 03:04:00, Z: 1.50, W: null}]}}}\n"
    )


def test_all_rows_are_deleted(tmp_path: Path) -> None:
    text = "tests:\n  t:\n    expect:\n      a:\n        - {X: 1}\n        - {X: 2}\n  u: {}  # stays\n"
    assert yaml.safe_load(_update(tmp_path, text, (0, None), (1, None))) == {
        "tests": {"t": {"expect": {"a": []}}, "u": {}}
    }


def test_rows_are_added_at_the_end_of_a_file_without_a_line_end(tmp_path: Path) -> None:
    text = "tests:\n  t:\n    expect:\n      a:\n      - {X: 1}"
    assert _update(tmp_path, text, (None, {"X": 2})) == text + "\n      - {X: 2}\n"


def test_an_alias_is_refused(tmp_path: Path) -> None:
    text = "x: &rows [{X: 1}]\ntests: {t: {expect: {a: *rows}}}\n"
    with pytest.raises(UsageError, match="change them by hand"):
        _update(tmp_path, text, (0, {"X": 2}))

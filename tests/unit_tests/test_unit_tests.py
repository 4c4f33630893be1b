"""`snowpipe-ml test`: what a test gives, what it runs, and how a difference is shown."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from snowpipe_ml.errors import SpecError, UsageError
from snowpipe_ml.unit_tests.compare import Difference, differences, equal, shown
from snowpipe_ml.unit_tests.suite import find_tests, run_tests
from tests.conftest import ROOT

pytest_plugins = ["pytester"]

SPEC = """
name: shop
targets: {local: {type: local, path: warehouse, database: SHOP}}
vars: {least: 0}
tables: {orders: {columns: {ID: number, DAY: date, AMOUNT: "number(10, 2)", TAGS: variant}}}
sources: {days: {columns: {DAY: date}, from: {local: {file: days.csv}}}}
steps:
  large:
    type: transform
    query: "SELECT * FROM {{ ref('orders') }} WHERE AMOUNT > {{ vars.least | literal }}"
    writes: large_orders
  daily:
    type: transform
    query: >-
      SELECT D.DAY, COUNT(O.ID) AS ORDERS, CURRENT_DATE() AS MADE, {{ run.date | literal }} AS RUN_DATE
      FROM {{ ref('days') }} AS D LEFT JOIN {{ ref('large_orders') }} AS O ON O.DAY = D.DAY GROUP BY D.DAY
    writes: daily
tests:
"""
GIVEN = """
given:
  orders: [{ID: 1, DAY: 2024-01-01, AMOUNT: 5}, {ID: 2, DAY: 2024-01-01, AMOUNT: 1.5, TAGS: {a: [1]}}, {ID: 3}]
  days: days.csv
"""


def write(folder: Path, **tests: str) -> Path:
    spec = folder / "shop.yaml"
    parts = [textwrap.indent(f"{name}:\n{textwrap.indent(text, '  ')}", "  ") for name, text in tests.items()]
    spec.write_text(SPEC.rstrip("\n") + ("\n" + "\n".join(parts) if parts else " {}\n"))
    (folder / "days.csv").write_text("DAY\n2024-01-01\n2024-01-02\n")
    return spec


def test_tests_run_what_the_expected_tables_need(tmp_path: Path) -> None:
    spec = write(
        tmp_path,
        # both steps; the date of CURRENT_DATE and of the run are given
        whole=GIVEN
        + "vars: {least: 2}\nnow: 2024-02-03 23:00:00+00:00\nexpect:\n"
        + "  large_orders: [{ID: 1}]\n"
        + "  daily: [{DAY: 2024-01-01, ORDERS: 1, MADE: 2024-02-03, RUN_DATE: 2024-02-03}, {DAY: 2024-01-02, ORDERS: 0, MADE: 2024-02-03, RUN_DATE: 2024-02-03}]",
        # one step: the output of the other is given, with the types of its values
        part="given: {large_orders: [{ID: 1, DAY: 2024-01-02}], days: [{DAY: 2024-01-02}]}\nexpect: {daily: {count: 1}}",
        types=GIVEN
        + "expect: {large_orders: [{ID: 1, AMOUNT: 5.00, TAGS: null}, {ID: 2, AMOUNT: 1.5, TAGS: {a: [1]}}]}",
        differs=GIVEN + "expect: {large_orders: [{ID: 1, AMOUNT: 6}, {ID: 4, AMOUNT: 7}]}",
        column=GIVEN + "expect: {large_orders: [{IDD: 1}]}",
    )
    results = {result.name: result for result in run_tests(spec, find_tests(spec), workers=1)}
    assert results["whole"].ok, results["whole"]
    assert results["part"].ok, results["part"]
    assert results["types"].ok, results["types"]
    (text,) = results["differs"].failures
    assert (
        text.splitlines()[0]
        == "LARGE_ORDERS: of 2 expected rows and 2 found: 1 differ, 1 absent, 1 unexpected"
    )
    assert results["column"].failures == ("LARGE_ORDERS has no column IDD; did you mean 'ID'?",)


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("expect: {daily: []}", "large reads ORDERS: add it to `given`; `orders: []` is an empty table"),
        ("step: lrge\nexpect: {daily: []}", "no step 'lrge'; did you mean 'large'?"),
        (GIVEN + "expect: {dialy: []}", "no step writes DIALY; expected one of DAILY, LARGE_ORDERS"),
        (
            "given: {orders: [{IDD: 1}]}\nexpect: {large_orders: []}",
            "ORDERS has no column IDD; it has ID, DAY",
        ),
        (
            "given: {large_orders: [], days: []}\nexpect: {daily: []}",
            "give a row, or the types under `columns`",
        ),
        (
            "given: {large_orders: [{ID: 1}, {ID: x}], days: []}\nexpect: {daily: []}",
            "values of NUMBER and VARCHAR",
        ),
        (GIVEN + "step: large\nerror: nothing", "no step failed; expected an error with the text 'nothing'"),
    ],
)
def test_tests_that_cannot_pass(test: str, message: str, tmp_path: Path) -> None:
    spec = write(tmp_path, wrong=test)
    (result,) = run_tests(spec, find_tests(spec), workers=1)
    assert message in "\n".join(result.failures)


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("given: {orders: []}", "give what is expected"),
        ("error: x", "name the step that fails, with `step`"),
        ("expect: {daily: {tolerance: 1}}", "give rows, csv or count"),
        ("expct: {daily: []}", "did you mean 'expect'?"),
    ],
)
def test_tests_that_are_invalid_are_problems_of_the_spec(test: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        find_tests(write(tmp_path, wrong=test))
    assert message in str(caught.value)
    assert "shop.yaml:" in str(caught.value)


def test_the_file_beside_a_spec(tmp_path: Path) -> None:
    spec = write(tmp_path)
    with pytest.raises(UsageError, match=r"has no tests: write them under `tests` or in shop\.tests\.yaml"):
        find_tests(spec)
    beside = tmp_path / "shop.tests.yaml"
    beside.write_text(
        "tests:\n  one: {expect: {daily: []}}\n  two: {step: large, expect: {large_orders: []}}\n"
    )
    assert [(test.name, test.place) for test in find_tests(spec)] == [
        ("one", f"{beside}:2"),
        ("two", f"{beside}:3"),
    ]
    assert [test.name for test in find_tests(spec, ["step:large"])] == ["two"]
    assert [test.name for test in find_tests(spec, ["o*"])] == ["one"]
    with pytest.raises(UsageError, match="no test matches three; there are: one, two"):
        find_tests(spec, ["three"])
    beside.write_text("tests:\n  one: {expct: {daily: []}}\n")
    with pytest.raises(SpecError, match=r"shop\.tests\.yaml:2"):
        find_tests(spec)


def test_the_command_and_its_junit_file(tmp_path: Path) -> None:
    spec = write(
        tmp_path, good=GIVEN + "expect: {large_orders: {count: 2}}", bad=GIVEN + "expect: {large_orders: []}"
    )
    # The pool starts its processes with the main module of this one, which must be the command and not pytest.
    arguments = ["test", str(spec), "--workers", "2", "--junit", str(tmp_path / "out" / "junit.xml")]
    done = subprocess.run(
        [sys.executable, "-m", "snowpipe_ml", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "LARGE_ORDERS has 2 rows; expected none" in done.stdout
    assert "1 passed, 1 failed in" in done.stdout
    suite = ET.parse(tmp_path / "out" / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("name") for case in suite] == ["good", "bad"]
    assert not (tmp_path / "warehouse").exists()


def test_pytest_collects_the_tests(pytester: pytest.Pytester) -> None:
    spec = write(pytester.path, good=GIVEN + "expect: {large_orders: {count: 2}}", bad="expect: {daily: []}")
    pytester.makeini("[pytest]\nsnowpipe_specs = *.yaml\n")
    done = pytester.runpytest("-p", "no:xdist", str(spec))
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(["*large reads ORDERS*"])


@pytest.mark.parametrize("spec", ["minimal", pytest.param("citibike", marks=pytest.mark.slow)])
def test_the_tests_of_the_pipelines_pass(spec: str) -> None:
    path = ROOT / "pipelines" / f"{spec}.yaml"
    results = list(run_tests(path, find_tests(path), workers=1))
    assert [result for result in results if not result.ok] == []


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        (1, Decimal("1.00"), True),
        ("1.5", 1.5, True),
        (0.1 + 0.2, 0.3, True),
        (1, 2, False),
        ("x", 1, False),
        (None, None, True),
        (None, 0, False),
        (True, True, True),
        ("true", True, True),
        (1, True, False),
        (date(2024, 1, 1), date(2024, 1, 1), True),
        (date(2024, 1, 1), datetime(2024, 1, 1), True),
        ("2024-01-01 10:00", datetime(2024, 1, 1, 10), True),
        ({"a": [1]}, '{\n  "a": [1]\n}', True),
        ({"a": [1]}, "a", False),
        ("a", "A", False),
    ],
)
def test_equal(expected: object, actual: object, same: bool) -> None:
    assert equal(expected, actual) is same


def test_rows_are_matched_by_the_columns_that_agree() -> None:
    expected = [{"A": 1, "B": 1}, {"A": 2, "B": 2}]
    actual = [{"A": 2, "B": 3}, {"A": 1, "B": 1}]
    assert differences(expected, actual, 0, ordered=False) == [Difference(expected[1], actual[0])]
    assert len(differences(expected, actual, 0, ordered=True)) == 2
    assert shown(["A", "B"], [Difference({"A": 1, "B": "x" * 30}, {"A": 1, "B": None})], 0) == [
        "  A | B",
        f"- 1 | {'x' * 23}…",
        "+ . | NULL",
    ]


def test_a_reserved_word_as_a_column_is_refused(tmp_path: Path) -> None:
    spec = write(
        tmp_path,
        expected=GIVEN + "expect: {large_orders: [{ROWS: 1}]}",
        given="given: {large_orders: [{ROWS: 1}], days: [{DAY: 2024-01-02}]}\nexpect: {daily: {count: 1}}",
    )
    for result in run_tests(spec, find_tests(spec), workers=1):
        assert result.failures == (
            "LARGE_ORDERS: 'ROWS' is a reserved word; as a name it needs double quotes: \"ROWS\"",
        )

"""`init --csv` recognizes the columns of a CSV file and writes a spec that is valid and runs."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from snowpipe_ml import Pipeline
from snowpipe_ml.cli.main import main
from snowpipe_ml.cli.own_csv import recognize
from snowpipe_ml.errors import UsageError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def days(count: int, start: str = "2024-01-01", step: int = 1) -> list[date]:
    first = date.fromisoformat(start)
    return [first + timedelta(step * n) for n in range(count)]


def lines(header: str, *rows: str) -> str:
    return "\n".join((header, *rows)) + "\n"


ISO = lines("ds,shop,y", *(f"{day},{shop},{n}" for n, day in enumerate(days(30)) for shop in "AB"))
MONTHS = lines("month,passengers", *(f"19{49 + n // 12}-{n % 12 + 1:02},{100 + n}" for n in range(36)))
SUNDAYS = lines(
    "store_id,dept_id,week,sales,temperature",
    *(f"{s},{d},{w},{s * d}.5,20.1" for s in (1, 2) for d in (7, 8) for w in days(12, "2024-01-07", 7)),
)
REGIONS = lines("region,shop,day,units", *(f"x,{s},{d:%d.%m.%Y},0" for s in "abc" for d in days(20)))
EVENTS = lines(
    "ride,station,started_at", *(f"r{n},s{n % 3},{d}T08:00:0{n % 7}" for n, d in enumerate(days(20)))
)
HALF_HOURS = lines("time,value", *(f"2024-03-01 {h:02}:{m:02}:00,-1" for h in range(24) for m in (0, 30)))
WORKDAYS = lines("date,price", *(f"{d:%m/%d/%Y},{n + 1}" for n, d in enumerate(days(60)) if d.weekday() < 5))
QUARTERS = lines("quarter,gdp", *(f"{y}-{m:02}-01,{y}" for y in range(2000, 2010) for m in (1, 4, 7, 10)))
BRITISH = lines("date,y", *(f"01/{m:02}/{y},{m}" for y in (2020, 2021) for m in range(1, 13)))
YEARS = lines("Year,Region,Sales", *(f"{y},{r},{y * 2}" for y in range(1990, 2010) for r in ("N", "S", "W")))
NUMBERS = lines(
    "date,store,item,promoted,sales",
    *(f"{d},{s},{i},{(n + s) % 2},{n}" for s in (1, 2) for i in range(9) for n, d in enumerate(days(30))),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(ISO, ("ds", ("shop",), "y", "day", "unknown"), id="zeros are recorded"),
        pytest.param(MONTHS, ("month", (), "passengers", "month", "zero"), id="one series, months"),
        pytest.param(
            SUNDAYS, ("week", ("store_id", "dept_id"), "sales", "week-sunday", "zero"), id="two keys"
        ),
        pytest.param(REGIONS, ("day", ("shop",), "units", "day", "unknown"), id="a description is no key"),
        pytest.param(EVENTS, ("started_at", (), None, "day", "zero"), id="events are counted"),
        pytest.param(HALF_HOURS, ("time", (), "value", "30min", "unknown"), id="negative values"),
        pytest.param(WORKDAYS, ("date", (), "price", "business_day", "zero"), id="workdays"),
        pytest.param(NUMBERS, ("date", ("store", "item"), "sales", "day", "unknown"), id="keys are numbers"),
        pytest.param(QUARTERS, ("quarter", (), "gdp", "quarter", "zero"), id="quarters"),
        pytest.param(BRITISH, ("date", (), "y", "month", "zero"), id="months, the day first"),
        pytest.param(YEARS, ("Year", ("Region",), "Sales", "year", "zero"), id="years"),
    ],
)
def test_columns(text: str, expected: tuple[object, ...], tmp_path: Path) -> None:
    found = recognize(write(tmp_path / "own.csv", text))
    assert (found.time, found.series, found.value, found.frequency, found.gaps) == expected


def test_the_user_names_columns(tmp_path: Path) -> None:
    rows = (f"{d},{d},1,x{n % 2}" for n, d in enumerate(days(10)))
    found = recognize(
        write(tmp_path / "own.csv", lines("a,b,c,d", *rows)), time="b", series=("d",), value="c"
    )
    assert (found.time, found.series, found.value) == ("b", ("d",), "c")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a b\n1 2\n", {}, "fields separated by a comma, a semicolon, a tab or |"),
        ("a,a\n1,2\n", {}, "the header has the column 'a' twice"),
        ("a,b\n", {}, "has no rows"),
        ("", {}, "it has fewer than two columns"),
        ("a,b\n1,2,3\n", {}, "row 2 has 3 fields, the header has 2"),
        ("a,b\nx,y\n", {}, "no column has dates or times"),
        (
            "yr,mnth,b\n2001,1,2\n",
            {},
            "the time is in several columns, yr and mnth; write it in one, such as",
        ),
        ("a,JAN,FEB\n1950.0,2,3\n", {}, "no column has dates or times"),
        ("day,b\nx,y\n", {"time": "day"}, "'day' has no dates or times"),
        ("day,sales\n2024-01-01,1\n", {"value": "sale"}, "did you mean 'sales'?"),
        ("day,sales\n2024-01-01,many\n", {"value": "sales"}, "the column 'sales' is not numeric: 'many'"),
    ],
)
def test_files_that_cannot_be_used(text: str, options: dict[str, str], message: str, tmp_path: Path) -> None:
    time, value = options.get("time"), options.get("value")
    with pytest.raises(UsageError) as caught:
        recognize(write(tmp_path / "own.csv", text), time=time, value=value)
    assert message in str(caught.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        recognize(tmp_path / "own.csv")


def test_the_spec_runs_up_to_the_features(tmp_path: Path) -> None:
    rows = (f"{d:%d/%m/%Y},{s},{i},{n}" for n, d in enumerate(days(40)) for s in "AB" for i in "xy")
    csv_file = write(tmp_path / "own file.csv", lines("Date of sale,Shop,Item,Units sold", *rows))
    folder = tmp_path / "My forecast"
    done = CliRunner().invoke(main, ["init", str(folder), "--csv", str(csv_file), "--time", "Date of sale"])
    assert done.exit_code == 0, done.output
    assert "series: Shop and Item (4 series)" in done.output
    spec = folder / "forecast.yaml"
    assert yaml.safe_load(spec.read_text())["vars"]["data"] == "../own file.csv"
    pipeline = Pipeline.from_yaml(spec)
    assert pipeline.run("local", select=["+future"]).ok
    with pipeline.session("local") as session:
        found = session.sql("SELECT SERIES, COUNT(*), MAX(OBSERVED) FROM FEATURES GROUP BY 1 ORDER BY 1")
        assert [tuple(row) for row in found.collect()] == [
            (series, 40, 39.0) for series in ("A/x", "A/y", "B/x", "B/y")
        ]


def test_files_are_not_overwritten(tmp_path: Path) -> None:
    arguments = ["init", str(tmp_path), "--csv", str(write(tmp_path / "own.csv", ISO))]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 2
    assert "nothing was written" in again.output


def test_options_without_a_file(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["init", str(tmp_path / "new"), "--value", "sales"])
    assert done.exit_code == 2
    assert "belong to --csv" in done.output


def test_the_template_is_written_for_its_sample(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["init", str(tmp_path), "--template", "forecast"])
    assert done.exit_code == 0, done.output
    pipeline = Pipeline.from_yaml(tmp_path / "forecast.yaml")
    pipeline.validate()
    assert "flatten" in [step.name for step in pipeline.plan("local")]


def test_the_new_pipeline_runs_at_once(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["init", str(tmp_path / "new"), "--template", "minimal", "--run"])
    assert done.exit_code == 0, done.output
    assert "✓ daily_sales" in done.output
    done = CliRunner().invoke(main, ["init", str(tmp_path / "two"), "--template", "testing-only", "--run"])
    assert done.exit_code == 2
    assert "has no spec that --run could run" in done.output
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize(
    ("codec", "named"), [("cp1252", "WINDOWS1252"), ("utf-16", "UTF16"), ("utf-8-sig", "")]
)
def test_a_file_of_a_european_spreadsheet(codec: str, named: str, tmp_path: Path) -> None:
    rows = (f"{shop};{day:%d.%m.%Y};{n},5" for n, day in enumerate(days(40)) for shop in ("Köln", "Café"))
    csv_file = tmp_path / "own.csv"
    csv_file.write_bytes(lines("Geschäft;Tag;Erlös", *rows).encode(codec))
    folder = tmp_path / "made"
    done = CliRunner().invoke(main, ["init", str(folder), "--csv", str(csv_file)])
    assert done.exit_code == 0, done.output
    assert f"file: {named or 'UTF8'}, fields separated by ';'" in done.output
    spec = folder / "forecast.yaml"
    assert ("encoding" in spec.read_text()) is bool(named)
    pipeline = Pipeline.from_yaml(spec)
    assert pipeline.run("local", select=["+features"]).ok
    with pipeline.session("local") as session:
        found = session.sql("SELECT SERIES, COUNT(*), MAX(OBSERVED) FROM FEATURES GROUP BY 1 ORDER BY 1")
        assert [tuple(row) for row in found.collect()] == [("Café", 40, 39.5), ("Köln", 40, 39.5)]

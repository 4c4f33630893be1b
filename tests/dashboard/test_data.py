"""The data of the pages: equal to the tables', from queries that only read."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml.dashboard.data.forecasts import Filter, ForecastQueries
from snowpipe_ml.dashboard.data.reader import Reader
from snowpipe_ml.dashboard.data.source import Source
from snowpipe_ml.local import connect
from snowpipe_ml.local.core.errors import HolderGoneError
from snowpipe_ml.plugins.connection import execute
from snowpipe_ml.sql import Sql


def queries_of(source: Source) -> ForecastQueries:
    subject = source.subjects[0]
    return ForecastQueries(subject, source.attributes(subject))


def ask(source: Source, text: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in source.reader.rows(Sql(text))]


def test_series_have_their_forecast_their_recent_mean_and_their_attributes(source: Source) -> None:
    rows = source.reader.frame(queries_of(source).series(Filter()))
    assert list(rows["SERIES"]) == ["s4", "s3", "s2", "s1", "s0"]
    assert list(rows["LABEL"]) == ["Shop 4", "Shop 3", "Shop 2", "Shop 1", "Shop 0"]
    assert list(rows["REGION"]) == ["south"] * 3 + ["north"] * 2
    assert rows["LATITUDE"].tolist() == pytest.approx([40.74, 40.73, 40.72, 40.71, 40.70])
    (top,) = ask(
        source,
        "SELECT SUM(PREDICTION)::FLOAT, (SELECT AVG(SOLD)::FLOAT FROM FEATURES WHERE SHOP = 's4' AND DATE > '2023-03-04') "
        "FROM FORECASTS WHERE PART = 'forecast' AND SHOP = 's4'",
    )
    assert (rows["TOTAL"][0], rows["RECENT"][0]) == pytest.approx(top)
    assert rows["CHANGE"][0] == pytest.approx(100 * (top[0] / 7 - top[1]) / top[1])


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(search="SHOP 3"), ["s3"]),
        (Filter(search="s1"), ["s1"]),
        (Filter(search="100%"), []),
        (Filter(search="it's"), []),
        (Filter(values={"REGION": ["north"]}), ["s1", "s0"]),
        (Filter(values={"REGION": []}, order="name"), ["s0", "s1", "s2", "s3", "s4"]),
        (Filter(order="smallest forecast", most=2), ["s0", "s1"]),
    ],
)
def test_series_are_searched_filtered_and_ordered(
    source: Source, wanted: Filter, expected: list[str]
) -> None:
    assert list(source.reader.frame(queries_of(source).series(wanted))["SERIES"]) == expected


def test_cells_and_reasons_are_the_rows_of_the_table(source: Source) -> None:
    queries = queries_of(source)
    cells = source.reader.frame(queries.cells(["s2", "s4"]))
    assert [tuple(row) for row in cells.itertuples(index=False)] == ask(
        source,
        "SELECT SHOP, DATE, PREDICTION, LOW, HIGH FROM FORECASTS WHERE PART = 'forecast' AND SHOP IN ('s2', 's4') "
        "ORDER BY SHOP, DATE",
    )
    reasons = source.reader.frame(queries.reasons("s2"))
    parts = [name for name in reasons.columns if name.endswith("_EXPLANATION")]
    assert len(parts) == 3
    assert (reasons["BASE"] + reasons[parts].sum(axis=1)).tolist() == pytest.approx(
        reasons["PREDICTION"].tolist()
    )


def test_one_series_has_its_last_periods_and_its_forecast(source: Source) -> None:
    rows = source.reader.frame(queries_of(source).one("s1", 10))
    assert (rows["PART"] == "forecast").sum() == 7
    assert rows["ACTUAL"].notna().sum() == 10
    assert rows["DATE"].is_monotonic_increasing
    everything = source.reader.frame(queries_of(source).one("s1", None))
    assert everything["ACTUAL"].notna().sum() == 63


def test_what_writes_is_refused(source: Source) -> None:
    with pytest.raises(ValueError, match="only reads"):
        source.reader.rows(Sql("DELETE FROM FORECASTS"))


def test_a_lost_connection_is_opened_again(tmp_path: Path) -> None:
    opened: list[Any] = []

    def open_one() -> Any:
        opened.append(connect(tmp_path / "warehouse", "D"))
        return opened[-1]

    slept: list[float] = []
    reader = Reader(open_one, sleep=slept.append)
    calls = iter([HolderGoneError("process 1"), HolderGoneError("process 2"), None])

    def read(connection: Any) -> Any:
        error = next(calls)
        if error is not None:
            raise error
        return execute(connection, Sql("SELECT 1 AS X"))[0]["X"]

    assert reader.call(read) == 1
    assert len(opened) == 3
    assert slept == [0.2, 0.4]
    reader.close()


def test_an_idle_connection_is_closed_so_that_no_run_waits_for_it(tmp_path: Path) -> None:
    closed = threading.Event()

    class Connection:
        def close(self) -> None:
            closed.set()

    reader = Reader(Connection, idle=0.01)  # type: ignore[arg-type]
    assert reader.call(lambda connection: 5) == 5
    assert closed.wait(60)

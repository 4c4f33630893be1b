"""The pages and their queries, on the tables of two runs: what is shown equals what the tables have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from snowpipe_ml import Pipeline
from snowpipe_ml.dashboard.data import monitoring, next_run
from snowpipe_ml.dashboard.data.forecasts import Filter, ForecastQueries
from snowpipe_ml.dashboard.data.scores import boards_of
from snowpipe_ml.dashboard.data.source import Source, open_source
from snowpipe_ml.dashboard.data.words import number_words, plain, reason_words, value_words
from snowpipe_ml.sql import Sql
from tests.conftest import write_spec
from tests.dashboard.conftest import SPEC

testing = pytest.importorskip("streamlit.testing.v1")
AppTest = testing.AppTest


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


def page(name: str, spec: str) -> None:
    """The script of a page: AppTest runs its text."""
    from importlib import import_module
    from pathlib import Path

    from snowpipe_ml.dashboard.cached import look_again, source_of

    look_again()
    source = source_of(Path(spec), None)
    import_module(f"snowpipe_ml.dashboard.views.{name}").show(source, source.subjects[0])


def opened(name: str, spec: Path) -> AppTest:
    return AppTest.from_function(page, args=(name, str(spec)), default_timeout=60).run()


def test_a_chosen_series_has_the_forecast_and_the_reasons_of_the_table(ran: Path, source: Source) -> None:
    app = opened("forecast", ran)
    assert not app.exception
    assert app.title[0].value == "Forecast"
    assert app.selectbox(key="series").value == "s4"
    app.selectbox(key="series").set_value("s1").run()
    app.select_slider(key="period").set_value("2023-03-14").run()
    assert not app.exception
    row = source.reader.rows(
        Sql("SELECT * FROM FORECASTS WHERE PART = 'forecast' AND SHOP = 's1' AND DATE = '2023-03-14'")
    )[0].as_dict()
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown == {
        "Forecast for 2023-03-14": f"{row['PREDICTION']:,.1f}",
        "80 % interval": f"{row['LOW']:,.1f} to {row['HIGH']:,.1f}",
        "Model": "ridge",
    }
    (reasons,) = [table.value for table in app.dataframe if "ATTRIBUTION" in table.value]
    told = dict(zip(reasons["FEATURE"], reasons["ATTRIBUTION"], strict=True))
    assert told == pytest.approx(
        {
            "value 1 day earlier": row["LAG_1_EXPLANATION"],
            "value 7 days earlier": row["LAG_7_EXPLANATION"],
            "weekend": row["WEEKEND_EXPLANATION"],
        }
    )
    (told,) = [text.value for text in app.markdown if "signed contribution" in text.value]
    assert f"leave the forecast at {row['PREDICTION']:,.1f}" in told
    lowered = reason_words("SOLD per day", "ridge", 61.12, 58.78).explanation
    assert "lower the forecast from 61.1 to 58.8" in lowered
    assert any("The data end with 2023-03-11." in text.value for text in app.caption)


def test_series_are_searched_and_filtered(ran: Path) -> None:
    app = opened("forecast", ran)
    app.text_input(key="search").set_value("shop").run()
    app.multiselect(key="attribute REGION").set_value(["north"]).run()
    assert app.selectbox(key="series").options == ["Shop 1", "Shop 0"]
    app.text_input(key="search").set_value("nowhere").run()
    assert [info.value for info in app.info] == ["No series matches. Clear the search or a filter."]
    assert not app.exception


def test_the_leaderboard_is_sorted_by_any_metric_and_says_who_wins(ran: Path, source: Source) -> None:
    app = opened("models", ran)
    assert not app.exception
    for metric in ("RMSE", "MASE"):
        app.selectbox(key="metric").set_value(metric).run()
        errors, others = (table.value for table in app.dataframe[:2])
        assert list(errors)[:3] == ["MODEL", metric, "SKILL"]
        rows = ask(
            source, f"SELECT MODEL, {metric}, SECONDS FROM BOARD WHERE FOLD IS NULL ORDER BY {metric}, MODEL"
        )
        shown = [name.partition(" (")[0] for name in errors["MODEL"]]
        assert list(zip(shown, errors[metric], others["SECONDS"], strict=True)) == rows
        assert "ridge (in use)" in list(errors["MODEL"])
        baselines = {name: value for name, value, _ in rows if name in ("seasonal_naive", "moving_average")}
        best = min(baselines.values())
        assert errors["SKILL"].tolist() == pytest.approx([100 * (1 - value / best) for _, value, _ in rows])
    assert any(
        "**ridge** makes the forecasts. By MASE over 7 days it is " in text.value for text in app.markdown
    )
    scored = [text.value for text in app.caption if text.value.startswith("Each model is scored")]
    assert scored[0].startswith("Each model is scored on the same 35 forecasts of 5 series, 7 days from each")
    assert scored[1].startswith("Each model is scored on the same 7 forecasts, 7 days from each origin")
    assert all("Scores begin at the second of 2 origins" in text for text in scored)
    wins = dict(
        ask(
            source,
            "SELECT MODEL, COUNT(*) FROM (SELECT MODEL FROM BOARD_BY_SERIES QUALIFY RANK() OVER "
            "(PARTITION BY SHOP ORDER BY RMSE) = 1) GROUP BY MODEL",
        )
    )
    boards = boards_of(source.subjects[0], source.attributes(source.subjects[0]))
    assert boards is not None
    assert dict(ask(source, boards.wins("RMSE").text)) == wins


def test_the_worst_series_come_first_and_a_series_has_its_folds(ran: Path, source: Source) -> None:
    app = opened("models", ran)
    (skills,) = [table.value for table in app.dataframe if "BASELINE" in table.value]
    assert skills["SKILL"].is_monotonic_increasing
    assert sorted(skills["LABEL"]) == [f"Shop {n}" for n in range(5)]
    worst = skills["SERIES"][0]
    assert app.selectbox(key="model series").value == worst
    own = app.dataframe[-2].value
    assert set(ask(source, f"SELECT MODEL, RMSE FROM BOARD_BY_SERIES WHERE SHOP = '{worst}'")) == {
        (model.partition(" (")[0], rmse) for model, rmse in zip(own["MODEL"], own["RMSE"], strict=True)
    }
    boards = boards_of(source.subjects[0], None)
    assert boards is not None
    folds = source.reader.frame(boards.backtest(str(worst)))
    assert set(folds["FOLD"]) == {0, 1}
    assert set(folds["MODEL"]) == {"ridge", "seasonal_naive", "moving_average"}


def test_the_monitor_shows_what_came_true_the_drift_and_the_alerts(ran: Path, source: Source) -> None:
    app = opened("monitor", ran)
    assert not app.exception
    (runs,) = [table.value for table in app.dataframe if "FORECAST_RUN" in table.value]
    ((run, rmse, coverage),) = ask(
        source, "SELECT FORECAST_RUN, RMSE, COVERAGE FROM REALISED WHERE HORIZON IS NULL"
    )
    assert runs[["FORECAST_RUN", "RMSE", "COVERAGE"]].to_numpy().tolist() == [[run, rmse, coverage]]
    alerts = [alert.value for alert in app.warning]
    assert any(alert.startswith("**watch** at 20") and "intervals contain" in alert for alert in alerts)
    assert len(source.reader.frame(monitoring.by_horizon(source.subjects[0].monitors[0]))) == 7
    app.selectbox(key="realised metric").set_value("COVERAGE").run()
    assert "The dashed line is the intended coverage, 80%." in [text.value for text in app.caption]
    assert [metric.label for metric in app.metric] == [
        "RMSE, 1 day ahead",
        "RMSE of the value 7 days earlier",
        "MAE, 1 day ahead",
        "MAE of the value 7 days earlier",
    ]
    assert any("about horizons of 7 days" in text.value for text in app.caption)
    assert any("the last 28 days compared with those before" in text.value for text in app.caption)
    app.selectbox(key="metric step").set_value("scores").run()
    assert "RMSE, 1 day ahead: median of the series" in list(app.dataframe[-1].value["METRIC"])
    app.selectbox(key="metric step").set_value("board").run()
    assert not app.exception
    metrics = app.dataframe[-1].value
    assert "rmse ridge" in list(metrics["METRIC"])


def test_runs_show_their_steps_details_sql_lineage_and_the_next_plan(ran: Path, source: Source) -> None:
    app = opened("runs", ran)
    assert not app.exception
    assert len(app.selectbox(key="run").options) == 2
    (steps,) = [table.value for table in app.dataframe if "ROW_COUNT" in table.value]
    shown = dict(zip(steps["STEP"], steps["ROW_COUNT"], strict=True))
    counts = source.history(lambda history: {record.step: record.rows for record in history.steps()})
    assert shown["features"] == counts["features"] == 350
    assert "stages.models" not in shown
    warned = dict(zip(steps["STEP"], steps["WARNINGS"], strict=True))
    assert warned["watch"] == 1
    assert any(
        text.value.startswith("In the graph: ") and "with 2 warnings. Not in it" in text.value
        for text in app.caption
    )
    run_id = app.selectbox(key="run").value
    app.selectbox(key=f"step of {run_id}").set_value("shops").run()
    assert any("MAX_BY(SHOP_NAME" in code.value for code in app.code)
    app.selectbox(key="table").set_value("BOARD").run()
    assert not app.exception
    app.button(key="plan").click().run()
    assert not app.exception
    planned = app.dataframe[-1].value
    actions = dict(zip(planned["Step"], zip(planned["Action"], planned["Reason"], strict=True), strict=True))
    assert actions["sales"] == ("skip", f"unchanged since {run_id}")
    assert set(next_run.tables(source.graph)) >= {"SHOPS", "FORECASTS", "BOARD"}


def test_a_spec_without_forecasts_or_runs_says_what_to_do(tmp_path: Path) -> None:
    path = write_spec(tmp_path, "steps:\n  one: {type: transform, query: SELECT 1 AS X, writes: one}\n")
    app = AppTest.from_function(whole, args=(str(path),), default_timeout=60).run()
    assert not app.exception
    assert [title.value for title in app.title] == ["No forecasts"]
    app = AppTest.from_function(page_of_any, args=("runs", str(path)), default_timeout=60).run()
    assert [info.value for info in app.info] == ["demo has not run on local yet."]
    assert not (tmp_path / "warehouse").exists(), "to look creates nothing"
    app = AppTest.from_function(page_of_any, args=("run_it", str(path)), default_timeout=60).run()
    assert "does not permit runs" in app.info[0].value


def test_the_sidebar_says_where_the_data_end(ran: Path) -> None:
    app = AppTest.from_function(whole, args=(str(ran),), default_timeout=60).run()
    assert not app.exception
    assert "Last day with data: 2023-03-11" in [text.value for text in app.sidebar.caption]


def test_tables_that_no_run_has_written_are_named(tmp_path: Path) -> None:
    path = write_spec(tmp_path, SPEC.replace("FROM TABLE(GENERATOR", "FROM NOWHERE, TABLE(GENERATOR"))
    assert not Pipeline.from_yaml(path).run().ok
    app = AppTest.from_function(whole, args=(str(path),), default_timeout=60).run()
    assert not app.exception
    assert "A table that this page reads does not exist" in app.warning[0].value
    assert "'SHOPS'" in app.code[0].value or "'FORECASTS'" in app.code[0].value


HOSTILE = "<b>x</b> *y* $z$ :bike: 🚲"


@pytest.mark.parametrize(
    ("value", "like", "expected"),
    [
        (58.78, None, "58.8"),
        (1234.5, None, "1,234.5"),
        (0.0312, None, "0.0312"),
        (-0.2, 24.0, "-0.2"),
        (0.0, None, "0.0"),
        (None, None, "none"),
        (float("nan"), 3.0, "none"),
    ],
)
def test_numbers_of_one_forecast_have_the_same_decimals(
    value: float | None, like: float | None, expected: str
) -> None:
    assert number_words(value, like) == expected


def test_a_count_is_named_after_what_is_counted(ran: Path, tmp_path: Path, source: Source) -> None:
    assert value_words(source.subjects[0]) == "SOLD per day"
    path = write_spec(tmp_path, SPEC.replace("value: SOLD, target: SOLD", "target: COUNT"))
    assert value_words(open_source(path).subjects[0]) == "sales per day"


def test_names_with_markup_and_missing_forecasts_are_shown(copied: Path) -> None:
    with Pipeline.from_yaml(copied).session() as session:
        session.sql(f"UPDATE SHOPS SET NAME = '{HOSTILE}'").collect()
        session.sql(
            "UPDATE FORECASTS SET PREDICTION = NULL, LOW = NULL, HIGH = NULL WHERE PART = 'forecast'"
        ).collect()
    app = opened("forecast", copied)
    assert not app.exception
    assert app.selectbox(key="series").options[0].startswith(HOSTILE)
    assert [metric.value for metric in app.metric][:2] == ["none", "none"]
    assert "ridge made no forecast for this period." in [info.value for info in app.info]
    assert plain(HOSTILE) == r"\<b\>x\</b\> \*y\* \$z\$ \:bike\: 🚲"


def test_a_mistake_in_the_spec_is_shown_with_its_place(tmp_path: Path) -> None:
    path = write_spec(tmp_path, "steps:\n  one: {type: transfrom, query: SELECT 1 AS X, writes: one}\n")
    app = AppTest.from_function(whole, args=(str(path),), default_timeout=60).run()
    assert "unknown step type 'transfrom'" in app.code[0].value


def whole(spec: str) -> None:
    """The script of the application."""
    from snowpipe_ml.dashboard.app import main

    main(spec)


def page_of_any(name: str, spec: str) -> None:
    """The script of a page that needs no forecasts."""
    from importlib import import_module
    from pathlib import Path

    from snowpipe_ml.dashboard.cached import look_again, source_of

    look_again()
    import_module(f"snowpipe_ml.dashboard.views.{name}").show(source_of(Path(spec), None), None)

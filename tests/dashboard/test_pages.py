"""The pages, run by Streamlit's AppTest on the tables of two runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from snowpipe_ml.dashboard.data.source import Source
from snowpipe_ml.sql import Sql

testing = pytest.importorskip("streamlit.testing.v1")
AppTest = testing.AppTest
pytestmark = [
    # Not ours: Streamlit's test harness runs without a server.
    pytest.mark.filterwarnings("ignore:::streamlit.*"),
]


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
        "Interval": f"{row['LOW']:,.1f} to {row['HIGH']:,.1f}",
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
    assert any(
        f"{row['BASE']:,.4g} without them" in text.value and "Signed contributions of ridge" in text.value
        for text in app.markdown
    )


def test_series_are_searched_and_filtered(ran: Path) -> None:
    app = opened("forecast", ran)
    app.text_input(key="search").set_value("shop").run()
    app.multiselect(key="attribute REGION").set_value(["north"]).run()
    assert app.selectbox(key="series").options == ["Shop 1", "Shop 0"]
    app.text_input(key="search").set_value("nowhere").run()
    assert [info.value for info in app.info] == ["No series matches. Clear the search or a filter."]
    assert not app.exception

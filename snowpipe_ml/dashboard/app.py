"""The application: Streamlit runs :func:`main` again for each interaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import streamlit as st

from snowpipe_ml.dashboard.cached import frame, last_record, look_again, source_of
from snowpipe_ml.dashboard.data.forecasts import ForecastQueries
from snowpipe_ml.dashboard.data.source import Source
from snowpipe_ml.dashboard.data.subject import Subject
from snowpipe_ml.dashboard.data.words import plain
from snowpipe_ml.dashboard.inside import Runtime
from snowpipe_ml.dashboard.views import forecast, models, monitor, run_it, runs
from snowpipe_ml.engine.retry import DOES_NOT_EXIST, INVALID_IDENTIFIER, number_of
from snowpipe_ml.errors import SnowpipeMLError

_SubjectT = TypeVar("_SubjectT")
_ICON = Path(__file__).with_name("icon.png")
# Streamlit writes white on the primary color, which is light in the dark theme: chosen tabs and values are written in it.
_ON_PRIMARY = """<style>
[data-testid=stMultiSelect] :is([data-tag], [data-baseweb=tag]) *, button[kind^=primary] p { color: #0e0e12; }
</style>"""


def main(
    spec: str,
    target: str | None = None,
    variables: Mapping[str, object] | None = None,
    runtime: Runtime | None = None,
) -> None:
    """Show the dashboard of a spec.

    Args:
        spec: the file of the spec.
        target: the target's name; the default target if None.
        variables: values of ``vars`` that override those of the file.
        runtime: the runtime of Streamlit in Snowflake, whose session reads the target; None outside of Snowflake.
    """
    st.set_page_config(page_title=f"{Path(spec).stem}: dashboard", layout="wide", page_icon=str(_ICON))
    if st.context.theme.type == "dark":
        st.html(_ON_PRIMARY)
    look_again()
    try:
        source = source_of(Path(spec), target, variables, runtime)
    except SnowpipeMLError as error:
        st.title("The spec cannot be read")
        st.code(str(error), language=None)
        return
    st.navigation(
        [
            st.Page(
                _with_forecasts(source, forecast.show),
                title="Forecast",
                icon=":material/grid_on:",
                url_path="forecast",
                default=True,
            ),
            st.Page(
                _with_forecasts(source, models.show),
                title="Models",
                icon=":material/leaderboard:",
                url_path="models",
            ),
            st.Page(
                _page(source, monitor.show),
                title="Monitor",
                icon=":material/monitor_heart:",
                url_path="monitor",
            ),
            st.Page(_page(source, runs.show), title="Runs", icon=":material/account_tree:", url_path="runs"),
            st.Page(
                _page(source, run_it.show), title="Run it", icon=":material/play_arrow:", url_path="run-it"
            ),
        ]
    ).run()


def _page(source: Source, show: Callable[[Source, Subject | None], None]) -> Callable[[], None]:
    def page() -> None:
        _guarded(source, show, _subject(source))

    return page


def _guarded(source: Source, show: Callable[[Source, _SubjectT], None], subject: _SubjectT) -> None:
    """Show a page; where a table does not exist or has not the columns of the spec, say so below what is shown."""
    try:
        show(source, subject)
    except Exception as error:
        number = number_of(error)
        if number not in (*DOES_NOT_EXIST, INVALID_IDENTIFIER):
            raise
        if number == INVALID_IDENTIFIER:
            st.warning(
                "A table on the target was written for an earlier state of the spec. Run the pipeline again."
            )
        else:
            st.warning(
                "A table that this page reads does not exist on the target: the last run did not reach its step. "
                "The page Runs shows how the run ended."
            )
        st.code(str(error), language=None)


def _with_forecasts(source: Source, show: Callable[[Source, Subject], None]) -> Callable[[], None]:
    """A page that needs forecasts on the target."""

    def page() -> None:
        subject = _subject(source)
        if subject is None:
            st.title("No forecasts")
            st.info("No step of the spec makes forecasts: train_forecasters and forecast do.")
        elif last_record(source) is None:
            st.title("No run yet")
            st.info(
                f"{source.spec.pipeline.name} has not run on {source.spec.target_name} yet. Run it on the page Run it, or with"
            )
            st.code(f"snowpipe-ml run {source.spec.path} --target {source.spec.target_name}", language="sh")
        else:
            _guarded(source, show, subject)

    return page


def _last_run(source: Source) -> None:
    if last_record(source) is not None:
        (row,) = frame(source, source.runs().last(1)).itertuples()
        ended = row.STATUS if isinstance(row.STATUS, str) else "not finished"
        st.caption(f"Last run: {row.STARTED_AT:%Y-%m-%d %H:%M} UTC, {ended}")


def _last_period(source: Source, subject: Subject) -> None:
    """Say where the data end: a run of today may be on data of long ago."""
    queries = ForecastQueries(subject, source.attributes(subject))
    try:
        last = forecast.last_period(source, queries)
    except Exception as error:
        if number_of(error) not in (*DOES_NOT_EXIST, INVALID_IDENTIFIER):
            raise
        return  # the page says which table is missing
    if last is not None:
        st.caption(f"Last {subject.features.settings.every.noun} with data: {last}")


def _subject(source: Source) -> Subject | None:
    """The table of forecasts that is chosen in the sidebar."""
    chosen = source.subjects[0] if source.subjects else None
    with st.sidebar:
        st.markdown(f"**{plain(source.spec.pipeline.name)}**, target {plain(source.spec.target_name)}")
        _last_run(source)
        if len(source.subjects) > 1:
            names = [one.name for one in source.subjects]
            name = st.selectbox("Forecasts", names, key="subject")
            chosen = source.subjects[names.index(name)]
        if chosen is not None and last_record(source) is not None:
            _last_period(source, chosen)
    return chosen

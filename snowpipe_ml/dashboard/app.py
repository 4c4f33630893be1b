"""The application: Streamlit runs :func:`main` again for each interaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import streamlit as st

from snowpipe_ml.dashboard.cached import look_again, source_of
from snowpipe_ml.dashboard.data.source import Source
from snowpipe_ml.dashboard.data.subject import Subject
from snowpipe_ml.dashboard.views import forecast
from snowpipe_ml.errors import SnowpipeMLError


def main(spec: str, target: str | None = None, variables: Mapping[str, object] | None = None) -> None:
    """Show the dashboard of a spec."""
    st.set_page_config(
        page_title=f"{Path(spec).stem}: dashboard", layout="wide", page_icon=":material/show_chart:"
    )
    look_again()
    try:
        source = source_of(Path(spec), target, variables)
    except SnowpipeMLError as error:
        st.title("The spec cannot be read")
        st.code(str(error), language=None)
        return
    st.navigation(
        [_page(source, "Forecast", forecast.show, ":material/grid_on:", first=True)],
    ).run()


def _page(
    source: Source, title: str, show: Callable[[Source, Subject], None], icon: str, *, first: bool = False
) -> st.Page:
    def page() -> None:
        subject = _subject(source)
        if subject is not None:
            show(source, subject)

    return st.Page(page, title=title, icon=icon, url_path=title.lower().replace(" ", "-"), default=first)


def _subject(source: Source) -> Subject | None:
    """The table of forecasts that is chosen in the sidebar."""
    with st.sidebar:
        st.markdown(f"**{source.spec.pipeline.name}** on {source.spec.target_name}")
        if not source.subjects:
            st.caption("no forecasts")
        elif len(source.subjects) > 1:
            names = [one.name for one in source.subjects]
            name = st.selectbox("Forecasts", names, key="subject")
            return source.subjects[names.index(name)]
    return source.subjects[0] if source.subjects else None

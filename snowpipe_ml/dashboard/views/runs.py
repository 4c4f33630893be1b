"""The page Runs: a run's graph, steps, logs and SQL, the plan of the next run, the lineage of a table, and the cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from snowpipe_ml.dashboard.cached import frame, last_record
from snowpipe_ml.dashboard.charts import runs as charts
from snowpipe_ml.dashboard.data import next_run
from snowpipe_ml.dashboard.data.source import Source
from snowpipe_ml.dashboard.data.subject import Subject
from snowpipe_ml.dashboard.data.words import plain
from snowpipe_ml.dashboard.views.tables import without_missing
from snowpipe_ml.engine.records.cost import run_cost
from snowpipe_ml.errors import SnowpipeMLError
from snowpipe_ml.spec.fanout import base_name, is_object
from snowpipe_ml.text.durations import seconds_text
from snowpipe_ml.ui.graph_drawing import NOT_RUN, facts, is_drawn

if TYPE_CHECKING:
    import pandas as pd

_BY_WIDTH = """<style>
.st-key-{narrow} {{ display: none; }}
@media (max-width: 640px) {{ .st-key-{narrow} {{ display: flex; }} .st-key-{wide} {{ display: none; }} }}
</style>"""


_ENDED = {"success": "ran", "reused": "unchanged", "omitted": "left out"}


def show(source: Source, subject: Subject | None) -> None:
    """Show the page."""
    st.title("Runs")
    if last_record(source) is None:
        st.info(f"{source.spec.pipeline.name} has not run on {source.spec.target_name} yet.")
    else:
        _runs(source)
    _plan(source)


def _runs(source: Source) -> None:
    runs = frame(source, source.runs().last())
    words = {str(row.RUN_ID): _run_words(row) for row in runs.itertuples()}
    run_id = st.selectbox("Run", list(words), format_func=lambda name: words[name], key="run")
    steps = frame(source, source.runs().steps(run_id))
    tabs = st.tabs(["Graph", "Steps", "Timeline", "Lineage", "Cost", "All runs"])
    with tabs[0]:
        _graph(source, steps)
    with tabs[1]:
        _steps(source, run_id, steps)
    with tabs[2]:
        _timeline(steps)
    with tabs[3]:
        _lineage(source)
    with tabs[4]:
        _cost(source, run_id)
    with tabs[5]:
        _all(runs)


def _run_words(row: object) -> str:
    run, at, status, seconds = (getattr(row, name) for name in ("RUN_ID", "STARTED_AT", "STATUS", "SECONDS"))
    ended = "not finished" if not isinstance(status, str) else f"{status} in {seconds_text(seconds)}"
    return f"{at:%Y-%m-%d %H:%M} UTC: {ended} ({run})"


def _graph(source: Source, steps: pd.DataFrame) -> None:
    by_name = {str(row.STEP): row for row in steps.itertuples()}
    boxes = []
    for name in source.graph.nodes:
        if not is_drawn(name):
            continue
        row = by_name.get(name)
        boxes.append(charts.Box(name, _result(row), "" if row is None else str(row.STATUS)))
    _draw(boxes, next_run.shown_edges(source.graph), "run")
    drawn = steps["STEP"].isin([box.name for box in boxes])
    told = [f"In the graph: {_counted(steps[drawn])}."]
    if not drawn.all():
        told.append(f"Not in it, as stages and tables that the spec declares: {_counted(steps[~drawn])}.")
    st.caption(
        " ".join(told)
        + " Green: ran; dashed: unchanged, or not in the run; red: failed; orange: skipped; blue: running."
    )


def _counted(steps: pd.DataFrame) -> str:
    """The number of steps by how they ended, and of their warnings."""
    told = [
        f"{count} {_ENDED.get(str(status), status)}"
        for status, count in steps["STATUS"].value_counts().items()
    ]
    warnings = int(steps["WARNINGS"].fillna(0).sum())
    return ", ".join(told) + (f", with {_warnings(warnings)}" if warnings else "")


def _warnings(count: int) -> str:
    return f"{count} warning{'' if count == 1 else 's'}"


def _draw(boxes: Sequence[charts.Box], edges: Sequence[tuple[str, str]], name: str) -> None:
    """Draw a graph twice, of which one is shown: a wide one could not be read on a phone."""
    wide, narrow = f"{name} graph wide", f"{name} graph narrow"
    st.html(_BY_WIDTH.format(wide=wide.replace(" ", "-"), narrow=narrow.replace(" ", "-")))
    with st.container(key=wide):
        st.graphviz_chart(charts.dot(boxes, edges))
    with st.container(key=narrow):
        st.graphviz_chart(charts.dot(boxes, edges, abreast=2))


def _result(row: object) -> tuple[str, ...]:
    """The facts of a step in the graph: its state unless it ran, its time and rows."""
    import pandas as pd

    if row is None:
        return (NOT_RUN,)
    names = ("STATUS", "SECONDS", "ROW_COUNT", "WARNINGS")
    known = (getattr(row, name) for name in names)
    status, seconds, rows, warnings = (None if pd.isna(value) else value for value in known)
    told = facts(str(status), seconds, None if rows is None else int(rows))
    return (*told, *([] if warnings is None else [_warnings(int(warnings))]))


def _steps(source: Source, run_id: str, steps: pd.DataFrame) -> None:
    everything = st.toggle("With declared objects, such as stages and tables", key="objects")
    shown = steps if everything else steps[[not is_object(name) for name in steps["STEP"]]]
    st.dataframe(
        without_missing(shown),
        hide_index=True,
        column_config={
            "STEP": "Step",
            "STATUS": "State",
            "SECONDS": st.column_config.NumberColumn("Seconds", format="%.1f"),
            "ROW_COUNT": st.column_config.NumberColumn("Rows", format="localized"),
            "MESSAGE": "Message",
            "ERROR": "Error",
            "WARNINGS": st.column_config.NumberColumn("Warnings", format="%d"),
            "AT": st.column_config.DatetimeColumn("Recorded at (UTC)", format="YYYY-MM-DD HH:mm:ss"),
        },
    )
    if shown.empty:
        return
    names = list(shown["STEP"])
    failed = list(shown.loc[shown["STATUS"] == "failed", "STEP"])
    step = st.selectbox(
        "Details of", names, index=names.index(failed[0]) if failed else 0, key=f"step of {run_id}"
    )
    _details(source, run_id, step)


def _details(source: Source, run_id: str, step: str) -> None:
    rows = frame(source, source.runs().details(run_id, step))
    if rows.empty:
        st.info("The step has not ended.")
    else:
        row = rows.iloc[0]
        if isinstance(row["ERROR"], str):
            st.error(plain(row["ERROR"]))
        for text in json.loads(row["WARNINGS"] or "[]"):
            st.warning(plain(text))
        parts = {
            "Metrics": json.loads(row["METRICS"] or "{}"),
            "Checks": json.loads(row["CHECKS"] or "[]"),
            "Reads": _versions(row["INPUTS"]),
            "Writes": _versions(row["OUTPUTS"]),
            "Settings": json.loads(row["SETTINGS"] or "{}"),
        }
        for title, value in parts.items():
            if value:
                with st.expander(title):
                    st.json(value, expanded=2)
    node = source.graph.nodes.get(step) or source.graph.nodes.get(base_name(step))
    with st.expander("SQL"):
        if node is None:
            st.caption("The spec no longer has this step.")
            return
        try:
            st.code("\n\n".join(next_run.statements(source, node.name)) or "-- none", language="sql")
            st.caption(
                "For outputs that do not exist yet. A table that exists with the same columns is overwritten with "
                "INSERT OVERWRITE."
            )
        except SnowpipeMLError as error:
            st.caption(str(error))


def _versions(text: str | None) -> dict[str, str]:
    """Inputs or outputs in words."""
    return {
        f"{kind} {name}": f"version {token}" + ("" if rows is None else f", {rows:,} rows")
        for kind, name, token, rows in json.loads(text or "[]")
    }


def _timeline(steps: pd.DataFrame) -> None:
    import pandas as pd

    timed = steps[steps["SECONDS"].fillna(0) > 0]
    if timed.empty:
        st.info("No step has taken any time.")
        return
    ends = pd.to_datetime(timed["AT"])
    begins = ends - pd.to_timedelta(timed["SECONDS"], unit="s")
    first = begins.min()
    shown = timed.assign(BEGIN=(begins - first).dt.total_seconds(), END=(ends - first).dt.total_seconds())
    st.altair_chart(charts.timeline(shown.sort_values("BEGIN")), key="timeline")


def _lineage(source: Source) -> None:
    table = st.selectbox("Table", next_run.tables(source.graph), index=None, key="table")
    if table is None:
        st.caption("Choose a table to see which run and step wrote it, and from what.")
        return
    origin = source.history(lambda history: history.lineage(table))
    boxes: dict[str, charts.Box] = {}
    edges: list[tuple[str, str]] = []
    for one, made in next_run.flat(origin):
        lines = ["not written by a recorded run"]
        if one.by is not None:
            lines = [f"{one.by.step} in {one.by.run_id}", f"{one.by.at:%Y-%m-%d %H:%M} UTC"]
        if one.rows is not None:
            lines.append(f"{one.rows:,} rows")
        if one.as_left is False:
            lines.append("changed since by someone else")
        boxes.setdefault(
            one.name,
            charts.Box(
                one.name, tuple(lines), "failed" if one.as_left is False else "success" if one.by else ""
            ),
        )
        if made is not None:
            edges.append((one.name, made.name))
    _draw([*reversed(boxes.values())], edges, "lineage")


def _cost(source: Source, run_id: str) -> None:
    try:
        found = source.history(lambda history: run_cost(history, run_id))
    except SnowpipeMLError as error:
        st.info(str(error))
        return
    if not found.steps:
        st.info(
            "The embedded warehouse bills nothing. On an account, the credits of each step are here."
            if source.local
            else "No credits are attributed to this run yet. Snowflake attributes them up to eight hours later."
        )
        return
    st.metric("Credits, without idle time", f"{found.credits:.4f}")
    st.dataframe(
        [
            {
                "Step": step.step,
                "Credits": step.credits,
                "Statements": step.statements,
                "Seconds": step.seconds,
                "Warehouses": ", ".join(step.warehouses),
            }
            for step in found.steps
        ],
        hide_index=True,
        column_config={"Credits": st.column_config.NumberColumn(format="%.5f")},
    )
    if source.local:
        st.caption(
            "The embedded warehouse bills nothing: it counts the seconds of each warehouse as Snowflake would."
        )
    for text in found.advice:
        st.caption(text)


def _all(runs: pd.DataFrame) -> None:
    st.dataframe(
        runs,
        hide_index=True,
        column_config={
            "RUN_ID": "Run",
            "STARTED_AT": st.column_config.DatetimeColumn("Started at (UTC)", format="YYYY-MM-DD HH:mm:ss"),
            "STATUS": "Result",
            "SECONDS": st.column_config.NumberColumn("Seconds", format="%.1f"),
            "SUCCESS": "Ran",
            "FAILED": "Failed",
            "SKIPPED": "Skipped",
            "REUSED": "Unchanged",
        },
    )


def _plan(source: Source) -> None:
    st.header("The next run")
    st.caption(
        "Compares the spec with the target, and says what a run would do now and why. It changes nothing."
    )
    if st.button("Plan the next run", key="plan"):
        try:
            st.session_state["planned"] = next_run.plan(source)
        except SnowpipeMLError as error:
            st.session_state.pop("planned", None)
            st.error(str(error))
    planned: list[next_run.Planned] | None = st.session_state.get("planned")
    if planned is None:
        return
    todo = sum(one.action in ("run", "replace") for one in planned)
    st.write(f"**{todo} to run, {sum(one.action == 'skip' for one in planned)} unchanged**")
    st.dataframe(
        [
            {"Step": one.step, "Action": one.action, "Reason": one.reason, "Changes": one.changes}
            for one in planned
            if one.action != "skip" or not is_object(one.step)
        ],
        hide_index=True,
        height="content" if len(planned) < 12 else 400,
    )

"""The page Run it: a form of the variables, and the progress of the run that it starts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from snowpipe_ml.dashboard.cached import frame, last_record
from snowpipe_ml.dashboard.data import variables
from snowpipe_ml.dashboard.data.source import Source
from snowpipe_ml.dashboard.data.starting import (
    Progress,
    StartedRun,
    StepState,
    Wanted,
    start,
    start_tasks,
)
from snowpipe_ml.dashboard.data.subject import Subject
from snowpipe_ml.dashboard.data.variables import Field, Kind
from snowpipe_ml.dashboard.data.words import plain
from snowpipe_ml.errors import SnowpipeMLError, UsageError
from snowpipe_ml.spec.fanout import is_object
from snowpipe_ml.text.durations import seconds_text

_DATE = "YYYY-MM-DD"
_YAML_FONT = "<style>.stTextArea textarea { font-family: ui-monospace, Menlo, Consolas, monospace; }</style>"
_MARKS = {
    "success": ":material/check_circle:",
    "failed": ":material/error:",
    "running": ":material/play_circle:",
    "skipped": ":material/block:",
    "reused": ":material/done:",
    "omitted": ":material/remove_circle:",
    "waiting": ":material/schedule:",
}


def show(source: Source, subject: Subject | None) -> None:
    """Show the page."""
    st.title("Run it")
    if not source.spec.pipeline.dashboard.can_run:
        st.info("The spec does not permit runs from the dashboard. To permit them, add")
        st.code("dashboard: {can_run: true}", language="yaml")
        return
    if source.inside:
        _tasks(source)
        return
    run = _started(source)
    if run is not None:
        _follow(source, run)
        if run.running:
            return
    _form(source)


def _tasks(source: Source) -> None:
    """Start the task graph: Snowflake runs the dashboard, which can start no process."""
    st.markdown("The run is a run of the task graph, with the variables that it was deployed with.")
    with st.form("tasks", border=True):
        run_date = st.date_input(
            "Run date", value=None, key="run date", format=_DATE, help="When the graph is due if empty"
        )
        asked = st.form_submit_button("Start the task graph", type="primary")
    if not asked:
        return
    try:
        root = start_tasks(source, run_date if isinstance(run_date, date) else None)
    except UsageError as error:
        st.error(str(error))
        return
    st.success(f"{root} is started. The page Runs shows the run when its first task has begun.")


@st.cache_resource(show_spinner=False)
def _runs() -> dict[str, StartedRun]:
    """The last run that was started here, by spec and target; all browsers see it."""
    return {}


def _key(source: Source) -> str:
    return f"{source.spec.path.resolve()}\n{source.spec.target_name}"


def _started(source: Source) -> StartedRun | None:
    return _runs().get(_key(source))


def _form(source: Source) -> None:
    st.header("A new run")
    st.html(_YAML_FONT)
    fields = variables.fields(source.spec)
    _last_values(source, fields)
    _suggest(fields)
    with st.form("run", border=True):
        entered = _widgets(fields)
        hidden = variables.secrets(source.spec)
        if hidden:
            st.caption(f"Not shown, because they are secrets: {', '.join(hidden)}.")
        first, second = st.columns(2)
        run_date = first.date_input(
            "Run date", value=None, key="run date", format=_DATE, help="Today (UTC) if empty"
        )
        select = second.text_input(
            "Steps",
            key="select",
            placeholder="all",
            help="NAME, +NAME with what it needs, NAME+ with what needs it; separated by spaces",
        )
        refresh = st.checkbox("Run every step, changed or not", key="refresh")
        asked = st.form_submit_button("Start the run", type="primary")
        _duration(source)
    if not asked:
        return
    try:
        given = {
            field.name: value
            for field in fields
            if (value := field.read(entered[field.name])) != field.original
        }
        wanted = Wanted(
            given, run_date if isinstance(run_date, date) else None, tuple(select.split()), refresh
        )
        _runs()[_key(source)] = start(source, wanted)
    except (ValueError, SnowpipeMLError) as error:
        st.error(str(error))
        return
    st.rerun()


def _duration(source: Source) -> None:
    """Say how long the last run took that has ended."""
    if last_record(source) is None:
        return
    runs = frame(source, source.runs().last()).dropna(subset=["SECONDS"])
    if not runs.empty:
        last = runs.iloc[0]
        st.caption(
            f"The last run took {seconds_text(float(last['SECONDS']))}: {last['SUCCESS']} steps and declared objects ran, "
            f"{last['REUSED']} were unchanged."
        )


def _last_values(source: Source, fields: list[Field]) -> None:
    """Offer the values that the last run was given."""
    rows = None if last_record(source) is None else frame(source, source.runs().variables())
    if rows is None or rows.empty:
        return
    given: dict[str, object] = json.loads(rows["VARIABLES"].iloc[0] or "{}")
    known = {field.name: field.entered(given[field.name]) for field in fields if field.name in given}
    if known:
        st.button(
            f"Fill in what the last run was given: {', '.join(known)}",
            key="last values",
            on_click=_enter,
            args=({f"variable {name}": value for name, value in known.items()},),
        )


def _suggest(fields: list[Field]) -> None:
    """Offer to add the next month to a list of months."""
    for field in fields:
        key = f"variable {field.name}"
        try:
            value = field.read(st.session_state.get(key, field.value))
        except ValueError:
            continue
        month = variables.next_month(value)
        if month is not None and isinstance(value, list):
            text = variables.as_yaml([*value, month])
            st.button(
                f"Add {month} to {field.label.lower()}",
                key=f"next {field.name}",
                on_click=_enter,
                args=({key: text},),
            )


def _enter(values: Mapping[str, object]) -> None:
    for key, value in values.items():
        st.session_state[key] = value


def _widgets(fields: list[Field]) -> dict[str, object]:
    """Lay out the fields, short ones side by side; return what was entered."""
    entered: dict[str, object] = {}
    places: list[DeltaGenerator] = []
    for field in fields:
        if _lines(field) > 2:
            places = [st.container()]
        elif not places:
            places = list(st.columns(2))
        with places.pop(0):
            entered[field.name] = _widget(field)
            if field.help:
                st.caption(plain(field.help))
    return entered


def _lines(field: Field) -> int:
    return str(field.value).count("\n") + 1 if field.kind is Kind.YAML else 1


def _widget(field: Field) -> object:
    key = f"variable {field.name}"
    told = f"The variable `{field.name}`"
    if key not in st.session_state:
        st.session_state[key] = field.value
    if field.kind is Kind.SWITCH:
        return st.checkbox(field.label, key=key, help=told)
    if field.kind is Kind.WHOLE:
        return st.number_input(field.label, step=1, key=key, help=told)
    if field.kind is Kind.NUMBER:
        return st.number_input(field.label, key=key, format="%g", help=told)
    if field.kind is Kind.CHOICE:
        return st.selectbox(field.label, field.choices, key=key, help=told)
    if field.kind is Kind.TEXT:
        return st.text_input(field.label, key=key, help=told)
    lines = _lines(field)
    return st.text_area(
        f"{field.label} (YAML)", key=key, help=told, height=68 if lines < 3 else min(24 * lines + 20, 240)
    )


def _follow(source: Source, run: StartedRun) -> None:
    """The run that was started here: while it runs, the progress is updated each second."""

    @st.fragment(run_every=1.0 if run.running else None)
    def progress() -> None:
        running = run.running
        found = run.progress()
        _progress(found, running=running)
        if running:
            st.button("Cancel the run", key="cancel", on_click=run.cancel)
        elif st.session_state.get("ended") != run.events.name:
            st.session_state["ended"] = run.events.name
            st.rerun()  # the whole page: the form comes back

    st.header("The run that was started here" if not run.running else "Running")
    given = ", ".join(plain(f"{name} = {value}") for name, value in run.wanted.variables.items())
    st.caption(f"With {given}." if given else "With the variables of the spec.")
    progress()
    if not run.running:
        _ended(run)


def _progress(found: Progress, *, running: bool) -> None:
    total = len(found.steps)
    st.progress(
        found.done / total if total else 0.0, text=f"{found.done} of {total} steps" if total else "starting"
    )
    now = datetime.now(UTC)
    lines = []
    for step in found.steps.values():
        if step.state == "waiting" or (is_object(step.name) and step.state != "failed"):
            continue
        lines.append(f"- {_MARKS[step.state]} {_line(step, now)}")
    st.markdown("\n".join(lines) if lines else ("waiting for the first step" if running else ""))
    waiting = [step.name for step in found.steps.values() if step.state == "waiting"]
    if waiting and running:
        st.caption(f"Waiting: {', '.join(waiting)}")


def _line(step: StepState, now: datetime) -> str:
    parts = [f"**{step.name}**", step.state if step.state != "reused" else "unchanged"]
    if step.state == "running" and step.since is not None:
        parts.append(seconds_text((now - step.since).total_seconds()))
    elif step.seconds and step.state in ("success", "failed"):
        parts.append(seconds_text(step.seconds))
    if step.rows is not None:
        parts.append(f"{step.rows:,} rows")
    text = " · ".join(parts)
    return f"{text}  \n  {plain(step.message)}" if step.message else text


def _ended(run: StartedRun) -> None:
    found, code = run.progress(), run.exit_code
    if code == 0:
        took = "" if found.seconds is None else f" in {seconds_text(found.seconds)}"
        st.success(f"Run {found.run_id} succeeded{took}. The other pages show its tables.")
    elif code == 130:
        st.warning(
            f"Run {found.run_id} was canceled. It can be resumed with: snowpipe-ml run {run.command[1]} --resume"
        )
    elif found.run_id is None:
        st.error("The run could not start.")
    else:
        st.error(f"Run {found.run_id} failed.")
    said = run.said()
    if said and code != 0:
        st.code(said, language=None)

"""The page Models: the leaderboard, which model won where, the series that are worst, and the backtest of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from snowpipe_ml.dashboard.cached import frame
from snowpipe_ml.dashboard.charts import models as charts
from snowpipe_ml.dashboard.data.scores import METRICS, OTHERS, Boards, boards_of
from snowpipe_ml.dashboard.data.source import Source
from snowpipe_ml.dashboard.data.subject import Subject
from snowpipe_ml.dashboard.data.words import value_words
from snowpipe_ml.dashboard.views.tables import number_column
from snowpipe_ml.steps.forecasting.leaderboard import BASELINES

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.elements.lib.column_types import ColumnConfig

_MOST = 1000
_HEADS = {
    "BIAS": "Bias",
    "TOTAL_BIAS": "Total bias",
    "PINBALL": "Pinball",
    "COVERAGE": "Coverage",
    "SECONDS": "Seconds",
}
_EXAMPLE = """leaderboard:
  type: leaderboard
  forecasts: {table}
  writes: leaderboard
  by_series: leaderboard_by_series
"""


def show(source: Source, subject: Subject) -> None:
    """Show the page."""
    st.title("Models")
    boards = boards_of(subject, source.attributes(subject))
    if boards is None or subject.trained is None:
        st.info(f"No step of the spec scores the models of {subject.table}. This one would:")
        st.code(_EXAMPLE.format(table=str(subject.table).lower()), language="yaml")
        return
    board = frame(source, boards.board())
    if board.empty:
        st.info(
            "Nothing was backtested: no series is long enough, or the step that deploys the model has no `backtest`."
        )
        return
    metric = st.selectbox("Metric", _known(board), key="metric")
    st.caption(METRICS[metric])
    board = frame(source, boards.board(metric))
    st.header("Leaderboard")
    _summary(board, metric, subject)
    _board(board)
    folds = frame(source, boards.folds(metric))
    if folds["FOLD"].nunique() > 1:
        with st.expander(f"{metric} by origin of the backtest"):
            st.altair_chart(charts.fold_lines(folds, metric), key="folds")
    if boards.by_series is None:
        st.info("There are no scores by series: set `by_series` of the step `leaderboard`.")
        return
    models = [str(name) for name in board["MODEL"]]
    used = subject.model if subject.model is not None and subject.model in models else models[0]
    _wins(source, boards, metric)
    _worst(source, boards, metric, used)
    _one(source, boards, metric, used)


def _known(board: pd.DataFrame) -> list[str]:
    """The metrics that have a value."""
    return [name for name in METRICS if name in board and board[name].notna().any()]


def _summary(board: pd.DataFrame, metric: str, subject: Subject) -> None:
    """Whether the model beats the baselines, in words."""
    own = board[board["MODEL"] == subject.model]
    baselines = board[board["MODEL"].isin(BASELINES)]
    if own.empty or baselines.empty or subject.model in BASELINES:
        return
    best = str(baselines.sort_values(metric)["MODEL"].iloc[0])
    if own["SKILL"].isna().all():
        st.write(
            f"**{subject.model}** makes the forecasts. The {metric} of {best} is 0: no model can save anything."
        )
        return
    skill = float(own["SKILL"].iloc[0])
    if skill > 0:
        st.write(
            f"**{subject.model}** makes the forecasts. Its {metric} is {skill:.1f} % below that of {best}, the better baseline."
        )
    else:
        st.warning(
            f"{subject.model} makes the forecasts, but its {metric} is {-skill:.1f} % above that of {best}: "
            "the model has no benefit here."
        )


def _board(board: pd.DataFrame) -> None:
    """A table of models; a click on the head of a column sorts by it."""
    shown = board.assign(MODEL=[_named(name) for name in board["MODEL"]]).dropna(axis="columns", how="all")
    first = ["MODEL", *(name for name in ("SKILL",) if name in shown)]
    shown = shown[[*first, *(name for name in shown.columns if name not in first)]]
    st.dataframe(shown, hide_index=True, column_config=_columns(shown), key="board")


def _named(model: str) -> str:
    return f"{model} (baseline)" if model in BASELINES else model


def _columns(board: pd.DataFrame) -> dict[str, ColumnConfig | str]:
    """How the columns of a leaderboard are shown."""
    found: dict[str, ColumnConfig | str] = {
        "MODEL": "Model",
        "SERIES": st.column_config.NumberColumn("Series", help=OTHERS["SERIES"]),
        "DAYS": st.column_config.NumberColumn("Forecasts", help=OTHERS["DAYS"]),
        "MESSAGE": st.column_config.TextColumn("Message", help=OTHERS["MESSAGE"]),
        "SKILL": st.column_config.NumberColumn(
            "Skill", format="%.1f %%", help="How much of the error of the better baseline the model saves."
        ),
    }
    for name in board.columns:
        if name not in found:
            found[str(name)] = number_column(
                _HEADS.get(name, str(name)), board[name], METRICS.get(name) or OTHERS.get(name)
            )
    return found


def _wins(source: Source, boards: Boards, metric: str) -> None:
    st.header("Which model won where")
    wins = frame(source, boards.wins(metric))
    total = int(wins["SERIES"].sum())
    st.caption(f"For how many of {total} series each model has the least {metric}.")
    st.altair_chart(
        charts.bars(wins.assign(MODEL=wins["MODEL"].map(_named)), "MODEL", "SERIES", "series"), key="wins"
    )


def _worst(source: Source, boards: Boards, metric: str, used: str) -> None:
    st.header("Series by skill")
    worst = st.segmented_control(
        "Order", ["worst first", "best first"], default="worst first", key="skill order"
    )
    rows = frame(source, boards.series(used, metric, worst=worst != "best first", most=_MOST))
    st.caption(
        f"{metric} of {used} and of the better baseline; skill is how much of the latter is saved. "
        f"{(rows['SKILL'] < 0).sum()} of {len(rows)} series are better off with a baseline."
    )
    st.dataframe(
        rows,
        hide_index=True,
        height=320,
        column_config={
            "SERIES": "Series",
            "LABEL": "Name",
            "VALUE": number_column(f"{metric} of {used}", rows["VALUE"]),
            "BASELINE": number_column(f"{metric} of the baseline", rows["BASELINE"]),
            "SKILL": st.column_config.NumberColumn("Skill", format="%.1f %%"),
            "BEST_MODEL": "Best model",
            "BEST_VALUE": number_column(f"Its {metric}", rows["BEST_VALUE"]),
        },
    )


def _one(source: Source, boards: Boards, metric: str, used: str) -> None:
    """The models of one series, and its backtest."""
    st.header("One series")
    rows = frame(source, boards.series(used, metric, worst=True, most=_MOST))
    labels = dict(zip(rows["SERIES"], rows["LABEL"], strict=True))
    key = st.selectbox(
        "Series",
        list(labels),
        format_func=lambda name: labels[name] if labels[name] == name else f"{labels[name]} ({name})",
        key="model series",
    )
    _board(frame(source, boards.of_series(key, metric)))
    tested = frame(source, boards.backtest(key))
    models = list(dict.fromkeys(tested["MODEL"]))
    chosen = st.pills(
        "Models in the chart",
        models,
        selection_mode="multi",
        default=[one for one in models if one == used] or models[:1],
        format_func=_named,
        key="shown",
    )
    st.altair_chart(charts.backtest(tested, chosen, value_words(boards.subject)), key="backtest")
    st.caption(
        "Each origin of the backtest forecasts the periods after it from what was known then. "
        "The bands are intervals; the first origin has none, because they come from earlier errors."
    )

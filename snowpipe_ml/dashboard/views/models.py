"""The page Models: the leaderboard, which model won where, the series that are worst, and the backtest of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from snowpipe_ml.dashboard.cached import frame
from snowpipe_ml.dashboard.charts import models as charts
from snowpipe_ml.dashboard.data.scores import METRICS, OTHERS, Boards, boards_of
from snowpipe_ml.dashboard.data.source import Source
from snowpipe_ml.dashboard.data.subject import Subject
from snowpipe_ml.dashboard.data.words import value_words
from snowpipe_ml.dashboard.views.tables import number_column, number_format
from snowpipe_ml.models.ensemble import ENSEMBLES
from snowpipe_ml.steps.forecasting.leaderboard import BASELINES

if TYPE_CHECKING:
    import pandas as pd
    from streamlit.elements.lib.column_types import ColumnConfig

_MOST = 1000
_ERRORS = ("RMSE", "MAE", "SMAPE", "MASE", "RMSSE")
_COUNTS = ("SERIES", "DAYS")
# Columns in units of the target have the decimals of the RMSE.
_UNITS = ("RMSE", "MAE", "BIAS", "PINBALL")
_SCALED = ("MASE", "RMSSE", "WQL")
_PERCENT = ("SKILL", "SMAPE", "TOTAL_BIAS", "COVERAGE")
_HEADS = {
    "MODEL": "Model",
    "SKILL": "Skill",
    "SERIES": "Series",
    "DAYS": "Forecasts",
    "BIAS": "Bias",
    "TOTAL_BIAS": "Total bias",
    "PINBALL": "Pinball",
    "COVERAGE": "Coverage",
    "WEIGHT": "Weight",
    "SECONDS": "Seconds",
    "MESSAGE": "Message",
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
    tested = Tested.of(source, subject)
    _summary(board, metric, tested)
    _boards(board, metric, tested, "board")
    st.caption(tested.scored(board))
    with st.expander("The columns explained"):
        st.markdown(_meanings(board, tested))
    folds = frame(source, boards.folds(metric))
    if folds["FOLD"].nunique() > 1:
        with st.expander(f"{metric} by origin of the backtest"):
            st.altair_chart(charts.fold_lines(folds, metric), key="folds")
    if boards.by_series is None:
        st.info("There are no scores by series: set `by_series` of the step `leaderboard`.")
        return
    models = [str(name) for name in board["MODEL"]]
    used = subject.model if subject.model is not None and subject.model in models else models[0]
    _wins(source, boards, metric, models, tested)
    _worst(source, boards, metric, used)
    _one(source, boards, metric, used, tested)


def _known(board: pd.DataFrame) -> list[str]:
    """The metrics that have a value."""
    return [name for name in METRICS if name in board and board[name].notna().any()]


@dataclass(frozen=True)
class Tested:
    """How the models were tested, in words.

    Attributes:
        used: the name of the model that makes the forecasts; None if another spec has it.
        combines: whether it combines others.
        horizon: the periods that each origin forecasts, such as ``14 days``; None if the spec does not say.
        origins: the number of origins of the backtest.
        interval: the fraction of the values that the intervals should contain.
    """

    used: str | None
    combines: bool
    horizon: str | None
    origins: int
    interval: float | None

    @classmethod
    def of(cls, source: Source, subject: Subject) -> Tested:
        """Return how the models of a subject were tested."""
        assert subject.trained is not None
        deployed = subject.trained.deployed(source.ctx).settings
        backtest, every = deployed.backtest, subject.features.settings.every
        return cls(
            subject.model,
            deployed.model.type in ENSEMBLES,
            None
            if backtest is None
            else f"{backtest.horizon} {every.plural if backtest.horizon > 1 else every.noun}",
            0 if backtest is None else backtest.origins,
            subject.interval,
        )

    def named(self, model: str) -> str:
        """Return a model with whether it makes the forecasts or is a baseline."""
        said = [
            *(["in use"] if model == self.used else []),
            *(["baseline"] if model in BASELINES else []),
        ]
        return f"{model} ({', '.join(said)})" if said else model

    @property
    def intended(self) -> str:
        """The intended coverage, in words."""
        return "" if self.interval is None else f"{100 * self.interval:g} %"

    def scored(self, board: pd.DataFrame) -> str:
        """Return which forecasts of the backtest are scored."""
        counts = [int(board[name].max()) for name in _COUNTS if name in board]
        said = f"Each model is scored on the same {counts[-1]:,} forecasts"
        if len(counts) > 1:
            said += f" of {counts[0]:,} series"
        if self.horizon is not None:
            said += f", {self.horizon} from each origin of the backtest"
        if self.origins > 1:
            said += (
                f". Scores begin at the second of {self.origins} origins: the first only supplies the errors "
                "that weights and intervals are made from"
            )
        return f"{said}. Coverage, pinball and WQL count the origins at which all models have an interval."


def _summary(board: pd.DataFrame, metric: str, tested: Tested) -> None:
    """The rank of the model in use, and whether it beats the baselines, in words."""
    used = tested.used
    own = board[board["MODEL"] == used]
    baselines = board[board["MODEL"].isin(BASELINES)]
    if own.empty or baselines.empty or used in BASELINES:
        return
    better = str(baselines.sort_values(metric)["MODEL"].iloc[0])
    if own["SKILL"].isna().all():
        st.write(
            f"**{used}** makes the forecasts. The {metric} of {better} is 0: no model can save anything."
        )
        return
    skill = float(own["SKILL"].iloc[0])
    place = 1 + int((board[metric] < own[metric].iloc[0]).sum())
    first = board.iloc[0]
    ahead = "" if tested.horizon is None else f" over {tested.horizon}"
    said = (
        f"**{used}** makes the forecasts. By {metric}{ahead} it is {_ordinal(place)} of {len(board)} models"
    )
    if place > 1:
        said += f"; the best is {first['MODEL']} (skill {first['SKILL']:.1f} %)"
    if skill <= 0:
        st.warning(
            f"{said}. Its {metric} is {-skill:.1f} % above that of {better}, the better baseline: the model has no benefit here."
        )
        return
    said += f". Its {metric} is {skill:.1f} % below that of {better}, the better baseline."
    if place > 1:
        said += " The spec chose it before these scores were known"
        said += (
            ", because the model that is best at a few origins is often not the best afterwards: an ensemble weighs several."
            if tested.combines
            else "."
        )
    st.write(said)


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _boards(board: pd.DataFrame, metric: str, tested: Tested, key: str) -> None:
    """The errors of models, and below them the rest; a click on the head of a column sorts by it."""
    shown = board.assign(MODEL=[tested.named(name) for name in board["MODEL"]])
    if "COVERAGE" in shown:
        shown = shown.assign(COVERAGE=100 * shown["COVERAGE"])
    shown = shown.dropna(axis="columns", how="all")
    # Where all models have the same counts, the caption has them.
    shown = shown.drop(columns=[name for name in _COUNTS if name in shown and shown[name].nunique() == 1])
    units = number_format(board["RMSE"])
    head = [name for name in ("MODEL", metric, "SKILL") if name in shown]
    errors = [*head, *(name for name in _ERRORS if name in shown and name not in head)]
    others = ["MODEL", *(name for name in shown.columns if name not in errors)]
    for part, names in (("", errors), (" rest", others)):
        if len(names) > 1:
            st.dataframe(
                shown[names],
                hide_index=True,
                column_config={name: _column(name, shown, units, tested) for name in names},
                key=f"{key}{part}",
            )


def _column(name: str, shown: pd.DataFrame, units: str, tested: Tested) -> ColumnConfig:
    """How a column of a leaderboard is shown: its decimals do not depend on the table."""
    head, help = _HEADS.get(name, name), _meaning(name, tested)
    if name in ("MODEL", "MESSAGE"):
        return st.column_config.TextColumn(head, help=help, pinned=name == "MODEL")
    if name in _COUNTS:
        return st.column_config.NumberColumn(head, help=help)
    if name in _PERCENT:
        return st.column_config.NumberColumn(head, format="%.1f %%", help=help)
    if name in _UNITS or name in _SCALED:
        return st.column_config.NumberColumn(head, format=units if name in _UNITS else "%.3f", help=help)
    return number_column(head, shown[name], help)


def _meaning(name: str, tested: Tested) -> str | None:
    if name == "SKILL":
        return "How much of the error of the better baseline the model saves."
    if name == "COVERAGE" and tested.intended:
        return f"{OTHERS[name]} {tested.intended} is intended."
    return METRICS.get(name) or OTHERS.get(name)


def _meanings(board: pd.DataFrame, tested: Tested) -> str:
    """The columns and their meanings, as a list."""
    names = [name for name in board.dropna(axis="columns", how="all").columns if name not in _COUNTS]
    told = ((_HEADS.get(name, name), _meaning(name, tested)) for name in names)
    return "\n".join(f"- **{head}**: {text}" for head, text in told if text is not None)


def _wins(source: Source, boards: Boards, metric: str, models: list[str], tested: Tested) -> None:
    st.header("Which model won where")
    won = dict(frame(source, boards.wins(metric)).itertuples(index=False, name=None))
    total = sum(won.values())
    st.caption(f"For how many of {total} series each model has the least {metric}.")
    # Most wins first; models without any follow in the order of the leaderboard.
    names = sorted({*models, *won}, key=lambda name: (-won.get(name, 0), [*models, name].index(name)))
    rows = [(tested.named(name), won.get(name, 0)) for name in names]
    st.altair_chart(charts.wins(rows), key="wins")


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


def _one(source: Source, boards: Boards, metric: str, used: str, tested: Tested) -> None:
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
    board = frame(source, boards.of_series(key, metric))
    _boards(board, metric, tested, "series board")
    rows = frame(source, boards.backtest(key))
    st.caption(tested.scored(board))
    models = list(dict.fromkeys(rows["MODEL"]))
    chosen = st.pills(
        "Models in the chart",
        models,
        selection_mode="multi",
        default=[one for one in models if one == used] or models[:1],
        format_func=tested.named,
        key="shown",
    )
    st.altair_chart(charts.backtest(rows, chosen, value_words(boards.subject)), key="backtest")
    said = "Each origin of the backtest forecasts the periods after it from what was known then."
    if tested.intended:
        said += f" The bands are {tested.intended} intervals."
    if tested.origins > 1:
        said += (
            " The first origin has no intervals, because they come from earlier errors, and it is not scored."
        )
    st.caption(said)

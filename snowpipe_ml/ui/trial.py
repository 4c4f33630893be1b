"""A model that was tried on a few series: drawn on the terminal, and as a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from snowpipe_ml.ui.pages import line_chart, render_page

if TYPE_CHECKING:
    import pandas as pd

    from snowpipe_ml.exploration.trial import Trial

_SHOWN = 56  # periods on the terminal
_BLOCKS = "▁▂▃▄▅▆▇█"


def drawn(trial: Trial, key: str) -> Iterator[str]:
    """Yield lines that draw the last values of a series and its forecast with blocks."""
    rows = _points(trial, key)
    past = rows[rows["PART"] != "forecast"].tail(_SHOWN)["ACTUAL"].astype(float).tolist()
    ahead = rows[rows["PART"] == "forecast"]["PREDICTION"].astype(float).tolist()
    values = [*past, *ahead]
    if not values:
        return
    low, high = min(values), max(values)

    def blocks(numbers: list[float]) -> str:
        span = (high - low) or 1.0
        return "".join(_BLOCKS[round((len(_BLOCKS) - 1) * (value - low) / span)] for value in numbers)

    yield f"{key}: {blocks(past)}│{blocks(ahead)}  {low:.4g} to {high:.4g}; after the line, the forecast"


def trial_html(trial: Trial) -> str:
    """Render the series, their forecasts and the errors as a page."""
    keys = [str(key) for key in trial.rows["SERIES"].drop_duplicates()]
    charts = {key: chart for key in keys if (chart := _chart(trial, key)) is not None}
    return render_page(
        "trial.html.j2",
        {"charts": charts},
        model=trial.model,
        value=trial.value,
        series=list(charts),
        errors=trial.scores(),
        untrained=trial.untrained(),
    )


def _points(trial: Trial, key: str) -> pd.DataFrame:
    rows = trial.rows
    shown = rows["PART"].isin(["train", "validation", "forecast"])
    return rows[(rows["SERIES"] == key) & shown].sort_values("DATE")


def _chart(trial: Trial, key: str) -> dict[str, object] | None:
    rows = _points(trial, key)
    if rows.empty:
        return None
    future = (rows["PART"] == "forecast").tolist()

    def column(name: str, forecast: bool | None) -> list[float | None]:
        values = rows[name].astype(float).tolist()
        return [
            value if value == value and forecast in (None, ahead) else None
            for value, ahead in zip(values, future, strict=True)
        ]

    found = line_chart(
        f"{key}, {trial.value}",
        [str(day).removesuffix(" 00:00:00") for day in rows["DATE"]],
        trial.noun,
        trial.value,
        {
            "actual": column("ACTUAL", False),
            f"predicted one {trial.noun} ahead": column("PREDICTION", False),
            "forecast": column("PREDICTION", True),
        },
        band={"name": "interval", "low": column("LOW", True), "high": column("HIGH", True)},
    )
    if any(future) and not all(future):
        found["split"] = {"at": future.index(True), "name": "forecast"}
    return found

"""The page of an exploration: one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from snowpipe_ml.ui.pages import line_chart, render_page

if TYPE_CHECKING:
    from snowpipe_ml.exploration.explored import Exploration

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SMALL = 180  # pixels


def exploration_html(exploration: Exploration) -> str:
    """Render an exploration as a page."""
    found = exploration.to_json()
    every = exploration.question.every
    profiles = found["profiles"]
    charts = dict(_charts(found, every.noun))
    shown = [
        ("hour", "By hour", "share of all"),
        ("weekday", "By weekday", "mean, as a multiple of the mean of all"),
        ("month", "By month", "mean, as a multiple of the mean of all"),
    ]
    return render_page(
        "explore.html.j2",
        {"charts": charts},
        found=found,
        noun=every.noun,
        plural=every.plural,
        adds_up=exploration.question.adds_up,
        settings=list(_settings(found["suggestion"])),
        sections=list(_sections(found)),
        coverage=list(_told(found, every.plural)),
        profiles=[one for one in shown if one[0] in charts],
        heat=_heat(profiles["weekday_hour"]),
        largest=list(found["values"]["largest"]),
        percent=_percent,
    )


def _charts(found: Mapping[str, Any], noun: str) -> Iterator[tuple[str, dict[str, object]]]:
    values, unit = found["values"], found["unit"]
    times, parts = values["time"], found["decomposition"]
    lines = {"value": values["value"]}
    if parts is not None:
        lines["trend"] = [None] * (len(times) - len(parts["time"])) + parts["trend"]
    yield "values", line_chart(f"All series, {unit}", times, noun, unit, lines)
    yield "active", line_chart("Series with rows", times, noun, "series", {"series": values["series"]})
    for key, points in values["largest"].items():
        yield (
            f"series:{key}",
            line_chart(f"{key}, {unit}", times, noun, unit, {"value": points}, height=_SMALL),
        )
    profiles = found["profiles"]
    for name, labels in (("hour", range(24)), ("weekday", _DAYS), ("month", _MONTHS)):
        if profiles[name]:
            points = [(str(label), value) for label, value in zip(labels, profiles[name], strict=True)]
            known = [point for point in points if point[1] is not None]
            of = "share" if name == "hour" else "multiple of the mean"
            yield (
                name,
                line_chart(
                    f"By {name}",
                    [label for label, _ in known],
                    name,
                    of,
                    {of: [value for _, value in known]},
                    "bar",
                ),
            )
    correlation = found["autocorrelation"]
    for name, title, points in (
        ("acf", "autocorrelation", correlation["values"]),
        ("pacf", "partial autocorrelation", correlation["partial"]),
    ):
        lags = [str(lag) for lag in correlation["lags"]]
        bounds = [correlation["bound"], -correlation["bound"]]
        yield (
            name,
            line_chart(title, lags, f"lag in {noun}s", "correlation", {title: points}, "bar", bounds=bounds),
        )
    for name in ("trend", "seasonal", "remainder") if parts is not None else ():
        kind = "bar" if name == "remainder" else "line"
        yield name, line_chart(name, parts["time"], noun, unit, {name: parts[name]}, kind, height=_SMALL)


def _settings(suggestion: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the suggested settings with their values and the reasons, and the columns that are not used."""
    why = dict(suggestion["why"])
    shown = {
        "frequency": suggestion["frequency"],
        "season": str(suggestion["season"]) if suggestion["season"] > 1 else "none",
        "lags": ", ".join(map(str, suggestion["lags"])),
        "rolling": ", ".join(map(str, suggestion["rolling"])),
        "date_features": ", ".join(suggestion["date_features"]),
        "fourier": ", ".join(f"{period:g}, order {order}" for period, order in suggestion["fourier"]),
        "holidays": "yes" if suggestion["holidays"] else "no" if "holidays" in why else "",
        "horizon": str(suggestion["horizon"]),
        "model": suggestion["model"]["type"],
    }
    for name, value in shown.items():
        reason = why.pop(name, "")
        if value:
            yield name.replace("_", " "), value, reason.removeprefix("not used: ")
    for column, reason in why.items():
        used = column in suggestion["exogenous"]
        yield column, "yes" if used else "no", reason.removeprefix("not used: ")


def _sections(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    profiles = found["profiles"]
    yield "suggestion", "Suggested settings"
    yield "values", "Values"
    if any(profiles.values()):
        yield "profiles", "Profiles"
    yield "series", "Largest series"
    yield "seasons", "Seasons"
    if found["decomposition"]:
        yield "decomposition", "Decomposition"
    if found["stationarity"]:
        yield "stationarity", "Stationarity"
    if found["holidays"] or found["exogenous"]:
        yield "effects", "Holidays and other columns"
    yield "outliers", "Outliers"


def _told(found: Mapping[str, Any], plural: str) -> Iterator[str]:
    """Yield what there is to say about the rows and the series."""
    rows, series = found["rows"], found["series_summary"]
    for name, reason in (
        ("without_series", f"{found['series']} is NULL"),
        ("without_time", f"{found['time']} is NULL"),
        ("without_value", f"{found['value']} is NULL"),
        ("negative", f"{found['value']} is negative"),
    ):
        if rows[name]:
            yield f"{rows[name]:,} rows: {reason}"
    for time in found["coverage"]["partial"]:
        yield f"{time} is not whole, and excluded"
    if series["with_gaps"]:
        yield f"{series['with_gaps']:,} series have {plural} without rows between others"
    if series["ended"]:
        yield f"{series['ended']:,} series have ended"
    if series["late"]:
        yield f"{series['late']:,} series begin in the second half of the time"


def _heat(table: Sequence[Sequence[float]]) -> list[tuple[str, list[tuple[float, int]]]]:
    """Return each weekday with (percent of all, percent of the highest) by hour."""
    highest = max((share for row in table for share in row), default=0) or 1
    return [
        (day, [(100 * share, round(100 * share / highest)) for share in row])
        for day, row in zip(_DAYS, table, strict=False)
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 or not share else f"{100 * share:.1f} %"

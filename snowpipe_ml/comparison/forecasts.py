"""Which series are forecast better or worse, by a paired test over the origins of the backtest."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from snowpipe_ml.plugins.connection import Connection, execute
from snowpipe_ml.sql import Identifier, QualifiedName, sql

LEVEL = 0.05
"""The level of significance."""
FEWEST_ORIGINS = 3
FEWEST_SERIES = 6
"""With fewer series, no outcome of the signed-rank test is significant."""
Errors = Mapping[str, Mapping[str, tuple[float, int]]]
"""The mean absolute error and the number of periods, by series and origin."""


@dataclass(frozen=True)
class SeriesChange:
    """A series with a backtest at both commits.

    Attributes:
        key: the series.
        base: the mean absolute error at the base, over the origins of both.
        head: that of the head.
        origins: the number of these origins.
        p: the p-value of the paired t-test over the origins, adjusted for the number of series; None without a test.
    """

    key: str
    base: float
    head: float
    origins: int
    p: float | None

    @property
    def change(self) -> float | None:
        """Return the relative change of the error; None if that of the base is zero."""
        return self.head / self.base - 1 if self.base else None

    @property
    def significant(self) -> bool:
        """Return whether the difference is significant."""
        return self.p is not None and self.p < LEVEL


@dataclass(frozen=True)
class ForecastChange:
    """The forecasts of a step at both commits.

    Attributes:
        step: the step.
        models: the models that forecast, at the base and at the head.
        series: the series of both, those that changed most first.
        only_base: the series that only the base forecasts.
        only_head: the series that only the head forecasts.
        p: the p-value of the signed-rank test over the series; None without a test.
        note: the reason why no test was made; empty if one was.
    """

    step: str
    models: tuple[tuple[str, ...], tuple[str, ...]]
    series: Sequence[SeriesChange]
    only_base: Sequence[str]
    only_head: Sequence[str]
    p: float | None
    note: str = ""

    @property
    def better(self) -> list[SeriesChange]:
        """Return the series with a smaller error at the head."""
        return [each for each in self.series if each.head < each.base]

    @property
    def worse(self) -> list[SeriesChange]:
        """Return the series with a larger error at the head."""
        return [each for each in self.series if each.head > each.base]

    @property
    def total(self) -> tuple[float, float] | None:
        """Return the means of the errors of the series of both; None if there are none."""
        if not self.series:
            return None
        return statistics.fmean(s.base for s in self.series), statistics.fmean(s.head for s in self.series)


def backtest_errors(
    connection: Connection, table: QualifiedName, key: Identifier
) -> tuple[Errors, tuple[str, ...]]:
    """Return the errors of the model that forecasts each series, from each origin of its backtest, and the models.

    Args:
        connection: a connection to the target.
        table: the output of a `train_forecasters` step.
        key: the column that identifies a series.
    """
    rows = execute(
        connection,
        sql(
            "SELECT B.{key}::VARCHAR, B.ORIGIN::VARCHAR, AVG(ABS(B.PREDICTION - B.ACTUAL)), COUNT(*) FROM {table} AS B "
            "JOIN (SELECT DISTINCT {key} AS K, MODEL AS M FROM {table} WHERE PART = 'forecast') ON K = B.{key} AND M = B.MODEL "
            "WHERE B.PART = 'backtest' AND B.ACTUAL IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2",
            key=key,
            table=table,
        ),
    )
    errors: dict[str, dict[str, tuple[float, int]]] = {}
    for series, origin, error, periods in map(tuple, rows):
        if error is not None:
            errors.setdefault(str(series), {})[str(origin)] = (float(error), int(periods))
    models = execute(
        connection,
        sql("SELECT DISTINCT MODEL FROM {table} WHERE PART = 'forecast' ORDER BY 1", table=table),
    )
    return errors, tuple(str(row[0]) for row in models)


def compared(
    step: str, base: Errors, head: Errors, models: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
) -> ForecastChange:
    """Compare the errors of two backtests.

    Each series has a paired t-test of its errors over the origins that both backtests have, with as many periods.
    The p-values are adjusted after Benjamini and Hochberg. All series together have Wilcoxon's signed-rank test of
    the relative changes of their errors.

    Args:
        step: the step.
        base: the errors at the base.
        head: the errors at the head.
        models: the models that forecast, at the base and at the head.
    """
    pairs: dict[str, list[tuple[float, float]]] = {}
    for key in base.keys() & head.keys():
        shared = [
            (base[key][origin][0], head[key][origin][0])
            for origin in base[key]
            if origin in head[key] and base[key][origin][1] == head[key][origin][1]
        ]
        if shared:
            pairs[key] = shared
    tested, whole, note = _tests(pairs)
    series = [
        SeriesChange(
            key,
            statistics.fmean(a for a, _ in shared),
            statistics.fmean(b for _, b in shared),
            len(shared),
            tested.get(key),
        )
        for key, shared in pairs.items()
    ]
    if not pairs and base and head:
        note = "the backtests have no series and origin in common"
    return ForecastChange(
        step,
        models,
        sorted(series, key=lambda each: (-abs(each.change or 0), each.key)),
        sorted(base.keys() - head.keys()),
        sorted(head.keys() - base.keys()),
        whole,
        note,
    )


def _tests(
    pairs: Mapping[str, Sequence[tuple[float, float]]],
) -> tuple[dict[str, float], float | None, str]:
    """Return the adjusted p-values of the series, that of all series, and why there are none."""
    if not pairs:
        return {}, None, ""
    if find_spec("scipy") is None:
        return {}, None, "no test: scipy is not installed, which the extra `forecast` brings"
    from scipy.stats import false_discovery_control, ttest_rel, wilcoxon

    raw: dict[str, float] = {}
    for key, shared in pairs.items():
        differences = [b - a for a, b in shared]
        if len(shared) < FEWEST_ORIGINS:
            continue
        if len(set(differences)) == 1:  # no spread, for which the statistic is not defined
            raw[key] = 1.0 if not differences[0] else 0.0
        else:
            raw[key] = float(ttest_rel([b for _, b in shared], [a for a, _ in shared]).pvalue)
    adjusted = (
        dict(zip(raw, map(float, false_discovery_control(list(raw.values()))), strict=True)) if raw else {}
    )
    sums = [(sum(a for a, _ in shared), sum(b for _, b in shared)) for shared in pairs.values()]
    relative = [b / a - 1 for a, b in sums if a]
    whole = None
    if sum(map(bool, relative)) >= FEWEST_SERIES:
        whole = float(wilcoxon(relative).pvalue)
    notes = []
    if not raw:
        notes.append(f"no test of single series: it needs {FEWEST_ORIGINS} origins")
    if whole is None and any(relative):
        notes.append(f"no test of all series: it needs {FEWEST_SERIES} that differ")
    return adjusted, whole, "; ".join(notes)

"""The suggested steps as YAML, to be pasted at the end of a spec."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from snowpipe_ml.exploration.question import Covariate, Question
from snowpipe_ml.exploration.suggestion import Chosen
from snowpipe_ml.exploration.surroundings import Surroundings
from snowpipe_ml.sql import Identifier, QualifiedName

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.$@/-]*")
_WORDS = {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}
_WIDTH = 110
_PACKAGES = ["numpy", "pandas", "statsforecast"]


def as_yaml(
    question: Question,
    chosen: Chosen,
    covariates: Iterable[Covariate],
    years: tuple[int, int],
    around: Surroundings,
) -> str:
    """Return the steps of a spec, from holidays to the leaderboard, with the reasons as comments.

    The steps come first and are indented as in ``steps:``, so that they can be appended to a spec that ends with its
    steps. Sections that the spec lacks follow them.

    Args:
        question: the table, and the frequency.
        chosen: the settings.
        covariates: the columns that are features.
        years: the first and last year of the holidays.
        around: the spec.
    """
    prefix = around.prefix(question.table)
    stage, packages = around.stage or f"{prefix}_stage", around.packages or f"{prefix}_packages"
    new: dict[str, dict[str, Any]] = {}
    if around.stage is None:
        new["stages"] = {stage: {}}
    if around.packages is None:
        new["packages"] = {packages: _PACKAGES}
    lines = [f"  # {line}" for line in _head(question, around, new)]
    for name, step in _steps(question, chosen, list(covariates), years, around, prefix, stage, packages):
        lines.append(f"  {name}:")
        lines += _settings(step | _given(warehouse=around.warehouse), chosen)
    for section, value in new.items():
        if not around.declares(section):
            lines.append(f"{section}:")
            lines += [f"  {name}: {_flow(item)}" for name, item in value.items()]
    return "\n".join(lines) + "\n"


def _head(question: Question, around: Surroundings, new: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield f"suggested by `snowpipe-ml explore` for {question.table}, by {question.series}"
    if not around.ends_with_steps:
        yield "paste this at the end of `steps`"
    for section, value in new.items():
        if around.declares(section):
            for name, item in value.items():
                yield f"add to `{section}`:  {name}: {_flow(item)}"


def _steps(
    question: Question,
    chosen: Chosen,
    covariates: list[Covariate],
    years: tuple[int, int],
    around: Surroundings,
    prefix: str,
    stage: str,
    packages: str,
) -> Iterator[tuple[str, dict[str, Any]]]:
    q = question
    holidays = around.holidays(q.country)
    table = _name(holidays.settings.writes) if holidays is not None else f"{prefix}_holidays"
    if chosen.holidays and holidays is None and q.country is not None:
        country, subdivision = q.country
        yield (
            f"{prefix}_holidays",
            _given(
                type="holidays",
                country=country,
                subdivision=subdivision,
                first_year=years[0],
                last_year=years[1],
                writes=table,
            ),
        )
    by_table: dict[tuple[QualifiedName, Identifier], list[str]] = {}
    for one in covariates:
        by_table.setdefault((one.table, one.on), []).append(one.column.sql)
    yield (
        f"{prefix}_features",
        _given(
            type="features",
            **{"from": _name(q.table)},
            partition_by=q.series.sql,
            timestamp=q.time.sql,
            frequency=q.every.name,
            timezone=q.timezone,
            stored_timezone=q.stored_timezone,
            value=q.value.sql if q.value is not None else None,
            aggregate=q.aggregate,
            target=q.output,
            calendar=_name(q.calendar) if q.calendar is not None else None,
            lags=chosen.lags,
            rolling={"mean": chosen.rolling} if chosen.rolling else None,
            date_features=chosen.date_features or None,
            fourier=[{"period": period, "order": order} for period, order in chosen.fourier] or None,
            holidays={"table": table} if chosen.holidays else None,
            exogenous=[
                _given(
                    table=_name(other),
                    columns=columns,
                    on=on.sql if on.name != "DATE" else None,
                    future="climatology",
                )
                for (other, on), columns in by_table.items()
            ]
            or None,
            writes=f"{prefix}_features",
            left_out=f"{prefix}_left_out",
        ),
    )
    yield (
        f"{prefix}_future",
        {
            "type": "future_features",
            "features": f"{prefix}_features",
            "horizon": chosen.horizon,
            "writes": f"{prefix}_future",
        },
    )
    yield (
        f"{prefix}_forecaster",
        {
            "type": "deploy_forecaster",
            "function": f"forecast_{prefix}",
            "features": f"{prefix}_features",
            "model": dict(chosen.model),
            "backtest": {"origins": chosen.origins, "horizon": chosen.horizon},
            "stage": stage,
            "packages": packages,
        },
    )
    yield (
        f"{prefix}_training",
        {
            "type": "train_forecasters",
            "function": f"forecast_{prefix}",
            "features": f"{prefix}_features",
            "future": f"{prefix}_future",
            "writes": f"{prefix}_forecasts",
        },
    )
    yield (
        f"{prefix}_leaderboard",
        {
            "type": "leaderboard",
            "forecasts": f"{prefix}_forecasts",
            "writes": f"{prefix}_leaderboard",
            "by_series": f"{prefix}_leaderboard_by_series",
        },
    )


def _settings(step: dict[str, Any], chosen: Chosen) -> Iterator[str]:
    """Yield the lines of a step's settings, each suggested one after the reason for it."""
    suggested = step["type"] in ("features", "deploy_forecaster")
    for key, value in step.items():
        reasons = [chosen.why[key]] if suggested and key in chosen.why else []
        if key == "exogenous":
            named = {f"{one['table']}.{name}": name for one in value for name in one["columns"]}
            reasons = [f"{n}: {chosen.why[at]}" for at, n in _by_upper(named).items() if at in chosen.why]
        if key == "model" and "season" in value:
            reasons.insert(0, f"season: {chosen.why['season']}")
        for reason in reasons:
            yield from textwrap.wrap(
                reason, _WIDTH, initial_indent="    # ", subsequent_indent="    # ", break_long_words=False
            )
        yield f"    {key}: {_flow(value)}"


def _by_upper(named: Mapping[str, str]) -> dict[str, str]:
    return {at if '"' in at else at.upper(): name for at, name in named.items()}


def _given(**settings: Any) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value is not None}


def _name(name: QualifiedName) -> str:
    """A name as specs have it: in lower case, unless it is quoted."""
    return name.sql if '"' in name.sql else name.sql.lower()


def _flow(value: Any) -> str:
    """A value in YAML's flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
        return value if plain else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)

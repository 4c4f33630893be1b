"""A forecasting pipeline for a CSV file of the user: its columns are recognized, and a spec is written."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from math import gcd
from pathlib import Path
from string import Template

from snowpipe_ml.cli.csv_file import read_csv
from snowpipe_ml.cli.time_formats import EXAMPLES, TimeFormat, format_of
from snowpipe_ml.errors import UsageError
from snowpipe_ml.text.encodings import Encoding
from snowpipe_ml.text.problems import did_you_mean

_VALUE_NAMES = (
    "value",
    "y",
    "target",
    "sales",
    "quantity",
    "qty",
    "units",
    "demand",
    "amount",
    "count",
    "revenue",
)
_TIME_NAMES = ("date", "time", "timestamp", "datetime", "day", "ds", "week", "month", "quarter", "period")
_YEAR_NAMES = ("year", "yr", "date", "time", "ds", "period")
_PARTS_OF_YEARS = ("quarter", "month", "week", "day", "hour", "hr", "mnth")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_HORIZONS = {"day": 14, "business_day": 10, "month": 12, "quarter": 4, "year": 3, "hour": 48}
"""Periods that are forecast by default; weeks: 8, minutes: 96."""


@dataclass(frozen=True)
class Columns:
    """The columns of a CSV file that a forecast needs, as its header writes them.

    Attributes:
        time: the time of a row.
        format: how the times are written.
        series: the columns that identify a series; none for a file with one series.
        value: the number to forecast; None to count the rows.
        frequency: the length of a period, as in the step type ``features``.
        gaps: what a missing period means, as in ``features``.
        first: the first time.
        last: the last time.
        count: the number of series.
        rows: the number of rows that were read, if the file has more.
        delimiter: the character between fields.
        encoding: the character set, as Snowflake names it.
        decimal_comma: whether the value is written like ``1,5``.
    """

    time: str
    format: TimeFormat
    series: tuple[str, ...]
    value: str | None
    frequency: str
    gaps: str
    first: datetime
    last: datetime
    count: int
    rows: int | None
    delimiter: str = ","
    encoding: Encoding = "UTF8"
    decimal_comma: bool = False

    @property
    def horizon(self) -> int:
        """Periods to forecast."""
        return _HORIZONS.get(self.frequency, 8 if self.frequency.startswith("week") else 96)

    def __str__(self) -> str:
        series = f"{' and '.join(self.series)} ({self.count:,} series)" if self.series else "one series"
        value = self.value if self.value is not None else "the number of rows"
        unusual = f"file: {self.encoding}, fields separated by {self.delimiter!r}\n"
        return (
            ("" if (self.delimiter, self.encoding) == (",", "UTF8") else unusual)
            + f"time: {self.time} ({self.frequency}, {self.first:%Y-%m-%d} to {self.last:%Y-%m-%d})\n"
            f"series: {series}\nvalue: {value}"
        ) + (f"\nThese are the first {self.rows:,} rows of the file." if self.rows else "")


def recognize(
    path: Path, *, time: str | None = None, series: Sequence[str] = (), value: str | None = None
) -> Columns:
    """Find out which columns of a CSV file hold the time, the series and the value.

    Args:
        path: a CSV file with a header.
        time: the title of the column with the time, if the user names it.
        series: the titles of the columns that identify a series, if the user names them.
        value: the title of the column to forecast, if the user names it.

    Raises:
        UsageError: the file cannot be read, has no column of that name, or no column with a time.
    """
    file = read_csv(path)
    header, table = file.header, file.columns
    for title in (*([time] if time else ()), *series, *([value] if value else ())):
        if title not in table:
            hint = did_you_mean(title, header) or f"it has {', '.join(header)}"
            raise UsageError(f"{path}: no column {title!r} in the header; {hint}")
    found, written = _time(path, table, time)
    parsed = {text: written.parse(text) if text else None for text in set(table[found])}
    times = [parsed[text] for text in table[found]]
    known = [moment for moment in times if moment is not None]
    numbers = [title for title in header if title != found and title not in series and _numeric(table[title])]
    if value is not None and value not in numbers:
        raise UsageError(f"{path}: the column {value!r} is not numeric: {_odd_number(table[value])!r}")
    value = value or _value(numbers, table, times, series)
    keys = tuple(series) or _series([t for t in header if t not in (found, value)], table, times, numbers)
    moments = list(zip(*(table[key] for key in keys), times, strict=True))
    unique = len(set(moments)) == len(moments)
    values = [float(text) for text in table[value] if text.strip()] if value else []
    return Columns(
        time=found,
        format=written,
        series=keys,
        value=value,
        frequency=_frequency(sorted(set(known))),
        gaps="unknown" if unique and value and (0.0 in values or min(values) < 0) else "zero",
        first=min(known),
        last=max(known),
        count=len({moment[:-1] for moment in moments}),
        rows=file.rows if file.more else None,
        delimiter=file.delimiter,
        encoding=file.encoding,
        decimal_comma=value in file.decimal_commas,
    )


def _time(path: Path, table: dict[str, list[str]], named: str | None) -> tuple[str, TimeFormat]:
    """The column with the time and its format."""
    titles = [named] if named else sorted(table, key=lambda title: title.lower() not in _TIME_NAMES)
    for title, years in itertools.product(titles, (False, True) if named else (False,)):
        written = format_of(filter(None, table[title]), years=years)
        if written is not None and (named or not _numeric(table[title]) or title.lower() in _TIME_NAMES):
            return title, written
    if named:
        raise UsageError(f"{path}: {named!r} has no dates or times such as {EXAMPLES}: {table[named][0]!r}")
    year = next((title for title in table if title.lower() in _YEAR_NAMES), None)
    written = format_of(filter(None, table[year]), years=True) if year else None
    if year is None or written is None:
        raise UsageError(f"{path}: no column has dates or times such as {EXAMPLES}; --time names the column")
    parts = [year, *(title for title in table if title.lower() in _PARTS_OF_YEARS)]
    if len(parts) > 1:
        raise UsageError(
            f"{path}: the time is in several columns, {' and '.join(parts)}; write it in one, such as 2024-01-31 or "
            f"2024-01, or forecast the sum of each year with --time {year}"
        )
    return year, written


def _numeric(texts: Iterable[str]) -> bool:
    return _odd_number(texts) is None


def _odd_number(texts: Iterable[str]) -> str | None:
    """The first text that is not a number; None if all are. Empty fields are NULL."""
    return next(
        (t for t in texts if t.strip() and not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", t)),
        None,
    )


def _value(
    numbers: list[str], table: dict[str, list[str]], times: list[datetime | None], series: Sequence[str]
) -> str | None:
    """The column to forecast: by its name, or else the last numeric one that does not look like a key."""
    for name in _VALUE_NAMES:
        for title in numbers:
            if title.lower() == name:
                return title
    return next((title for title in reversed(numbers) if not _is_key(title)), None)


def _is_key(title: str) -> bool:
    return re.search(r"(^|[_ ])(id|code|no|nr|key)$|Id$", title, re.I) is not None


def _series(
    titles: list[str], table: dict[str, list[str]], times: list[datetime | None], numbers: list[str]
) -> tuple[str, ...]:
    """The fewest columns with which no time occurs twice; of these, texts and keys before whole numbers.

    If no three columns do it, the rows are events: the first text that occurs again and again, or else the
    first such key or whole number, is the series.
    """
    rows = len(times)
    if len(set(times)) == rows:
        return ()
    repeated = [title for title in titles if 1 < len(set(table[title])) <= rows // 2]
    texts = [title for title in repeated if title not in numbers and len(set(table[title])) > 2]
    others = [title for title in repeated if title not in texts]
    keys = [
        *texts,
        *(t for t in others if _is_key(t)),
        *(t for t in others if not _is_key(t) and _whole(table[t])),
    ]
    flags = [title for title in others if title not in numbers and title not in keys]
    for size in (1, 2, 3):
        for some in itertools.combinations([*keys, *flags], size):
            if len(set(zip(*(table[title] for title in some), times, strict=True))) == rows:
                return some
    return tuple([*keys, *flags][:1])


def _whole(texts: Iterable[str]) -> bool:
    return all(text.isdigit() for text in set(texts))


def _frequency(times: list[datetime]) -> str:
    """The length of the periods between distinct times in ascending order; days for irregular events."""
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    if not gaps:
        return "day"
    if any(time.hour or time.minute or time.second or time.microsecond for time in times):
        return _short_frequency(times)
    if all(time.day == 1 for time in times) or all((time + timedelta(days=1)).day == 1 for time in times):
        months = [(time.year * 12 + time.month) for time in times]
        step = gcd(*(later - earlier for earlier, later in itertools.pairwise(months)))
        return "year" if step % 12 == 0 else "quarter" if step % 3 == 0 else "month"
    if all(gap.days % 7 == 0 for gap in gaps):
        day = _WEEKDAYS[times[0].weekday()]
        return "week" if day == "monday" else f"week-{day}"
    if len(times) > 10 and all(time.weekday() < 5 for time in times):
        return "business_day"
    return "day"


def _short_frequency(times: list[datetime]) -> str:
    """The length of periods below a day, if the times are on its grid."""
    minutes = {time.minute for time in times if not (time.second or time.microsecond)}
    if any(time.second or time.microsecond for time in times):
        return "day"
    step = gcd(60, *minutes)
    return {60: "hour", 30: "30min", 20: "10min", 15: "15min", 10: "10min", 5: "5min"}.get(step, "day")


def forecast_spec(columns: Columns, path: str, name: str) -> str:
    """Write the spec that forecasts a CSV file.

    Args:
        columns: the columns of the file.
        path: the file, relative to the spec.
        name: the name of the pipeline.
    """
    kinds = {"TIME": columns.format.type, **dict.fromkeys(_series_names(columns), "varchar")}
    titles = {"TIME": columns.time, **dict(zip(_series_names(columns), columns.series, strict=True))}
    if columns.value is not None:
        kinds["VALUE"] = "varchar" if columns.decimal_comma else "float"
        titles["VALUE"] = columns.value
    renamed = ", ".join(f"{json.dumps(title, ensure_ascii=False)}: {key}" for key, title in titles.items())
    template = Template((resources.files(__package__) / "forecast.template.yaml").read_text(encoding="utf-8"))
    return template.substitute(
        name=name,
        database=name.upper(),
        what=" ".join((columns.value or "the number of rows").split()),
        file=json.dumps(path, ensure_ascii=False),
        horizon=columns.horizon,
        columns=", ".join(f"{key}: {kind}" for key, kind in kinds.items()),
        renamed=renamed,
        time=columns.format.expression,
        series=_series_expression(columns),
        options=_file_options(columns),
        value=_value_expression(columns),
        frequency=columns.frequency,
        aggregate=_AGGREGATE.format(gaps=columns.gaps) if columns.value is not None else _COUNTED,
    )


_AGGREGATE = """value: VALUE             # summed per period; or `aggregate: mean`
    gaps: {gaps:<18} # a period without a row: zero or unknown"""
_COUNTED = "# without `value`, rows are counted"


def _file_options(columns: Columns) -> str:
    options = {"field_delimiter": columns.delimiter, "encoding": columns.encoding}
    return "".join(
        f"{name}: {json.dumps(value)}, "
        for name, value in options.items()
        if value != {"field_delimiter": ",", "encoding": "UTF8"}[name]
    )


def _value_expression(columns: Columns) -> str:
    if columns.value is None:
        return ""
    return ", TO_DOUBLE(REPLACE(VALUE, ',', '.')) AS VALUE" if columns.decimal_comma else ", VALUE"


def _series_names(columns: Columns) -> list[str]:
    return ["SERIES"] if len(columns.series) == 1 else [f"KEY_{n}" for n, _ in enumerate(columns.series, 1)]


def _series_expression(columns: Columns) -> str:
    if not columns.series:
        return "'all' AS SERIES"
    names = _series_names(columns)
    return names[0] if len(names) == 1 else " || '/' || ".join(names) + " AS SERIES"

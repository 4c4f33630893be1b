"""The ways to write times in CSV files that are recognized, and the SQL that reads them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

EXAMPLES = (
    "2024-01-31, 2024-01-31 12:00:00, 01/31/2024, 31/01/2024 12:00, 31.01.2024, 2024-01, 2024-Q1 or 2024"
)


@dataclass(frozen=True)
class TimeFormat:
    """A way to write times.

    Attributes:
        python: the format of ``strptime``; empty for ISO 8601; a regular expression with ``year`` and ``quarter`` for quarters.
        expression: the SQL of the time, from the text in the column TIME.
        type: the type of the column TIME when it is loaded.
        digits: the number of digits, for a format without separators: ``strptime`` reads ``200111`` as a day, too.
    """

    python: str
    expression: str = "TIME"
    type: str = "varchar"
    digits: int = 0

    def parse(self, text: str) -> datetime:
        """Parse a value; the zone of an offset is dropped.

        Raises:
            ValueError: the text has another format.
        """
        if self.digits and len(text) != self.digits:
            raise ValueError(f"{text!r} does not have {self.digits} digits")
        if not self.python:
            return datetime.fromisoformat(text).replace(tzinfo=None)
        if "(?P<" not in self.python:
            return datetime.strptime(text, self.python)
        found = re.fullmatch(self.python, text)
        if found is None:
            raise ValueError(f"{text!r} is not a quarter")
        return datetime(int(found["year"]), 3 * int(found["quarter"]) - 2, 1)


def _quarter(pattern: str, year: str, quarter: str) -> TimeFormat:
    first = f"TO_DATE({year} || '-01-01', 'YYYY-MM-DD')"
    return TimeFormat(pattern, f"DATEADD(quarter, TO_NUMBER({quarter}) - 1, {first}) AS TIME")


_ISO_DATE = TimeFormat("%Y-%m-%d", type="date")
_ISO = TimeFormat("", type="timestamp_ntz")
_MONTHS = (
    TimeFormat("%Y-%m", "TO_DATE(TIME || '-01', 'YYYY-MM-DD') AS TIME"),
    TimeFormat("%Y/%m", "TO_DATE(TIME || '/01', 'YYYY/MM/DD') AS TIME"),
    TimeFormat("%Y%m", "TO_DATE(TIME || '01', 'YYYYMMDD') AS TIME", digits=6),
    TimeFormat("%b %Y", "TO_DATE('01 ' || TIME, 'DD MON YYYY') AS TIME"),
    TimeFormat("%b-%Y", "TO_DATE('01-' || TIME, 'DD-MON-YYYY') AS TIME"),
    TimeFormat("%B %Y", "TO_DATE('01 ' || TIME, 'DD MMMM YYYY') AS TIME"),
)
_QUARTERS = (
    _quarter(r"(?P<year>\d{4})[- ]?[Qq](?P<quarter>[1-4])", "LEFT(TIME, 4)", "RIGHT(TIME, 1)"),
    _quarter(r"[Qq](?P<quarter>[1-4])[- /]?(?P<year>\d{4})", "RIGHT(TIME, 4)", "SUBSTR(TIME, 2, 1)"),
)
# The formats of days and of times of the day, of strptime and of Snowflake. Month and day change places in some countries:
# both are tried.
_DAYS = (
    ("%Y/%m/%d", "YYYY/MM/DD"),
    ("%m/%d/%Y", "MM/DD/YYYY"),
    ("%d/%m/%Y", "DD/MM/YYYY"),
    ("%m-%d-%Y", "MM-DD-YYYY"),
    ("%d-%m-%Y", "DD-MM-YYYY"),
    ("%d.%m.%Y", "DD.MM.YYYY"),
    ("%d-%b-%Y", "DD-MON-YYYY"),
    ("%d %b %Y", "DD MON YYYY"),
    ("%m/%d/%y", "MM/DD/YY"),
    ("%d/%m/%y", "DD/MM/YY"),
)
_CLOCKS = (
    (" %H:%M", " HH24:MI"),
    (" %H:%M:%S", " HH24:MI:SS"),
    (" %I:%M %p", " HH12:MI AM"),
    (" %I:%M:%S %p", " HH12:MI:SS AM"),
)
_FORMATS = (
    _ISO_DATE,
    *_MONTHS,
    *_QUARTERS,
    TimeFormat("%Y%m%d", "TO_DATE(TIME, 'YYYYMMDD') AS TIME", digits=8),
    _ISO,
    *(TimeFormat(python, f"TO_DATE(TIME, '{snowflake}') AS TIME") for python, snowflake in _DAYS),
    *(
        TimeFormat(day + clock, f"TO_TIMESTAMP_NTZ(TIME, '{sf_day}{sf_clock}') AS TIME")
        for (day, sf_day), (clock, sf_clock) in itertools.product(_DAYS, _CLOCKS)
    ),
)
# A year is a number like many others: it is recognized only if nothing else is.
_FIRST_OF_YEAR = "TO_DATE(LEFT(TIME, 4) || '-01-01', 'YYYY-MM-DD') AS TIME"
_YEARS = (TimeFormat("%Y", _FIRST_OF_YEAR, digits=4), TimeFormat("%Y.0", _FIRST_OF_YEAR, digits=6))


def format_of(texts: Iterable[str], *, years: bool = False) -> TimeFormat | None:
    """Return the format in which all texts are written; None if there is none.

    If several fit, as ``01/02/2024`` may be in January or in February, the one with the most even times is taken, and the
    first of these.

    Args:
        texts: the values of a column, without empty ones.
        years: whether the texts may be years alone.
    """
    distinct = set(texts)
    fitting = [(form, times) for form in (_YEARS if years else _FORMATS) if (times := _times(form, distinct))]
    return min(fitting, key=lambda each: _unevenness(each[1]))[0] if fitting else None


def _times(form: TimeFormat, texts: set[str]) -> list[datetime] | None:
    """The distinct times in ascending order; None if a text has another format."""
    try:
        return sorted({form.parse(text) for text in texts})
    except ValueError:
        return None


def _unevenness(times: list[datetime]) -> float:
    """The longest time between two neighbours, by the shortest."""
    gaps = [(later - earlier) / timedelta(days=1) for earlier, later in itertools.pairwise(times)]
    return max(gaps) / min(gaps) if gaps else 1.0

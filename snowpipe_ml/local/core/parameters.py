"""The session parameters that change results: their values, and how DuckDB learns of them.

Macros read a parameter as a DuckDB variable of its name, so that views follow the session that queries them.
A value that the embedded warehouse cannot honour is refused.

https://docs.snowflake.com/en/sql-reference/parameters
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from zoneinfo import available_timezones

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.duck import Duck
from snowpipe_ml.local.core.names import literal

DEFAULT_TIME_ZONE = "America/Los_Angeles"
Check = Callable[[str, object], str | int]


def _invalid(name: str, value: object) -> Exception:
    return errors.error(
        1008, "22023", f"SQL compilation error:\ninvalid value [{value}] for parameter '{name}'"
    )


def _between(least: int, most: int) -> Check:
    def check(name: str, value: object) -> str | int:
        text = str(value)
        if not text.isdigit() or not least <= int(text) <= most:
            raise _invalid(name, value)
        return int(text)

    return check


def _only(*honoured: str) -> Check:
    def check(name: str, value: object) -> str | int:
        if str(value).upper() not in honoured:
            raise errors.UnsupportedError(f"the value {value} of the session parameter {name}")
        return str(value).upper()

    return check


@cache
def time_zones() -> frozenset[str]:
    """Return the names of the IANA Time Zone Database; empty if the host has none."""
    return frozenset(available_timezones())


def _zone(name: str, value: object) -> str | int:
    if time_zones() and str(value) not in time_zones():
        raise _invalid(name, value)
    return str(value)


_VARIABLES: Mapping[str, Check] = {
    "WEEK_START": _between(0, 7),
    "WEEK_OF_YEAR_POLICY": _between(0, 1),
    "TWO_DIGIT_CENTURY_START": _between(1900, 2100),
}
_CHECKED: Mapping[str, Check] = {
    "TIMEZONE": _zone,
    "DATE_INPUT_FORMAT": _only("AUTO"),
    "TIME_INPUT_FORMAT": _only("AUTO"),
    "TIMESTAMP_INPUT_FORMAT": _only("AUTO"),
    "TIMESTAMP_TYPE_MAPPING": _only("TIMESTAMP_NTZ"),
    "TIMESTAMP_DAY_IS_ALWAYS_24H": _only("FALSE"),
    "BINARY_INPUT_FORMAT": _only("HEX"),
    "BINARY_OUTPUT_FORMAT": _only("HEX"),
    **_VARIABLES,
}
HONOURED = frozenset(_CHECKED)
"""The parameters whose values are checked and have an effect."""
DEFAULTS: Mapping[str, object] = {
    "TIMEZONE": DEFAULT_TIME_ZONE,
    "DATE_INPUT_FORMAT": "AUTO",
    "TIME_INPUT_FORMAT": "AUTO",
    "TIMESTAMP_INPUT_FORMAT": "AUTO",
    "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ",
    "TIMESTAMP_DAY_IS_ALWAYS_24H": "false",
    "BINARY_INPUT_FORMAT": "HEX",
    "BINARY_OUTPUT_FORMAT": "HEX",
    "WEEK_START": 0,
    "WEEK_OF_YEAR_POLICY": 0,
    "TWO_DIGIT_CENTURY_START": 1970,
}


def checked(name: str, value: object) -> str | int | None:
    """Return the value of a parameter in its normal form; None if the parameter is not one of these.

    Raises:
        ProgrammingError: Snowflake does not allow the value.
        UnsupportedError: the embedded warehouse does not honour it.
    """
    return _CHECKED[name](name, value) if name in _CHECKED else None


def apply(duck: Duck, name: str, value: object | None) -> None:
    """Tell DuckDB the value of a parameter; None for its default."""
    if name == "TIMEZONE":
        duck.execute(f"SET TimeZone = {literal(str(value or DEFAULT_TIME_ZONE))}")
    elif name in _VARIABLES and value is None:
        duck.execute(f"RESET VARIABLE {name}")
    elif name in _VARIABLES:
        duck.execute(f"SET VARIABLE {name} = {int(str(value))}")

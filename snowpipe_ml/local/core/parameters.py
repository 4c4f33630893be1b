"""The session parameters that change results, with their values and DuckDB settings.

Macros read a parameter as a DuckDB variable of its name, so that views follow the session that queries them.
A value that the embedded warehouse cannot honour is refused.

https://docs.snowflake.com/en/sql-reference/parameters
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from zoneinfo import available_timezones

from snowpipe_ml.local.core import errors, shapes
from snowpipe_ml.local.core.duck import Duck
from snowpipe_ml.local.core.names import literal
from snowpipe_ml.local.core.time_formats import Offset, Pattern, input_format, is_auto, output_format

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
# The output formats, and whether their types have an offset.
_FORMATS: Mapping[str, bool] = {
    "DATE_OUTPUT_FORMAT": False,
    "TIME_OUTPUT_FORMAT": False,
    "TIMESTAMP_NTZ_OUTPUT_FORMAT": False,
    "TIMESTAMP_LTZ_OUTPUT_FORMAT": True,
    "TIMESTAMP_TZ_OUTPUT_FORMAT": True,
    "TIMESTAMP_OUTPUT_FORMAT": True,
}
# Characters that the macros sf_tz_text and sf_ltz_text replace, by the separator of an offset.
_MARKS = {":": "\x01", "": "\x02", None: "\x03"}


def _pattern(name: str, text: str) -> str:
    """Convert an output format to the pattern of strftime that the macros of core/macros/dates.sql read."""
    pieces = []
    for part in output_format(text):
        if isinstance(part, Offset) and _FORMATS[name]:
            pieces.append(_MARKS[part.separator])
        elif isinstance(part, Pattern):
            pieces.append(part.text)
        else:
            raise errors.UnsupportedError(f"the value {text} of the session parameter {name}")
    return "".join(pieces)


# The input formats, and whether their types have a date.
_INPUT_FORMATS: Mapping[str, bool] = {
    "DATE_INPUT_FORMAT": True,
    "TIME_INPUT_FORMAT": False,
    "TIMESTAMP_INPUT_FORMAT": True,
}


def _patterns(name: str, text: str) -> tuple[str, ...]:
    """Convert an input format to the patterns of strptime that the macros of core/macros/dates.sql read."""
    read = input_format(text)
    if read.has_offset or not (read.has_date if _INPUT_FORMATS[name] else read.has_time):
        raise errors.UnsupportedError(f"the value {text} of the session parameter {name}")
    return read.patterns


def _input(name: str, value: object) -> str:
    text = str(value)
    if is_auto(text):
        return "AUTO"
    _patterns(name, text)
    return text


def input_formats(parameters: Mapping[str, object]) -> dict[str, str]:
    """Return the input formats of a session that are not AUTO, by the names of the parameters."""
    found = {name: str(parameters[name]) for name in _INPUT_FORMATS if name in parameters}
    return {name: text for name, text in found.items() if not is_auto(text)}


def _format(name: str, value: object) -> str:
    text = str(value)
    if not is_auto(text):
        _pattern(name, text)
    return text


_CHECKED: Mapping[str, Check] = {
    "TIMEZONE": _zone,
    "TIMESTAMP_TYPE_MAPPING": _only("TIMESTAMP_NTZ"),
    "TIMESTAMP_DAY_IS_ALWAYS_24H": _only("FALSE"),
    "BINARY_INPUT_FORMAT": _only("HEX"),
    "BINARY_OUTPUT_FORMAT": _only("HEX"),
    "JSON_INDENT": _only("2"),
    "ROWS_PER_RESULTSET": _only("0"),
    "GEOGRAPHY_OUTPUT_FORMAT": _only(*shapes.FORMATS),
    "GEOMETRY_OUTPUT_FORMAT": _only(*shapes.FORMATS),
    **_VARIABLES,
    **dict.fromkeys(_FORMATS, _format),
    **dict.fromkeys(_INPUT_FORMATS, _input),
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
    "JSON_INDENT": 2,
    "ROWS_PER_RESULTSET": 0,
    "GEOGRAPHY_OUTPUT_FORMAT": "GeoJSON",
    "GEOMETRY_OUTPUT_FORMAT": "GeoJSON",
    "DATE_OUTPUT_FORMAT": "YYYY-MM-DD",
    "TIME_OUTPUT_FORMAT": "HH24:MI:SS",
    "TIMESTAMP_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM",
    "TIMESTAMP_NTZ_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI:SS.FF3",
    "TIMESTAMP_LTZ_OUTPUT_FORMAT": "",
    "TIMESTAMP_TZ_OUTPUT_FORMAT": "",
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
    """Set a parameter in DuckDB; None restores its default."""
    if name == "TIMEZONE":
        duck.execute(f"SET TimeZone = {literal(str(value or DEFAULT_TIME_ZONE))}")
    elif name in _FORMATS and value is not None and not is_auto(str(value)):
        duck.execute(f"SET VARIABLE {name} = {literal(_pattern(name, str(value)))}")
    elif name in _INPUT_FORMATS and value is not None and not is_auto(str(value)):
        listed = ", ".join(map(literal, _patterns(name, str(value))))
        duck.execute(f"SET VARIABLE {name} = [{listed}]")
    elif name in _VARIABLES and value is not None:
        duck.execute(f"SET VARIABLE {name} = {int(str(value))}")
    elif name in _VARIABLES or name in _FORMATS or name in _INPUT_FORMATS:
        duck.execute(f"RESET VARIABLE {name}")

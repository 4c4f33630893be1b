"""Date and time formats: convert Snowflake's format elements to DuckDB's strftime and strptime specifiers.

https://docs.snowflake.com/en/sql-reference/functions-conversion#date-and-time-formats-in-conversion-functions

Elements are case-insensitive, and the longest match wins. Text in double quotes, punctuation, a T between a
date and an hour, and a Z alone are literal. Any other letter that is not part of an element is refused,
because it is more likely an element of another system than literal text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from snowpipe_ml.local.core.errors import UnsupportedError

# Snowflake's elements and the equivalent specifiers of strftime and strptime.
_SPECIFIERS = {
    "YYYY": "%Y",
    "UUUU": "%Y",
    "YY": "%y",
    "Y": "%-y",
    "MMMM": "%B",
    "MON": "%b",
    "MM": "%m",
    "MO": "%-m",
    "DD": "%d",
    "D": "%-d",
    "DY": "%a",
    "HH24": "%H",
    "HH": "%H",
    "HH12": "%I",
    "H24": "%-H",
    "H": "%-H",
    "H12": "%-I",
    "AM": "%p",
    "PM": "%p",
    "P": "%p",
    "MI": "%M",
    "ME": "%-M",
    "SS": "%S",
    "S": "%-S",
}
_HOURS_24 = {"HH24", "HH", "H24", "H"}
_HOURS_12 = {"HH12", "H12"}
_DATES = {"YYYY", "UUUU", "YY", "Y", "MMMM", "MON", "MM", "MO", "DD", "D", "DY"}
_HALVES = {"AM", "PM", "P"}
_ZONES = ("TZH:TZM", "TZHTZM", "TZH")
_ELEMENT = re.compile(
    "|".join([r"FF[0-9]?", *(sorted((*_SPECIFIERS, *_ZONES), key=len, reverse=True)), r"."]), re.I | re.S
)
_RUN = re.compile(r'"[^"]*"|TZH:TZM|(?:(?!TZH)[A-Za-z0-9])+|TZH(?:TZM)?|.', re.S | re.I)
_FRACTION_DIGITS = 9  # for FF without a number


@dataclass(frozen=True, slots=True)
class Pattern:
    """A part of an output format that strftime writes."""

    text: str


@dataclass(frozen=True, slots=True)
class Fraction:
    """The leading digits of the fractional second, where strftime has no specifier for their number."""

    digits: int


@dataclass(frozen=True, slots=True)
class Offset:
    """The time zone offset: hours, then the separator and minutes unless the separator is None."""

    separator: str | None


@dataclass(frozen=True, slots=True)
class Half:
    """The half of the day as one letter, A or P."""


OutputPart = Pattern | Fraction | Offset | Half


@dataclass(frozen=True, slots=True)
class InputFormat:
    """A format for parsing text.

    Attributes:
        text: the original format.
        pattern: the strptime pattern; it accepts one to six digits of a fractional second.
        elements: the Snowflake elements in the format, in upper case and in order.
    """

    text: str
    pattern: str
    elements: tuple[str, ...]

    @property
    def reader_pattern(self) -> str:
        """The pattern for DuckDB's CSV reader, where a long fraction cannot be truncated beforehand."""
        return self.pattern.replace("%f", "%n") if self.has_long_fraction else self.pattern

    @property
    def patterns(self) -> tuple[str, ...]:
        """The strptime patterns: MON and MMMM read the name of a month in both lengths, and a text may have no fraction."""
        found = [self.pattern]
        if "%b" in self.pattern or "%B" in self.pattern:
            found = [self.pattern.replace("%B", "%b"), self.pattern.replace("%b", "%B")]
        if ".%f" in self.pattern:
            found += [pattern.replace(".%f", "") for pattern in found]
        return tuple(found)

    @property
    def has_date(self) -> bool:
        """Return whether the text contains a complete date, so that no part needs a default."""
        found = set(self.elements)
        months, days = {"MM", "MO", "MON", "MMMM"}, {"DD", "D"}
        return bool(found & {"YYYY", "UUUU", "YY", "Y"} and (found & months or not found & days))

    @property
    def is_time(self) -> bool:
        """Return whether the text contains a time of day alone: its date is 1970-01-01."""
        return self.has_time and not set(self.elements) & _DATES and not self.has_offset

    @property
    def has_time(self) -> bool:
        """Return whether the text contains an hour."""
        return bool(set(self.elements) & (_HOURS_24 | _HOURS_12))

    @property
    def has_offset(self) -> bool:
        """Return whether the text contains a time zone offset."""
        return bool(set(self.elements) & set(_ZONES))

    @property
    def ends_with_offset(self) -> bool:
        """Return whether the offset is the last part of the text."""
        return self.pattern.endswith("%z")

    @property
    def has_short_year(self) -> bool:
        """Return whether years have two digits: strptime reads 69 as 1969, Snowflake as 2069."""
        return bool({"YY", "Y"} & set(self.elements))

    @property
    def has_long_fraction(self) -> bool:
        """Return whether a fraction may have more than the six digits that strptime reads."""
        return any(element in ("FF", "FF7", "FF8", "FF9") for element in self.elements)


def is_auto(text: str) -> bool:
    """Return whether a format is AUTO or empty, which means automatic detection."""
    return text.strip().upper() in ("AUTO", "")


def format_option(value: object) -> InputFormat | None:
    """Parse the date or time format in a file format option; None if it is AUTO or not set.

    Raises:
        UnsupportedError: the format has an unsupported element.
    """
    return None if value is None or is_auto(str(value)) else input_format(str(value))


def output_format(text: str) -> list[OutputPart]:
    """Split an output format into its parts, in order; adjacent patterns are merged into one.

    Raises:
        UnsupportedError: the format has an unsupported element.
    """
    parts: list[OutputPart] = []
    for element, written in _tokens(text):
        part: OutputPart
        if element is None:
            part = Pattern(_escaped(written))
        elif element in _ZONES:
            part = Offset(None if element == "TZH" else ":" if ":" in element else "")
        elif element.startswith("FF"):
            part = _fraction(int(element[2:] or _FRACTION_DIGITS))
        elif element == "P":
            part = Half()
        else:
            part = Pattern(_SPECIFIERS[element])
        last = parts[-1] if parts else None
        if isinstance(part, Pattern) and isinstance(last, Pattern):
            parts[-1] = Pattern(last.text + part.text)
        else:
            parts.append(part)
    return parts


def input_format(text: str) -> InputFormat:
    """Convert a format for parsing text.

    Raises:
        UnsupportedError: the format has an unsupported element, or ambiguous ones.
    """
    pieces: list[str] = []
    elements: list[str] = []
    for element, written in _tokens(text):
        if element is None:
            pieces.append(_escaped(written))
            continue
        elements.append(element)
        if element in _ZONES:
            pieces.append("%z")
        elif element.startswith("FF"):
            if element == "FF0":
                raise UnsupportedError("the element FF0 in an input format")
            pieces.append("%f")
        elif element == "P":
            raise UnsupportedError("the element P in an input format", "Use AM")
        else:
            pieces.append(_SPECIFIERS[element].replace("-", ""))
    found = set(elements)
    if found & _HOURS_24 and found & _HALVES:
        raise UnsupportedError("a format with both HH24 and AM or PM", "Use HH12 with AM")
    if found & _HOURS_12 and not found & _HALVES:
        raise UnsupportedError("an input format with HH12 and without AM", "Use HH24")
    return InputFormat(text, "".join(pieces), tuple(elements))


def _fraction(digits: int) -> OutputPart:
    # DuckDB's timestamps have six fractional digits; the other digits are written as zeros.
    if digits >= 6:
        return Pattern("%f" + "0" * (digits - 6))
    return {0: Pattern(""), 3: Pattern("%g")}.get(digits, Fraction(digits))


def _tokens(text: str) -> Iterator[tuple[str | None, str]]:
    """Yield (element or None for literal text, the text) for each part of a format.

    Raises:
        UnsupportedError: a letter is not part of an element, such as the H of MONTH or the third M of MMM.
    """
    before = ""
    for run in _RUN.findall(text):
        if run.startswith('"') and len(run) > 1:
            yield None, run[1:-1]
            continue
        found = _ELEMENT.findall(run)
        for place, token in enumerate(found):
            name = token.upper()
            if name in _SPECIFIERS or name in _ZONES or name.startswith("FF"):
                before = name
                yield name, token
                continue
            after = found[place + 1].upper() if place + 1 < len(found) else ""
            of_time = name == "T" and before in ("DD", "D") and after[:1] == "H" and len(after) > 1
            if (
                token.isalpha()
                and not of_time
                and not (name == "Z" and len(run) == len(token))
                and not (name == "Z" and place == len(found) - 1)
            ):
                raise UnsupportedError(f"this date format: {text!r}", "Put literal text in double quotes")
            yield None, token


def _escaped(text: str) -> str:
    return text.replace("%", "%%")

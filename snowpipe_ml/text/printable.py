"""Text of data, file names and messages, written so that it cannot steer the terminal that shows it."""

from __future__ import annotations

import json
import re
from typing import Any

# Control characters but for line feed and tab, line separators, marks that turn the direction of text around
# (https://www.unicode.org/reports/tr9/), and lone surrogates, which no terminal can be sent.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""Escape the characters of a text that would steer a terminal; line feeds and tabs stay.

    >>> visible("\x1b[31mred")
    '\\x1b[31mred'
    """
    return _STEERING.sub(_escape, text)


def one_line(text: str) -> str:
    """Put a text on one line, escaped as :func:`visible` does: a value with line feeds can forge no line of ours."""
    if "\n" not in text:
        return visible(text)
    return visible(" ".join(filter(None, (line.strip() for line in text.split("\n")))))


def indented(text: str, indent: str) -> str:
    """Escape a text, and begin each of its lines but the first with an indent."""
    return visible(text).replace("\n", "\n" + indent)


def json_text(value: Any, **options: Any) -> str:
    """Dump a value as JSON in printable ASCII: any other character is an escape that a reader of JSON undoes."""
    return json.dumps(value, **options).replace("\x7f", "\\u007f")


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

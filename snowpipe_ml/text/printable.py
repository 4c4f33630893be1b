"""Escaping of text from data, file names and messages, so that it cannot control the user's terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

# Control characters except line feed and tab, line separators, marks that change the direction of text
# (https://www.unicode.org/reports/tr9/), and lone surrogates, which cannot be encoded for a terminal.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""Escape the characters of a text that would control a terminal; keep line feeds and tabs.

    >>> visible("\x1b[31mred")
    '\\x1b[31mred'
    """
    return _CONTROL.sub(_escape, text)


def one_line(text: str) -> str:
    """Join the lines of a text and escape it like :func:`visible`, so that it cannot forge output lines."""
    if "\n" not in text:
        return visible(text)
    return visible(" ".join(filter(None, (line.strip() for line in text.split("\n")))))


def indented(text: str, indent: str) -> str:
    """Escape a text, and indent all of its lines but the first."""
    return visible(text).replace("\n", "\n" + indent)


def json_text(
    value: object, *, indent: int | None = None, default: Callable[[object], object] | None = None
) -> str:
    """Dump a value as JSON in printable ASCII; all other characters are JSON escapes."""
    return json.dumps(value, indent=indent, default=default).replace("\x7f", "\\u007f")


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

"""Read JSON documents as Snowflake does: keys without quotes, missing elements, keywords in any case.

Only documents that Python's parser does not accept are read by this one, which is slower.

https://docs.snowflake.com/en/sql-reference/functions/parse_json
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

_UNDEFINED = "\ufdd0"
_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_KEYWORDS: dict[str, object] = {
    "true": True,
    "false": False,
    "null": None,
    "undefined": _UNDEFINED,
    "nan": "\ufdd1NaN",
}
_DEEPEST = 900


class InvalidJson(Exception):
    """A text is not a JSON document. The message is Snowflake's."""


class DuplicateKey(Exception):
    """An object has a duplicate key."""


def parse_leniently(
    text: str, number: Callable[[str], Any], integer: Callable[[str], Any], duplicates: bool
) -> object:
    """Parse a document.

    Args:
        text: the document.
        number: converts a number with a fraction or an exponent.
        integer: converts a whole number.
        duplicates: whether the last of several equal keys is kept.

    Raises:
        InvalidJson: the text is not a JSON document, or has a duplicate key.
    """
    reader = _Reader(text, number, integer, duplicates)
    value = reader.value(0)
    reader.space()
    if reader.at < len(text):
        raise reader.misplaced()
    return value


class _Reader:
    def __init__(
        self, text: str, number: Callable[[str], Any], integer: Callable[[str], Any], duplicates: bool
    ) -> None:
        self.text = text
        self.at = 0
        self._number = number
        self._integer = integer
        self._duplicates = duplicates

    def space(self) -> str:
        """Skip white space; return the next character, empty at the end."""
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.text[self.at : self.at + 1]

    def misplaced(self, inside: str = "") -> InvalidJson:
        """Make the error for the character at the current place, after a value inside of an object or array."""
        character = self.text[self.at : self.at + 1]
        if not character and inside:
            return InvalidJson(f"incomplete {inside} value, pos {self.at + 1}")
        if not character:
            return InvalidJson(f"incomplete JSON document, pos {self.at}")
        return InvalidJson(f"misplaced {character}, pos {self.at + 1}")

    def value(self, depth: int) -> object:
        if depth > _DEEPEST:
            raise InvalidJson(f"document is too deeply nested, pos {self.at}")
        character = self.space()
        if character == "{":
            return self._object(depth)
        if character == "[":
            return self._array(depth)
        if character in ('"', "'") and character:
            return self._string(character)
        if number := _NUMBER.match(self.text, self.at):
            self.at = number.end()
            digits = number.group().lstrip("+")
            return self._integer(digits) if digits.lstrip("-").isdigit() else self._number(digits)
        if name := _NAME.match(self.text, self.at):
            self.at = name.end()
            if name.group().lower() not in _KEYWORDS:
                raise InvalidJson(f'unknown keyword "{name.group()}", pos {self.at}')
            return _KEYWORDS[name.group().lower()]
        raise self.misplaced()

    def _string(self, quote: str) -> str:
        end = self.at + 1
        while end < len(self.text) and self.text[end] != quote:
            end += 2 if self.text[end] == "\\" else 1
        if end >= len(self.text):
            raise InvalidJson(f"unfinished string, pos {len(self.text)}")
        inside = self.text[self.at + 1 : end]
        self.at = end + 1
        if quote == "'":
            inside = inside.replace("\\'", "'").replace('"', '\\"')
        try:
            read: str = json.loads(f'"{inside}"', strict=False)
        except ValueError:
            raise InvalidJson(f"invalid escape sequence in a string, pos {self.at}") from None
        return read

    def _array(self, depth: int) -> list[object]:
        self.at += 1
        items: list[object] = []
        if self.space() == "]":
            self.at += 1
            return items
        while True:
            items.append(_UNDEFINED if self.space() in (",", "]") else self.value(depth + 1))
            match self.space():
                case ",":
                    self.at += 1
                case "]":
                    self.at += 1
                    return items
                case _:
                    raise self.misplaced("array")

    def _object(self, depth: int) -> dict[str, object]:
        self.at += 1
        made: dict[str, object] = {}
        while (character := self.space()) != "}":
            if character in ('"', "'") and character:
                key = self._string(character)
            elif name := _NAME.match(self.text, self.at):
                key, self.at = name.group(), name.end()
            else:
                raise self.misplaced()
            if key in made and not self._duplicates:
                raise InvalidJson(f'duplicate object attribute "{key}", pos {self.at}')
            if self.space() != ":":
                raise InvalidJson(f"missing colon, pos {self.at}")
            self.at += 1
            value = self.value(depth + 1)
            if value != _UNDEFINED:
                made[key] = value
            match self.space():
                case ",":
                    self.at += 1
                case "}":
                    pass
                case _:
                    raise self.misplaced("object")
        self.at += 1
        return made

"""Texts of statements and answers without the values in them.

A record leaves the account that it was made on, so nothing that can be a value of a row is kept: literals, numbers,
comments and paths are stars, and a message keeps only words of Snowflake's own and names of its statement.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files

STAR = "*"
# In this order: a file's URL has the slashes of a comment.
_TOKENS = re.compile(
    r"""
      (?P<file>file://[^\s;,)']*)
    | (?P<comment>--[^\n]*|//[^\n]*|/\*.*?(?:\*/|\Z))
    | (?P<body>\$\$.*?(?:\$\$|\Z))
    | (?P<string>'(?:[^'\\]|\\.|'')*(?:'|\Z))
    | (?P<quoted>"(?:[^"]|"")*(?:"|\Z))
    | (?P<path>(?<=[\w"~])/[^\s;,)'"*/][^\s;,)']*)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)
    | (?P<bound>\?|%s)
    | (?P<position>\$\d+)
    | (?P<space>\s+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_VALUES = ("file", "body", "string", "number", "bound")
# Types whose numbers in parentheses are part of the type.
_SIZED = frozenset(
    (
        "NUMBER",
        "DECIMAL",
        "NUMERIC",
        "DEC",
        "VARCHAR",
        "CHAR",
        "CHARACTER",
        "NCHAR",
        "NVARCHAR",
        "STRING",
        "TEXT",
        "BINARY",
        "VARBINARY",
        "TIME",
        "TIMESTAMP",
        "TIMESTAMP_NTZ",
        "TIMESTAMP_LTZ",
        "TIMESTAMP_TZ",
        "DATETIME",
        "VECTOR",
    )
)
# A list of values, and rows of such lists: their number depends on the data.
_LIST = re.compile(r"\*(?:\s*,\s*\*)+")
_ROWS = re.compile(r"\(\*\)(?:\s*,\s*\(\*\))+")
# Parts of names that differ from run to run: of temporary objects, of runs and models, and hashes.
_VARYING = (
    (re.compile(r"(SNOWPARK_TEMP_[A-Z_]+?)_[A-Z0-9]{10}\Z"), r"\1"),
    (re.compile(r"\d{8}T\d{6,}(?:[-_][0-9a-f]{6})?", re.IGNORECASE), "RUN"),
    (re.compile(r"(?=[0-9a-f]*\d)[0-9a-f]{12,}", re.IGNORECASE), "DIGEST"),
)
_BRACKETED = re.compile(r"\[[^\]]*(?:\]|\Z)|\{.*(?:\}|\Z)", re.DOTALL)
_TRACE = re.compile(r"Traceback \(.*", re.DOTALL)


@cache
def words() -> frozenset[str]:
    """Return the words of Snowflake's statements, listings and messages, in upper case."""
    text = (files("snowpipe_ml.answers") / "words.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))


class Masking:
    """Masks the texts of one record.

    Args:
        salt: hashes the names of objects and columns; None keeps them.
        known: names that a message may have although its statement does not: those that complete others.
        renamed: other names that the record has for some.
    """

    def __init__(
        self,
        salt: str | None = None,
        known: Collection[str] = (),
        renamed: Mapping[str, str] | None = None,
    ) -> None:
        self._salt, self._renamed = salt, dict(renamed or {})
        self._known = {name.upper() for name in known}

    def name(self, name: str) -> str:
        """Return a name as the record has it. Words of Snowflake's own are never hashed."""
        name = self._renamed.get(name, name)
        for pattern, replacement in _VARYING:
            name = pattern.sub(replacement, name)
        if self._salt is None or name.upper() in words():
            return name
        # An unquoted name is in upper case: it is the same name as the quoted one in upper case.
        return "N_" + hmac.new(self._salt.encode(), name.encode(), hashlib.sha256).hexdigest()[:10]

    def statement(self, text: str) -> str:
        """Return a statement without its values: ``SELECT * FROM T WHERE NAME = *``."""
        made: list[str] = []
        word, sized = "", False
        for match in _TOKENS.finditer(text):
            kind, part = str(match.lastgroup), match[0]
            if kind in ("space", "comment"):
                made.append(" ")
                continue
            if part == "(":
                sized = word.upper() in _SIZED
            elif part == ")":
                sized = False
            if kind in _VALUES:
                made.append(part if kind == "number" and sized else STAR)
            elif kind == "path":
                made.append("/" + STAR)
            else:
                made.append(self._named(kind, part))
            word = part if kind == "word" else ""
        shown = re.sub(r"\s+", " ", "".join(made)).strip()
        return _ROWS.sub(f"({STAR})", _LIST.sub(STAR, shown))

    def _named(self, kind: str, part: str) -> str:
        if kind == "quoted":
            inside = part[1:].removesuffix('"').replace('""', '"')
            # A column of a PIVOT is named after a value.
            return '"' + (self.statement(inside) if "'" in inside else self.name(inside)) + '"'
        if kind == "word":
            return self._word(part)
        return part

    def _word(self, word: str) -> str:
        named = self.name(word.upper())
        return word if named == word.upper() and named in words() else named

    def column(self, name: str) -> str:
        """Return the name of a result's column. That of an expression is its text."""
        if not re.fullmatch(r"[^\W\d][\w$ ?-]*", name):
            return self.statement(name)
        own = all(word.upper() in words() for word in re.findall(r"[\w$]+", name))
        return name if own else self.name(name)  # such as "number of rows inserted"

    def message(self, text: str, statement: str) -> str:
        """Return the message of an error or a status of a statement."""
        allowed = self._known | _names(statement)

        def shown(kind: str, token: str) -> str:
            if kind in ("string", "quoted"):
                inside = token[1:].removesuffix(token[0])
                parts = [part.strip('"') for part in inside.split(".")]
                if not all(part.upper() in allowed for part in parts):
                    return STAR
                return "'" + ".".join(map(self.name, parts)) + "'"
            if kind == "word":
                if token.upper() in words():
                    return token
                return self.name(token.upper()) if token.upper() in allowed else STAR
            if kind in ("other", "space"):
                return token
            return STAR

        text = _BRACKETED.sub(STAR, _TRACE.sub(STAR, text))
        made = "".join(shown(str(match.lastgroup), match[0]) for match in _TOKENS.finditer(text))
        return re.sub(r"\*(?:[\s*]*\*)+", STAR, re.sub(r"\s+", " ", made)).strip()


def _names(statement: str) -> set[str]:
    """The names in a statement, in upper case."""
    found = set()
    for match in _TOKENS.finditer(statement):
        if match.lastgroup == "quoted":
            found.add(match[0].strip('"').upper())
        elif match.lastgroup == "word":
            found.add(match[0].upper())
    return found

"""A reader for statements that are parsed token by token: stages, functions, warehouses, sessions.

Such statements contain stage paths, option lists and ``$$`` bodies, whose original text a SQL parser does
not preserve.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.values import Option, Options

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*|(?<![:/])//[^\n]*|/\*.*?\*/)
    | (?P<dollar>\$\$.*?\$\$)
    | (?P<string>'(?:[^'\\]|\\.|'')*')
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<stage>@[^\s()',;]*(?:"(?:[^"]|"")*"[^\s()',;]*)*)
    | (?P<number>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)
    | (?P<word>[A-Za-z_][A-Za-z0-9_$]*)
    | (?P<mark>=>|::|<=|>=|<>|!=|\|\||.)
    """,
    re.X | re.S,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f"}


@dataclass(frozen=True, slots=True)
class Token:
    """A word, quoted name, string, number or punctuation mark, with its position in the statement."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        """The text for comparisons with keywords: words in upper case, other tokens unchanged."""
        return self.text.upper() if self.kind == "word" else self.text


def unquote(text: str) -> str:
    """Return the value of a string in single quotes or ``$$``, with Snowflake's escape sequences."""
    if text.startswith("$$"):
        return text[2:-2]

    def replace(match: re.Match[str]) -> str:
        if match.group() == "''":
            return "'"
        escaped = match.group(1)
        if len(escaped) > 1:  # an octal, hexadecimal or Unicode code
            return chr(int(escaped, 8) if escaped.isdigit() else int(escaped[1:], 16))
        return _ESCAPES.get(escaped, escaped)

    codes = "[0-7]{3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}"
    return re.sub(rf"\\({codes}|.)|''", replace, text[1:-1], flags=re.S)


class Reader:
    """Reads a statement from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Token] = []
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:  # pragma: no cover - the last alternative matches any character
                raise errors.syntax(f"unexpected character at position {position}")
            kind = match.lastgroup or "mark"
            if kind != "space":
                self.tokens.append(Token(kind, match.group(), match.start(), match.end()))
            position = match.end()
        while self.tokens and self.tokens[-1].text == ";":
            self.tokens.pop()
        self.index = 0

    def peek(self, ahead: int = 0) -> Token:
        """Return a token ahead without reading it; an empty mark at the end of the statement."""
        index = self.index + ahead
        if index < len(self.tokens):
            return self.tokens[index]
        return Token("mark", "", len(self.text), len(self.text))

    @property
    def done(self) -> bool:
        """Return whether all tokens are read."""
        return self.index >= len(self.tokens)

    def next(self) -> Token:
        """Read one token."""
        token = self.peek()
        if self.done:
            raise self.unexpected()
        self.index += 1
        return token

    def looking_at(self, *words: str) -> bool:
        """Return whether the next tokens are these words or marks."""
        return all(self.peek(i).upper == word for i, word in enumerate(words))

    def accept(self, *words: str) -> bool:
        """Read these words if they are next; return whether they were."""
        if self.looking_at(*words):
            self.index += len(words)
            return True
        return False

    def expect(self, *words: str) -> None:
        """Read these words, or raise a syntax error if they are not next."""
        if not self.accept(*words):
            raise self.unexpected(f"expected {' '.join(words)}")

    def unexpected(self, hint: str = "") -> Exception:
        """Make the syntax error for an unexpected next token."""
        token = self.peek()
        line = self.text.count("\n", 0, token.start) + 1
        column = token.start - (self.text.rfind("\n", 0, token.start) + 1)
        detail = f" ({hint})" if hint else ""
        return errors.syntax(
            f"syntax error line {line} at position {column} unexpected '{token.text or '<EOF>'}'{detail}."
        )

    def end(self) -> None:
        """Raise a syntax error unless all tokens are read."""
        if not self.done:
            raise self.unexpected()

    def rest(self) -> str:
        """Return the original text from the next token to the end."""
        return self.text[self.peek().start :].rstrip().rstrip(";")

    def identifier(self) -> str:
        """Read an identifier and return its stored form."""
        token = self.next()
        if token.kind == "quoted":
            return token.text[1:-1].replace('""', '"')
        if token.kind == "word":
            return token.text.upper()
        self.index -= 1
        raise self.unexpected("expected a name")

    def name(self) -> tuple[str, ...]:
        """Read a name with its qualifiers, also as ``IDENTIFIER('x')`` or in a string."""
        if self.accept("IDENTIFIER", "("):
            name = Reader(self.string()).name()
            self.expect(")")
            return name
        if self.peek().kind == "string":
            return Reader(self.string()).name()
        parts = [self.identifier()]
        while self.accept("."):
            parts.append("PUBLIC" if self.looking_at(".") else self.identifier())
        return tuple(parts)

    def string(self) -> str:
        """Read a string and return its value."""
        token = self.next()
        if token.kind not in ("string", "dollar"):
            self.index -= 1
            raise self.unexpected("expected a string")
        return unquote(token.text)

    def stage(self) -> str:
        """Read a stage path, with or without quotes, and return it with its ``@``."""
        if self.peek().kind == "string":
            return self.string()
        if self.peek().kind == "stage":
            return self.next().text
        raise self.unexpected("expected a stage path")

    def value(self) -> Option:
        """Read the value of an option: a string, number, Boolean, name, or parenthesized list or options."""
        token = self.peek()
        if token.text == "(":
            return self._parenthesis()
        if token.text == "-":
            self.next()
            number = self.value()
            if not isinstance(number, int | float):
                self.index -= 1
                raise self.unexpected("expected a number")
            return -number
        self.next()
        match token.kind:
            case "string" | "dollar":
                return unquote(token.text)
            case "number":
                return float(token.text) if "." in token.text else int(token.text)
            case "quoted":
                return token.text[1:-1]
            case "word":
                upper = token.upper
                if upper in ("TRUE", "FALSE"):
                    return upper == "TRUE"
                if upper in ("NONE", "NULL"):
                    return None
                parts = [token.text]
                while self.looking_at("."):
                    self.next()
                    parts.append(self.next().text)
                return ".".join(parts)
        self.index -= 1
        raise self.unexpected("expected a value")

    def integer(self) -> int:
        """Read a whole number."""
        number = self.value()
        if not isinstance(number, int):
            self.index -= 1
            raise self.unexpected("expected a whole number")
        return number

    def _parenthesis(self) -> Option:
        self.expect("(")
        if self.accept(")"):
            return []
        if self.peek().kind == "word" and self.peek(1).text in ("=", "=>"):
            options = self.options()
            self.expect(")")
            return options
        items = [self.value()]
        while self.accept(","):
            items.append(self.value())
        self.expect(")")
        return items

    def options(self) -> Options:
        """Read all ``KEY = value`` pairs that follow; keys are converted to upper case."""
        found: Options = {}
        while self.peek().kind == "word" and self.peek(1).text in ("=", "=>"):
            key = self.next().upper
            self.next()
            found[key] = self.value()
            self.accept(",")
        return found

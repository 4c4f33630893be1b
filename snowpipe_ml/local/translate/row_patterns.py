"""Find the sequences of rows that match a row pattern, as MATCH_RECOGNIZE does.

A pattern is a regular expression over symbols. It becomes a program of small steps, whose paths are tried in the order
of preference. Which symbols a row has does not depend on the match, so a step that has failed at a row is not tried
again there: the time grows with the rows times the steps, and not exponentially.

https://docs.snowflake.com/en/sql-reference/constructs/match_recognize
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

from snowpipe_ml.local.core import errors
from snowpipe_ml.local.core.errors import UnsupportedError

_TOKEN = re.compile(
    r'\s*(?:(?P<quoted>"(?:[^"]|"")+")|(?P<name>[A-Za-z_][\w$]*)|(?P<exclude>\{-|-\})'
    r"|\{\s*(?P<least>\d*)\s*(?P<comma>,?)\s*(?P<most>\d*)\s*\}|(?P<sign>[()|^$*+?,]))"
)
_MOST_STEPS = 10_000
_MOST_TRIES = 50_000_000
_MOST_PERMUTED = 6


@dataclass(frozen=True)
class Symbol:
    """A row that has a symbol; an excluded one is not shown."""

    name: str
    excluded: bool = False


@dataclass(frozen=True)
class Edge:
    """The start or the end of a partition."""

    at_start: bool


@dataclass(frozen=True)
class Parts:
    """Patterns one after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Choice:
    """One of several patterns, the first one preferred."""

    options: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    """A pattern several times: as often as possible, or as rarely as possible."""

    part: Node
    least: int
    most: int | None
    reluctant: bool


Node = Symbol | Edge | Parts | Choice | Repeat


def symbols_of(node: Node) -> list[Symbol]:
    """List the symbols of a pattern."""
    match node:
        case Symbol():
            return [node]
        case Edge():
            return []
        case Repeat():
            return symbols_of(node.part)
        case Parts(parts) | Choice(parts):
            return [symbol for part in parts for symbol in symbols_of(part)]


def _can_be_empty(node: Node) -> bool:
    match node:
        case Symbol():
            return False
        case Edge():
            return True
        case Repeat():
            return node.least == 0 or _can_be_empty(node.part)
        case Parts(parts):
            return all(map(_can_be_empty, parts))
        case Choice(options):
            return any(map(_can_be_empty, options))


def _has_empty_loop(node: Node) -> bool:
    match node:
        case Symbol() | Edge():
            return False
        case Repeat():
            return (node.most is None and _can_be_empty(node.part)) or _has_empty_loop(node.part)
        case Parts(parts) | Choice(parts):
            return any(map(_has_empty_loop, parts))


def parse_pattern(text: str) -> Node:
    """Parse the text of a PATTERN.

    An alternative binds closer than a concatenation: ``A B | C`` is ``A (B | C)``, as Snowflake's reference says.

    Raises:
        ProgrammingError: the text is not a pattern.
    """
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text.strip()
        self._tokens: list[re.Match[str]] = []
        place = 0
        while place < len(self._text):
            found = _TOKEN.match(self._text, place)
            if found is None:
                raise self._wrong(self._text[place:].split()[0])
            self._tokens.append(found)
            place = found.end()
        self._place = 0
        self._excluded = False

    def read(self) -> Node:
        node = self._parts()
        if self._place < len(self._tokens):
            raise self._wrong(self._tokens[self._place].group().strip())
        return node

    def _wrong(self, found: str) -> Exception:
        return errors.syntax(f"syntax error unexpected '{found}' in the PATTERN ({self._text}).")

    def _next(self) -> str:
        return (
            self._tokens[self._place].group().strip().upper() if self._place < len(self._tokens) else "<EOF>"
        )

    def _take(self, token: str) -> bool:
        if self._next() != token:
            return False
        self._place += 1
        return True

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise self._wrong(self._next())

    def _parts(self) -> Node:
        parts: list[Node] = []
        while self._next() not in ("<EOF>", ")", "-}", ",", "|"):
            options = [self._repeated()]
            while self._take("|"):
                options.append(self._repeated())
            parts.append(options[0] if len(options) == 1 else Choice(tuple(options)))
        return parts[0] if len(parts) == 1 else Parts(tuple(parts))

    def _repeated(self) -> Node:
        node = self._single()
        while (bounds := self._bounds()) is not None:
            least, most = bounds
            if most is not None and most < least:
                raise self._wrong(self._tokens[self._place - 1].group().strip())
            node = Repeat(node, least, most, self._take("?"))
        return node

    def _bounds(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return bounds
        token = self._tokens[self._place] if self._place < len(self._tokens) else None
        if token is None or token["least"] is None or not token["least"] + token["most"]:
            return None
        self._place += 1
        least = int(token["least"] or 0)
        if not token["comma"]:
            return least, least
        return least, int(token["most"]) if token["most"] else None

    def _single(self) -> Node:
        token = self._tokens[self._place] if self._place < len(self._tokens) else None
        if token is None:
            raise self._wrong("<EOF>")
        self._place += 1
        sign = token.group().strip()
        if token["quoted"]:
            return Symbol(token["quoted"][1:-1].replace('""', '"'), self._excluded)
        if token["name"] and token["name"].upper() == "PERMUTE" and self._take("("):
            return self._permuted()
        if token["name"]:
            return Symbol(token["name"].upper(), self._excluded)
        if sign in ("^", "$"):
            return Edge(sign == "^")
        if sign == "(":
            node = self._parts()
            self._expect(")")
            return node
        if sign == "{-":
            before, self._excluded = self._excluded, True
            node = self._parts()
            self._expect("-}")
            self._excluded = before
            return node
        raise self._wrong(sign)

    def _permuted(self) -> Node:
        parts = [self._parts()]
        while self._take(","):
            parts.append(self._parts())
        self._expect(")")
        if len(parts) > _MOST_PERMUTED:
            raise UnsupportedError(f"PERMUTE of more than {_MOST_PERMUTED} patterns")
        return Choice(tuple(Parts(order) for order in permutations(parts)))


@dataclass(frozen=True)
class Found:
    """A match in a partition.

    Attributes:
        start: the position of its first row.
        symbols: for each row, its symbol.
    """

    start: int
    symbols: tuple[Symbol, ...]

    @property
    def end(self) -> int:
        """The position behind its last row."""
        return self.start + len(self.symbols)


@dataclass(frozen=True)
class Skip:
    """The row at which the search continues after a match.

    Attributes:
        to: PAST its last row, at its NEXT row, or at the FIRST or LAST row of the symbol.
        symbol: the symbol, if there is one.
    """

    to: Literal["PAST", "NEXT", "FIRST", "LAST"]
    symbol: str = ""


# A step of a program: the symbol of a row and the next step, or the edge and the next step, or two steps to try, or the end.
_Step = tuple[Symbol, int] | tuple[Edge, int] | tuple[int, int] | None


class Matcher:
    """Finds the matches of a pattern.

    Raises:
        UnsupportedError: the pattern has too many steps.
    """

    def __init__(self, pattern: Node) -> None:
        self._steps: list[_Step] = [None]
        self._first = self._compile(pattern, 0)
        self._keeps_failures = not _has_empty_loop(pattern)
        self._tries = 0

    def _add(self, step: _Step) -> int:
        if len(self._steps) >= _MOST_STEPS:
            raise UnsupportedError(f"a PATTERN of more than {_MOST_STEPS} steps")
        self._steps.append(step)
        return len(self._steps) - 1

    def _compile(self, node: Node, then: int) -> int:
        """Add the steps of a pattern that go on with the step ``then``; return the first one."""
        match node:
            case Symbol():
                return self._add((node, then))
            case Edge():
                return self._add((node, then))
            case Parts(parts):
                for part in reversed(parts):
                    then = self._compile(part, then)
                return then
            case Choice(options):
                first = self._compile(options[-1], then)
                for option in reversed(options[:-1]):
                    first = self._add((self._compile(option, then), first))
                return first
            case Repeat():
                return self._repeat(node, then)

    def _repeat(self, node: Repeat, then: int) -> int:
        if node.most is None:
            first = self._add(None)
            body = self._compile(node.part, first)
            self._steps[first] = (then, body) if node.reluctant else (body, then)
        else:
            first = then
            for _ in range(node.most - node.least):
                body = self._compile(node.part, first)
                first = self._add((then, body) if node.reluctant else (body, then))
        for _ in range(node.least):
            first = self._compile(node.part, first)
        return first

    def find(self, count: int, has: Mapping[str, Sequence[bool | None]], skip: Skip) -> list[Found]:
        """Find the matches in a partition.

        Args:
            count: the number of rows.
            has: which rows have a symbol; all rows have a symbol that is not among the keys.
            skip: where the search goes on after a match.

        Raises:
            ProgrammingError: the search cannot go on at a row of the symbol.
        """
        found: list[Found] = []
        failed: set[int] = set()
        start = 0
        while start < count:
            symbols = self._match(start, count, has, failed)
            if symbols is None:
                start += 1
                continue
            match = Found(start, symbols)
            found.append(match)
            start = self._after(match, skip) if symbols else start + 1
        return found

    def _after(self, match: Found, skip: Skip) -> int:
        which, name = skip.to, skip.symbol
        if which in ("NEXT", "PAST"):
            return match.start + 1 if which == "NEXT" else match.end
        places = [place for place, symbol in enumerate(match.symbols) if symbol.name == name]
        if not places:
            raise errors.compilation(
                f"AFTER MATCH SKIP TO {which} {name}: no row of the match has the symbol"
            )
        place = places[0 if which == "FIRST" else -1]
        if place == 0:
            raise errors.compilation(
                f"AFTER MATCH SKIP TO {which} {name}: it does not skip past the first row of the match"
            )
        return match.start + place

    def _match(
        self, start: int, count: int, has: Mapping[str, Sequence[bool | None]], failed: set[int]
    ) -> tuple[Symbol, ...] | None:
        """Match the rows from a position on; return their symbols, or None.

        Args:
            start: the position.
            count: the number of rows.
            has: which rows have a symbol.
            failed: the pairs of a step and a position that cannot lead to a match; further ones are added.
        """
        steps, width = self._steps, count + 1
        symbols: list[Symbol] = []
        path: list[int] = []
        tried: list[int] = []
        stack = [(self._first, start, 0, 0)]
        while stack:
            step_number, place, matched, length = stack.pop()
            del symbols[matched:], path[length:]
            while True:
                key = step_number * width + place
                if key in failed:
                    break
                failed.add(key)
                path.append(key)
                if not self._keeps_failures:
                    tried.append(key)
                step = steps[step_number]
                if step is None:
                    failed.difference_update(path if self._keeps_failures else tried)
                    return tuple(symbols)
                self._tries += 1
                what, then = step
                if isinstance(what, int):
                    stack.append((then, place, len(symbols), len(path)))
                    step_number = what
                    continue
                if isinstance(what, Symbol):
                    rows = has.get(what.name)
                    if place >= count or (rows is not None and not rows[place]):
                        break
                    symbols.append(what)
                    place += 1
                elif place != (0 if what.at_start else count):
                    break
                step_number = then
            if self._tries > _MOST_TRIES:
                raise UnsupportedError(f"a search of MATCH_RECOGNIZE with more than {_MOST_TRIES:,} steps")
        return None

"""The text of a block, token by token, with the positions that its errors name."""

from __future__ import annotations

from bisect import bisect_right

from snowpipe_ml.local.scripting.nodes import Expression, Place
from snowpipe_ml.local.syntax.reader import Reader

_OPENING, _CLOSING = ("(", "[", "{"), (")", "]", "}")


class Source(Reader):
    """Reads a block from left to right."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._lines = [0, *(place + 1 for place, letter in enumerate(text) if letter == "\n")]
        self.last = Place(1, 0)

    @property
    def place(self) -> Place:
        """The position of the next token."""
        start = self.peek().start
        line = bisect_right(self._lines, start)
        self.last = Place(line, start - self._lines[line - 1])
        return self.last

    def looking_at_assignment(self, ahead: int = 0) -> bool:
        """Return whether ``:=`` follows."""
        mark, equals = self.peek(ahead), self.peek(ahead + 1)
        return mark.text == ":" and equals.text == "=" and mark.end == equals.start

    def accept_assignment(self) -> bool:
        """Read ``:=`` if it is next; return whether it was."""
        found = self.looking_at_assignment()
        self.index += 2 * found
        return found

    def begins_transaction(self) -> bool:
        """Return whether BEGIN starts a transaction and not a block."""
        return self.looking_at("BEGIN") and self.peek(1).upper in ("", ";", "TRANSACTION", "WORK", "NAME")

    def between(self, begin: int) -> str:
        """Return the text from the token with an index to the one before the next."""
        return self.text[self.tokens[begin].start : self.tokens[self.index - 1].end]

    def skip_to(self, *ends: str) -> None:
        """Skip to the first of the words or marks that is neither in parentheses nor in a CASE expression."""
        depth = cases = 0
        while not self.done:
            word = self.peek().upper
            if not depth and not cases and word in ends:
                return
            if word in _OPENING:
                depth += 1
            elif word in _CLOSING:
                if not depth:
                    return
                depth -= 1
            elif word == "CASE":
                cases += 1
            elif word == "END" and cases:
                cases -= 1
            elif word == ";" and not depth:
                return
            self.next()

    def expression(self, *ends: str) -> Expression:
        """Read an expression before one of the words or marks, a semicolon or a closing parenthesis."""
        place, begin = self.place, self.index
        self.skip_to(*ends)
        if self.index == begin:
            raise self.unexpected("expected an expression")
        return Expression(self.between(begin), place)

    def using(self) -> tuple[Expression, ...]:
        """Read ``USING (a, b)``, if it follows."""
        if not self.accept("USING"):
            return ()
        self.expect("(")
        found = [self.expression(",")]
        while self.accept(","):
            found.append(self.expression(","))
        self.expect(")")
        return tuple(found)

    def variables(self) -> tuple[str, ...]:
        """Read the variables behind INTO, with or without colons."""
        found = []
        while True:
            self.accept(":")
            found.append(self.identifier())
            if not self.accept(","):
                return tuple(found)

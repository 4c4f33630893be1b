"""What is wrong with a spec, and where: ``file:line:column``, the line itself, and what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from snowpipe_ml.redaction import STARS, is_secret_name
from snowpipe_ml.visible import indented, visible

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a text file. ``line`` and ``column`` count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


_SETTING = re.compile(r"(?P<name>\b[A-Za-z_][\w-]{0,80})(?P<colon>['\"]?\s{0,20}:\s{1,20})[^,{}\[\]\s][^,}\]]*")
_LONGEST_LINE = 160  # characters of a line that are shown


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake.

    Args:
        message: what is wrong and what was expected, in one sentence.
        position: where it is.
        snippet: the offending line, without its line end.
        width: how many characters of it are meant.
        hint: what to do, such as the nearest right name.
    """

    message: str
    position: Position
    snippet: str = ""
    width: int = 1
    hint: str | None = None

    def __str__(self) -> str:
        lines = [f"{self.position}: {indented(self.message, '  ')}"]
        if self.snippet.strip():
            number = str(self.position.line)
            gutter = " " * len(number)
            snippet, start, width = self._shown()
            snippet = _without_secrets(snippet)
            # A tab before the caret keeps it under its character however wide tabs are shown.
            lead = "".join("\t" if c == "\t" else " " for c in visible(snippet[:start]))
            meant = max(1, len(visible(snippet[start : start + width])))
            lines.append(f"  {number} | {visible(snippet)}")
            lines.append(f"  {gutter} | {lead}{'^' * meant}")
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)

    def _shown(self) -> tuple[str, int, int]:
        """The line, or of a long one the part round what is meant; where that begins, and its width there."""
        start, width, text = self.position.column - 1, max(1, self.width), self.snippet
        if len(text) <= _LONGEST_LINE:
            return text, start, width
        left = max(0, start - _LONGEST_LINE // 4)
        cut = text[left : left + _LONGEST_LINE]
        before, behind = "..." if left else "", "..." if left + _LONGEST_LINE < len(text) else ""
        start += len(before) - left
        return f"{before}{cut}{behind}", start, max(1, min(width, len(before) + len(cut) - start))


def _without_secrets(line: str) -> str:
    """A line of a spec that may not be read as YAML, with stars in the place of what a secret's name is given."""
    return _SETTING.sub(lambda m: m[0] if not is_secret_name(m["name"]) else f"{m['name']}{m['colon']}{STARS}", line)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A hint with the nearest of the known names, or all of them where they are few.

    >>> did_you_mean("wharehouse", ["warehouse", "stage"])
    "did you mean 'warehouse'?"
    """
    names = sorted(set(known))
    by_fold = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(word.casefold(), by_fold, n=1, cutoff=0.6)
    if close:
        return f"did you mean {by_fold[close[0]]!r}?"
    if not names:
        return None
    if len(names) <= 12:
        return f"known here: {', '.join(names)}"
    return None

"""Problems in a spec: the message, the position as ``file:line:column``, the line itself, and a hint."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from snowpipe_ml.text.printable import indented, visible
from snowpipe_ml.text.redaction import STARS, secret_spans
from snowpipe_ml.text.secret_forms import joined
from snowpipe_ml.text.secret_names import is_secret_name

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Position:
    """A position in a text file. ``line`` and ``column`` count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


# Both are compiled when a problem is printed: every command imports this module.
_SETTING = r"(?P<name>\b[A-Za-z_][\w-]{0,80})(?P<colon>['\"]?\s{0,20}:\s{1,20})[^,{}\[\]\s][^,}\]]*"
# Mappings that hold connection settings and their values; names elsewhere are mostly column names.
_HOLDERS = frozenset(
    {
        "vars",
        "env",
        "environment",
        "targets",
        "connection",
        "credentials",
        "headers",
        "secrets",
        "on_failure",
        "on_success",
    }
)
_HOLDER = rf"\b(?:{'|'.join(sorted(_HOLDERS))})['\"]?\s{{0,20}}:"
_LONGEST_LINE = 160  # characters of a line that are shown


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in a text file.

    Args:
        message: what is wrong and what was expected, in one sentence.
        position: the position of the problem.
        snippet: the offending line, without its line end.
        width: how many characters of the line to mark.
        hint: what to do, such as the closest known name.
        path: the path of the setting in the spec; None if it is not known.
    """

    message: str
    position: Position
    snippet: str = ""
    width: int = 1
    hint: str | None = None
    path: Path | None = None

    def __str__(self) -> str:
        lines = [f"{self.position}: {indented(self.message, '  ')}"]
        if self.snippet.strip():
            number = str(self.position.line)
            gutter = " " * len(number)
            # What is cut is masked before, since the rest of a secret may not look like one.
            masked = _without_secrets(
                self.snippet, self.position.column - 1, max(1, self.width), by_name=self._may_hold_secrets()
            )
            snippet, start, width = _cut(*masked)
            # Repeating the tabs keeps the caret under its character whatever the tab width.
            lead = "".join("\t" if c == "\t" else " " for c in visible(snippet[:start]))
            meant = max(1, len(visible(snippet[start : start + width])))
            lines.append(f"  {number} | {visible(snippet)}")
            lines.append(f"  {gutter} | {lead}{'^' * meant}")
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)

    def _may_hold_secrets(self) -> bool:
        """Return whether the line may name a secret: inside some settings, and among those of a step."""
        if self.path is None or re.search(_HOLDER, self.snippet) or not _HOLDERS.isdisjoint(self.path):
            return True
        return len(self.path) <= 3 and self.path[:1] == ("steps",)


def _cut(text: str, start: int, width: int) -> tuple[str, int, int]:
    """Return a line, or the part of a long line around the marked text, and the text's start and width."""
    if len(text) <= _LONGEST_LINE:
        return text, start, width
    left = max(0, start - _LONGEST_LINE // 4)
    cut = text[left : left + _LONGEST_LINE]
    before, behind = "..." if left else "", "..." if left + _LONGEST_LINE < len(text) else ""
    start += len(before) - left
    return f"{before}{cut}{behind}", start, max(1, min(width, len(before) + len(cut) - start))


def _without_secrets(line: str, start: int, width: int, *, by_name: bool) -> tuple[str, int, int]:
    """Mask the secrets in a line of a spec, which need not be valid YAML.

    Args:
        line: the line.
        start: where the marked text is.
        width: how long it is.
        by_name: mask the values of secret names too.

    Returns:
        The new line, and the start and width of the marked text in it.
    """
    spans = secret_spans(line)
    if by_name:
        named = (match for match in re.finditer(_SETTING, line) if is_secret_name(match["name"]))
        spans = joined([*spans, *((match.end("colon"), match.end()) for match in named)])
    # From right to left, so that the positions of earlier ones stay valid.
    for begin, end in reversed(spans):
        line = f"{line[:begin]}{STARS}{line[end:]}"
        if start >= end:
            start += len(STARS) - (end - begin)
        elif start >= begin:
            start, width = begin, len(STARS)
    return line, start, width


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return a hint with the closest known name, or with all known names if there are few.

    >>> did_you_mean("wharehouse", ["warehouse", "stage"])
    "did you mean 'warehouse'?"
    """
    from difflib import get_close_matches  # late: only mistakes need it

    names = sorted(set(known))
    by_fold = {name.casefold(): name for name in names}
    close = get_close_matches(word.casefold(), by_fold, n=1, cutoff=0.6)
    if close:
        return f"did you mean {by_fold[close[0]]!r}?"
    if not names:
        return None
    if len(names) <= 12:
        return f"known here: {', '.join(names)}"
    return None

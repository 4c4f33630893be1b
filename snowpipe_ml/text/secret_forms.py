"""Finds known secrets in text, in every form in which text may contain them.

Text and secrets are compared in lowercase, without white space, quotes and backslashes. So a secret is found in
uppercase, as a literal of SQL, CSV, JSON or a shell, and where it was split over lines. Other forms, such as base64,
are searched for as well.
"""

from __future__ import annotations

import base64
import bisect
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from urllib.parse import quote, quote_plus

from snowpipe_ml.text.printable import visible

Span = tuple[int, int]
"""The place of a part of a text: its start and its end."""

# What a text has between two characters of a secret that is split over lines or quoted.
_BETWEEN_TOO = "\\\"'`|│┃"
_BETWEEN = re.compile(rf"[\s{re.escape(_BETWEEN_TOO)}]+")
# The same where line breaks are escaped: a backslash before n can also be the end of a path before a name.
_BETWEEN_ESCAPED = re.compile(rf"(?:\\+[nrt]|[\s{re.escape(_BETWEEN_TOO)}])+")
_ESCAPED_BREAK = re.compile(r"\\[nrt]")
# A secret that has fewer characters besides those is compared as it is.
_SHORTEST = 6
# A shorter secret is not looked for across line breaks and spaces.
_SHORTEST_SPLIT = 8
# The least part of a secret that counts where a text was cut.
_SHORTEST_PART = 8
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]")
_PLAIN = re.compile(r"[^A-Za-z0-9]+")
# Characters that are not encoded in URLs: by quote, by encodeURIComponent of JavaScript, and in paths.
_SAFE = ("", "/", "!'()*", "/%:@!$&'()*+,;=~", "/:@!$&'()*+,;=~")


@dataclass(frozen=True)
class _Whole:
    """A form of a whole secret; a form in base64 has parts of neighbours in its first and last character."""

    in_base64: bool = False


@dataclass(frozen=True)
class _Part:
    """The first or the last half of a secret, which counts where the text was cut there."""

    whole: str
    first: bool


def _folded(text: str) -> str:
    """Return a text in lowercase, and of the same length."""
    lower = text.lower()
    if len(lower) != len(text):  # only this letter becomes longer
        lower = text.replace("İ", "i").lower()
    return lower.replace("ς", "σ")


def _bare(text: str) -> str:
    """Return a text without what :data:`_BETWEEN` matches; several times faster than the pattern."""
    text = "".join(text.split())
    for character in _BETWEEN_TOO:
        text = text.replace(character, "")
    return text


class Matcher:
    """Finds some secrets.

    Args:
        values: the secrets.
    """

    def __init__(self, values: Iterable[str]) -> None:
        bare: dict[str, _Whole | _Part] = {}
        exact: set[str] = set()
        for value in values:
            for text, kind in _forms(value):
                form = _bare(_folded(text))
                if len(form) >= _SHORTEST:
                    bare.setdefault(form, kind)
                else:
                    exact.add(_folded(value))
            whole = _bare(_folded(value))
            half = max(_SHORTEST_PART, -(-len(whole) // 2))
            if len(whole) > half:
                bare.setdefault(whole[:half], _Part(whole, first=True))
                bare.setdefault(whole[-half:], _Part(whole, first=False))
        # A pattern of the first characters is compiled in a hundredth of the time of one of all characters.
        self._bare: dict[str, list[tuple[str, _Whole | _Part]]] = {}
        for form in sorted(bare, key=len, reverse=True):
            self._bare.setdefault(form[:_SHORTEST], []).append((form, bare[form]))
        self._pattern = _any_of(self._bare)
        self._exact = _any_of(exact)

    def spans(self, text: str) -> list[Span]:
        """Return where secrets are in a text, in order and without overlaps."""
        folded = _folded(text)
        found: list[Span] = []
        if self._pattern is not None:
            found += self._bare_spans(text, _Bare(folded, _bare(folded), _BETWEEN))
            if _ESCAPED_BREAK.search(text):
                found += self._bare_spans(
                    text, _Bare(folded, _BETWEEN_ESCAPED.sub("", folded), _BETWEEN_ESCAPED)
                )
        if self._exact is not None:
            found += [match.span() for match in self._exact.finditer(folded)]
        return joined(found) if found else found

    def _bare_spans(self, text: str, bare: _Bare) -> Iterator[Span]:
        assert self._pattern is not None
        at = 0
        while (match := self._pattern.search(bare.text, at)) is not None:
            at = match.start() + 1
            for form, kind in self._bare[match[0]]:
                if not bare.text.startswith(form, match.start()):
                    continue
                start, end = match.start(), match.start() + len(form)
                if isinstance(kind, _Part):
                    start, end = _grown(kind, bare.text, start, end)
                first, last = bare.original(start), bare.original(end - 1) + 1
                if isinstance(kind, _Part) and not _is_cut(kind, text, first, last):
                    continue
                if end - start < _SHORTEST_SPLIT and last - first != end - start:
                    continue
                if isinstance(kind, _Whole) and kind.in_base64:
                    first -= first > 0 and _BASE64.match(text[first - 1]) is not None
                    last += last < len(text) and _BASE64.match(text[last]) is not None
                yield first, last
                at = end
                break


@dataclass
class _Bare:
    """A text without what can be between the characters of a secret, and the original places of its characters."""

    folded: str
    text: str
    between: re.Pattern[str]

    @cached_property
    def _removed(self) -> tuple[list[int], list[int]]:
        """Where in the bare text something was removed, and how much was up to there."""
        places, sums, total = [0], [0], 0
        for match in self.between.finditer(self.folded):
            places.append(match.start() - total)
            total += match.end() - match.start()
            sums.append(total)
        return places, sums

    def original(self, at: int) -> int:
        """Return the place of a character in the original text."""
        places, sums = self._removed
        return at + sums[bisect.bisect_right(places, at) - 1]


def _grown(kind: _Part, text: str, start: int, end: int) -> Span:
    """Extend a match of a part of a secret as far as the secret goes on."""
    whole = kind.whole
    if kind.first:
        size = end - start
        while size < len(whole) and end < len(text) and text[end] == whole[size]:
            size, end = size + 1, end + 1
    else:
        size = end - start
        while size < len(whole) and start > 0 and text[start - 1] == whole[-size - 1]:
            size, start = size + 1, start - 1
    return start, end


def _is_cut(kind: _Part, text: str, first: int, last: int) -> bool:
    """Return whether a text can have been cut before or after a part of a secret."""
    if kind.first:
        return last == len(text) or not text[last].isalnum()
    return first == 0 or not text[first - 1].isalnum()


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return places in order, with those that overlap or touch as one."""
    made: list[Span] = []
    for start, end in sorted(spans):
        if made and start <= made[-1][1]:
            made[-1] = made[-1][0], max(end, made[-1][1])
        else:
            made.append((start, end))
    return made


def _forms(value: str) -> Iterator[tuple[str, _Whole]]:
    """Yield a value as it is, and as it is written in JSON, HTML, URLs, names, on a terminal, in base64 and in hex."""
    from html import escape  # late: its table of entities takes a millisecond of every process

    data = value.encode("utf-8", "surrogatepass")
    escaped = escape(value)
    texts = {
        value,
        value.upper(),  # which can be longer, and so can be
        value.lower(),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        visible(value),
        repr(value)[1:-1],
        escaped,
        escaped.replace("&#x27;", "&#39;"),
        escaped.replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),  # as Jinja writes quotes
        data.hex(),
        _PLAIN.sub("_", value),
    }
    for encode in _ENCODINGS:
        once = encode(value)
        texts |= {once, encode(once)}
    for text in texts:
        yield text, _Whole()
    # The bytes before the secret decide which of three texts is its base64.
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + data).decode()
        core = coded[-(-8 * before // 6) : 8 * (before + len(data)) // 6]
        yield core, _Whole(in_base64=True)
        yield core.replace("+", "-").replace("/", "_"), _Whole(in_base64=True)


def _quoting(safe: str) -> Callable[[str], str]:
    return lambda text: quote(text, safe=safe, errors="surrogatepass")


def _of_form(text: str) -> str:
    return quote_plus(text, errors="surrogatepass")


_ENCODINGS = (*map(_quoting, _SAFE), _of_form)


def _any_of(words: Iterable[str]) -> re.Pattern[str] | None:
    """Return a pattern that matches each of some words, the longest first; None if there are none."""
    # Words are grouped by their first characters: the pattern tests these once at each place of a text.
    groups = groupby(sorted(words), key=lambda word: word[:1])
    parts = [
        f"{re.escape(first)}(?:{'|'.join(re.escape(word[1:]) for word in sorted(group, key=len, reverse=True))})"
        for first, group in groups
    ]
    return re.compile("|".join(parts)) if parts else None

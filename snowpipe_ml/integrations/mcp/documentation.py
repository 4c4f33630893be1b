"""A search in the documentation that the package carries."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

__all__ = ["Section", "search"]

_WORD = re.compile(r"[a-z0-9_]+")
_LONGEST = 4_000  # characters of a section that are shown


@dataclass(frozen=True)
class Section:
    """A part of a page below one heading."""

    page: str
    heading: str
    text: str


def search(query: str, limit: int = 5) -> list[Section]:
    """Return the sections that have the words of a query, best first.

    A section scores by its rare words (BM25, https://en.wikipedia.org/wiki/Okapi_BM25), those of its heading twice.
    """
    sections, counts = _index()
    usual = sum(counter.total() for counter in counts) / len(counts)
    scores = [0.0] * len(sections)
    for word in set(_words(query)):
        having = sum(word in counter for counter in counts)
        rarity = math.log(1 + (len(counts) - having + 0.5) / (having + 0.5))
        for place, counter in enumerate(counts):
            times = counter[word]
            scores[place] += rarity * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * counter.total() / usual))
    order = sorted(range(len(sections)), key=lambda place: -scores[place])
    return [sections[place] for place in order[:limit] if scores[place] > 0]


@cache
def _index() -> tuple[list[Section], list[Counter[str]]]:
    sections = [section for name, file in _files() for section in _sections(name, file.read_text("utf-8"))]
    counts = [Counter(_words(f"{one.heading} {one.heading} {one.page} {one.text}")) for one in sections]
    return sections, counts


def _files() -> Iterator[tuple[str, Traversable]]:
    root = resources.files("snowpipe_ml") / "pages"
    for folder in (root, root / "how-to", root / "tutorials"):
        for file in sorted(folder.iterdir(), key=lambda file: file.name):
            if file.name.endswith(".md"):
                yield (file.name if folder is root else f"{folder.name}/{file.name}"), file


def _sections(page: str, text: str) -> Iterator[Section]:
    heading, lines = page, list[str]()
    for line in text.splitlines():
        if re.match(r"#{1,4} ", line):
            if any(lines):
                yield Section(page, heading, "\n".join(lines).strip()[:_LONGEST])
            heading, lines = line.lstrip("# "), []
        else:
            lines.append(line)
    if any(lines):
        yield Section(page, heading, "\n".join(lines).strip()[:_LONGEST])


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())

"""Docstrings and pages are plain English: words that make a reader stop are found here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import snowpipe_ml

ROOT = Path(snowpipe_ml.__file__).parents[1]
# A docstring names a thing or an action: `The columns of a table`, not `What a table has`.
BEGINNINGS = re.compile(r"(What|Who|Whose|That|Of) ")
PHRASES = re.compile(r"\b(of its own|of their own|of one's own|anew|whatever its)\b", re.I)


def docstrings() -> Iterator[tuple[str, str]]:
    """Every docstring of the package, also those below attributes, with its place."""
    for path in sorted((ROOT / "snowpipe_ml").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", text


def test_docstrings_begin_with_a_noun_or_a_verb() -> None:
    assert [place for place, text in docstrings() if BEGINNINGS.match(text)] == []


def test_code_and_pages_avoid_phrases_that_read_as_translated() -> None:
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    code = [path for name in ("snowpipe_ml", "benchmarks", "tests") for path in (ROOT / name).rglob("*.py")]
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in (*pages, *code)
        if path != Path(__file__)
        for match in PHRASES.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []

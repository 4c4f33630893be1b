"""The diagrams of the pages."""

from __future__ import annotations

import runpy

from tests.conftest import ROOT


def test_every_diagram_is_drawn() -> None:
    diagrams = runpy.run_path(str(ROOT / "docs" / "diagrams.py"))
    sources = [
        source
        for page in (ROOT / "docs").rglob("*.md")
        for source in diagrams["BLOCK"].findall(page.read_text())
    ]
    assert len(sources) >= 2
    drawn = set((ROOT / "docs" / "assets" / "diagrams").iterdir())
    assert drawn == set(map(diagrams["svg_of"], sources)), "run 'python docs/diagrams.py'"

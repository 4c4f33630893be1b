"""Draw the Mermaid diagrams of the pages as SVG files, so that the site loads no script from another host.

    python docs/diagrams.py

It needs npm, which fetches Mermaid, and Playwright with Chromium on the path. Each file has the hash of its source in
its name; those of earlier sources are removed.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
FOLDER = DOCS / "assets" / "diagrams"
BLOCK = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MERMAID = "11.17.2"
_DRAW = """async source => {
    mermaid.initialize({startOnLoad: false, htmlLabels: false, flowchart: {htmlLabels: false}, theme: "neutral"});
    return (await mermaid.render("diagram", source)).svg;
}"""


def svg_of(source: str) -> Path:
    """The file of a diagram."""
    return FOLDER / f"{hashlib.sha256(source.encode()).hexdigest()[:16]}.svg"


def main() -> None:
    """Draw every diagram that has no file yet."""
    from playwright.sync_api import sync_playwright

    sources = [source for page in DOCS.rglob("*.md") for source in BLOCK.findall(page.read_text())]
    FOLDER.mkdir(exist_ok=True)
    for path in set(FOLDER.iterdir()) - set(map(svg_of, sources)):
        path.unlink()
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        subprocess.run(["npm", "pack", "--silent", f"mermaid@{_MERMAID}"], cwd=made, check=True)
        with tarfile.open(Path(made) / f"mermaid-{_MERMAID}.tgz") as archive:
            archive.extract("package/dist/mermaid.min.js", made, filter="data")
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1000, "height": 900})
        page.add_script_tag(path=Path(made) / "package" / "dist" / "mermaid.min.js")
        for source in sources:
            svg_of(source).write_text(page.evaluate(_DRAW, source) + "\n", encoding="utf-8")
            print(f"wrote {svg_of(source)}")
        chromium.close()


if __name__ == "__main__":
    main()

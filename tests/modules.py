"""Write docs/modules.md: every module of the package, with the first line of its docstring.

python -m tests.modules
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import snowpipe_ml

ROOT = Path(snowpipe_ml.__file__).parents[1]
PAGE = ROOT / "docs" / "modules.md"
HEAD = """\
# Modules

Every module by its folder, with the first line of its docstring. [Architecture](architecture.md) says what the folders
are for and which of them may import which. This page is written by `python -m tests.modules`.
"""


def folders() -> Iterator[Path]:
    """The folders of the package that hold modules, each before the folders in it."""
    for path in sorted((ROOT / "snowpipe_ml").rglob("__init__.py")):
        if not {"pipelines", "pages"} & set(path.parts):
            yield path.parent


def summary(module: Path) -> str:
    """The first paragraph of a module's docstring on one line, as text of a table."""
    text = ast.get_docstring(ast.parse(module.read_text())) or ""
    first = re.split(r"\n\s*\n|(?<=[.:])\n", text)[0]
    line = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", " ".join(first.split()).replace("``", "`"))
    return line.replace("|", r"\|").rstrip(":.")


def page() -> str:
    """The text of the page."""
    parts = [HEAD]
    for folder in sorted(folders()):
        modules = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
        parts += [f"## {folder.relative_to(ROOT)}/\n", f"{summary(folder / '__init__.py')}\n"]
        if modules:
            parts += ["| module | content |", "| --- | --- |"]
            parts += [f"| [{path.name}](../{path.relative_to(ROOT)}) | {summary(path)} |" for path in modules]
            parts.append("")
    return "\n".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"wrote {PAGE.relative_to(ROOT)}")

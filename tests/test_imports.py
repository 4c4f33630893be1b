"""The import graph of the package, with imports inside functions and under TYPE_CHECKING counted."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import networkx as nx

import snowpipe_ml

ROOT = Path(snowpipe_ml.__file__).parents[1]
PACKAGE = "snowpipe_ml"


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if not {"pipelines", "pages"} & set(parts):
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(tree: ast.AST, known: dict[str, Path]) -> Iterator[tuple[str, ast.stmt]]:
    """The modules of the package that a module imports anywhere, each with the statement."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if name in known or node.module in known:
                    yield (name if name in known else node.module), node


def test_no_two_modules_import_each_other() -> None:
    known = modules()
    graph = nx.DiGraph()
    for name, path in known.items():
        graph.add_edges_from((name, other) for other, _ in imports(ast.parse(path.read_text()), known))
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    assert len(graph) > 200
    assert [sorted(circle) for circle in nx.strongly_connected_components(graph) if len(circle) > 1] == []


def test_no_function_imports_a_module_of_the_package() -> None:
    known, found = modules(), []
    for name, path in known.items():
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                found += [f"{name}:{node.lineno} imports {other}" for other, node in imports(function, known)]
    assert found == []


def test_no_module_is_longer_than_a_few_screens() -> None:
    long = {
        name: lines for name, path in modules().items() if (lines := len(path.read_text().splitlines())) > 400
    }
    assert not long, "split these modules"

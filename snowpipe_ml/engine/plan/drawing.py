"""Rendering of the graph as text: Mermaid, Graphviz DOT or JSON."""

from __future__ import annotations

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.text.printable import json_text


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def to_mermaid(graph: Graph) -> str:
    """Render a graph as a Mermaid flowchart for Markdown pages."""
    ids = {name: f"n{i}" for i, name in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for name, node in graph.nodes.items():
        label = name.replace('"', "#quot;")
        lines.append(f'  {ids[name]}(["{label}"])' if node.declared else f'  {ids[name]}["{label}"]')
    lines += [f"  {ids[a]} --> {ids[b]}" for a, b in _edges(graph)]
    return "\n".join(lines)


def to_dot(graph: Graph) -> str:
    """Render a graph as DOT, the input of Graphviz."""
    lines = ["digraph pipeline {", "  rankdir=LR;"]
    for name, node in graph.nodes.items():
        shape = "ellipse" if node.declared else "box"
        lines.append(f'  "{_escaped(name)}" [shape={shape}];')
    lines += [f'  "{_escaped(a)}" -> "{_escaped(b)}";' for a, b in _edges(graph)]
    return "\n".join([*lines, "}"])


def to_json(graph: Graph) -> str:
    """Render the nodes and edges of a graph as JSON, with the inputs and outputs of each node."""
    return json_text(
        {
            "nodes": [
                {
                    "name": name,
                    "type": node.step.type_name,
                    "declared": node.declared,
                    "reads": sorted(map(str, node.reads)),
                    "writes": sorted(map(str, node.writes)),
                }
                for name, node in graph.nodes.items()
            ],
            "edges": [{"from": a, "to": b} for a, b in _edges(graph)],
        },
        indent=2,
    )


def _edges(graph: Graph) -> list[tuple[str, str]]:
    order = {name: i for i, name in enumerate(graph.nodes)}
    return sorted(graph.dag.edges, key=lambda edge: (order[edge[0]], order[edge[1]]))


FORMATS = {"mermaid": to_mermaid, "dot": to_dot, "json": to_json}

"""Remarks about a valid spec: what works, and may still surprise on an account."""

from __future__ import annotations

from collections.abc import Iterator

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.spec.fanout import base_name
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.spec.packages import DEPRECATED_PYTHON
from snowpipe_ml.text.problems import Path


def notes(spec: Spec, graph: Graph) -> list[str]:
    """Return the remarks, each with its position in the spec."""
    return [
        f"{problem.position}: {problem.message}"
        for problem in (
            spec.document.problem(message, path, key=True)
            for message, path in (*_deprecated(spec), *_without_warehouse(spec, graph))
        )
    ]


def _deprecated(spec: Spec) -> Iterator[tuple[str, Path]]:
    """Yield the deprecated versions of Python.

    https://docs.snowflake.com/en/developer-guide/python-runtime-support-policy
    """
    pipeline = spec.pipeline
    used: dict[Path, str] = {("python",): pipeline.python}
    used |= {
        ("imports", name, "python"): item.python for name, item in pipeline.imports.items() if item.python
    }
    for path, version in used.items():
        if version in DEPRECATED_PYTHON:
            since = DEPRECATED_PYTHON[version]
            yield (
                f"Snowflake has deprecated Python {version} since {since}: set `python` to a newer one",
                path,
            )


def _without_warehouse(spec: Spec, graph: Graph) -> Iterator[tuple[str, Path]]:
    """Yield the targets without a warehouse, with the steps that name none."""
    without = [
        node.name
        for node in graph.nodes.values()
        if not node.declared and node.step.settings.warehouse is None
    ]
    names = list(dict.fromkeys(map(base_name, without)))
    for name, target in spec.pipeline.targets.items():
        if target.needs_warehouse and target.default_warehouse is None and names:
            yield (
                f"on the target {name}, {len(names)} steps have no warehouse but that of the connection or user: "
                f"{', '.join(names)}; set `warehouse` on the target or on the steps",
                ("targets", name),
            )

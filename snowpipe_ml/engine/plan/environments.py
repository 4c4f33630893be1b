"""Which schemas an environment of a pipeline has, and what keeps a pipeline from running in one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.nodes import Node
from snowpipe_ml.plugins import Kind, PlanContext
from snowpipe_ml.spec.environments import Environment
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.sql import Identifier, QualifiedName, StagePath
from snowpipe_ml.text.problems import Problem

_IN_SCHEMAS = {
    Kind.TABLE,
    Kind.STAGE,
    Kind.FUNCTION,
    Kind.FILE_FORMAT,
    Kind.IMPORT,
    Kind.TAG,
    Kind.STREAM,
}
_NAME = r'(?:"(?:[^"]|"")+"|[A-Za-z_][\w$]*)'
# Comments and strings, whose text is not a name; and names with a schema.
_SCANNED = re.compile(
    rf"--[^\n]*|/\*.*?\*/|\$\$.*?\$\$|'(?:[^'\\]|\\.|'')*'|(?P<name>{_NAME}(?:\s*\.\s*{_NAME}){{1,2}})",
    re.DOTALL,
)


def environment_of(spec: Spec, graph: Graph, name: Identifier) -> Environment:
    """Return an environment of the target of a spec, with the schemas that the outputs of the spec are in."""
    home = QualifiedName((spec.target.database, spec.target.schema_))
    schemas = {home: None}
    for written in _written(graph):
        whole = QualifiedName((*home.parts[: 3 - len(written.parts)], *written.parts))
        schemas[QualifiedName(whole.parts[:2])] = None
    return Environment(name, spec.target, spec.pipeline.state, tuple(schemas))


def _written(graph: Graph) -> Iterator[QualifiedName]:
    for node in graph.nodes.values():
        for resource in node.writes:
            if resource.kind in _IN_SCHEMAS:
                yield resource.name.stage if isinstance(resource.name, StagePath) else resource.name


def not_isolated(spec: Spec, graph: Graph, ctx: PlanContext) -> list[Problem]:
    """Return a problem for each step of a spec in an environment that would still work outside of it."""
    environment = spec.environment
    assert environment is not None
    external = {Identifier.parse(name) for name, stage in spec.pipeline.stages.items() if stage.url}
    outputs = {name.name for name in _written(graph)}
    problems = []
    for node in graph.nodes.values():
        for resource in node.writes:
            place = resource.name
            if isinstance(place, StagePath) and place.stage.name in external:
                problems.append(
                    spec.document.problem(
                        f"{node.name} writes to the external stage {place.stage}, whose files an environment shares with "
                        "the target",
                        node.path,
                        hint="write to an internal stage, or exclude the step from the pipeline with `when`",
                    )
                )
        for name in sorted(set(_names_of_target(node, ctx, environment, outputs)), key=str):
            problems.append(
                spec.document.problem(
                    f"{node.name} names {name} in its SQL, which is not in the environment {environment.name}",
                    node.path,
                    hint=f"write {{{{ ref({str(name)!r}) }}}} instead, which names the clone in an environment",
                )
            )
    return problems


def _names_of_target(
    node: Node, ctx: PlanContext, environment: Environment, outputs: set[Identifier]
) -> Iterator[QualifiedName]:
    """Yield the outputs of the spec that the statements of a node name in a schema of the target."""
    for statement in node.step.plan(ctx).statements:
        for found in _SCANNED.finditer(statement.text):
            if found["name"] is None:
                continue
            try:
                name = QualifiedName.parse(found["name"])
            except ValueError:  # it has a reserved word, as in CURRENT_DATE.X
                continue
            if name.name in outputs and environment.has(name):
                yield name

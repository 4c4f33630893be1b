"""A pipeline whose target is the place of a test, and whose sources are given by the test."""

from __future__ import annotations

import dataclasses
import uuid
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from pathlib import Path

from snowpipe_ml.engine.pipeline import Pipeline
from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.nodes import Node
from snowpipe_ml.errors import UsageError
from snowpipe_ml.plugins import Kind, RunInfo
from snowpipe_ml.plugins.target import Target
from snowpipe_ml.spec.fanout import Rows, base_name
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.spec.sources import Source, SourceFrom
from snowpipe_ml.sql import Identifier, QualifiedName
from snowpipe_ml.targets.local import LocalTarget

GIVEN = Identifier("GIVEN_BY_THE_TEST")


class Place(ABC):
    """A place in which a test runs.

    Attributes:
        given: the schema with the rows of sources, over which a run makes its views.
    """

    given = GIVEN

    @abstractmethod
    def target(self, target: Target) -> Target:
        """Return the target of the test in place of that of the spec."""


class WarehouseOfTest(Place):
    """An embedded warehouse of the test.

    Args:
        folder: its folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def target(self, target: Target) -> Target:
        """Return the embedded warehouse, with the names of the target."""
        return LocalTarget.in_place_of(target, self.folder)


class SchemaOfTest(Place):
    """A schema of the test on the target of the spec.

    Attributes:
        schema: the schema; that of the given rows has its name and an ending.
    """

    def __init__(self) -> None:
        self.schema = Identifier(f"SNOWPIPE_TEST_{uuid.uuid4().hex[:12].upper()}")
        self.given = Identifier(f"{self.schema.name}_GIVEN")

    def target(self, target: Target) -> Target:
        """Return the target with the schema."""
        return target.model_copy(update={"schema_": self.schema})


class Isolated(Pipeline):
    """A pipeline in the place of a test.

    Args:
        path: the spec.
        variables: values of ``vars`` that override those of the file.
        place: the place.
        given: the names of the tables that the test gives.
    """

    def __init__(
        self, path: Path, variables: Mapping[str, object], place: Place, given: Collection[str]
    ) -> None:
        super().__init__(path, variables)
        self._place = place
        self._given = {Identifier.parse(name) for name in given}

    def read(
        self, target: str | None, variables: Mapping[str, object], run: RunInfo, rows: Rows | None
    ) -> Spec:
        """Read the spec, with the place of the test as its target and without hooks."""
        spec = super().read(target, variables, run, rows)
        sources = {
            name: _from_test(
                source, QualifiedName((self._place.given, Identifier.parse(name))), spec.target_name
            )
            if Identifier.parse(name) in self._given
            else source
            for name, source in spec.pipeline.sources.items()
        }
        return placed(
            spec,
            self._place.target(spec.target),
            sources=sources,
        )


def placed(spec: Spec, target: Target, **changed: object) -> Spec:
    """Return a spec with another target, and without hooks.

    Args:
        spec: the spec.
        target: the target.
        **changed: other attributes of the pipeline, with their new values.
    """
    targets = {**spec.pipeline.targets, spec.target_name: target}
    update = {"targets": targets, "on_success": (), "on_failure": (), **changed}
    return dataclasses.replace(spec, pipeline=spec.pipeline.model_copy(update=update))


def _from_test(source: Source, rows: QualifiedName, target: str) -> Source:
    return source.model_copy(update={"from_": {target: SourceFrom(table=rows)}})


def steps_for(graph: Graph, tables: Collection[Identifier], given: Collection[Identifier]) -> set[str]:
    """Return the steps that some tables need, as far as the tables that a test gives do not replace them.

    Raises:
        UsageError: no step writes one of the tables.
    """
    steps: set[str] = set()
    wanted = list(tables)
    seen: set[Identifier] = set(tables)
    while wanted:
        name = wanted.pop()
        writers = [
            node for node in graph.nodes.values() if not node.declared and name in _tables(node, "writes")
        ]
        if not writers and name in tables:
            known = sorted(
                {str(t) for n in graph.nodes.values() if not n.declared for t in _tables(n, "writes")}
            )
            raise UsageError(f"no step writes {name}; expected one of {', '.join(known)}")
        for node in writers:
            steps.add(base_name(node.name))
            more = {table for table in _tables(node, "reads") if table not in given} - seen
            seen |= more
            wanted += more
    return steps


def lacking(graph: Graph, steps: Collection[str], given: Collection[Identifier]) -> list[str]:
    """Return a message for each table that a step reads and that neither another of the steps writes nor the test gives."""
    chosen = [node for node in graph.nodes.values() if not node.declared and base_name(node.name) in steps]
    written = {table for node in chosen for table in _tables(node, "writes")}
    messages = {}
    for node in chosen:
        for table in _tables(node, "reads"):
            if table not in given and table not in written:
                messages[table] = (
                    f"{base_name(node.name)} reads {table}: add it to `given`; `{table.name.lower()}: []` is an empty table"
                )
    return list(messages.values())


def _tables(node: Node, which: str) -> list[Identifier]:
    return [
        resource.name.parts[-1]
        for resource in getattr(node, which)
        if resource.kind is Kind.TABLE and isinstance(resource.name, QualifiedName)
    ]

"""The source of a run: a spec file with the values of its variables, and the target that it names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from snowpipe_ml.engine.plan.environments import environment_of, not_isolated
from snowpipe_ml.engine.plan.graph import Graph, build_graph, findings
from snowpipe_ml.errors import SpecError
from snowpipe_ml.packages import lock_path
from snowpipe_ml.plugins import Kind, PackageList, PlanContext, RunInfo
from snowpipe_ml.spec.fanout import Rows
from snowpipe_ml.spec.loader import NO_RUN, Spec, load_spec
from snowpipe_ml.spec.placing import placed
from snowpipe_ml.sql import Identifier
from snowpipe_ml.text.secret_names import is_secret_name


class Source:
    """A spec file and the values of variables that were given for it.

    The file is read by each method that needs it.

    Args:
        path: the spec file.
        variables: values of ``vars`` that override those of the file.
        environment: the environment of the target to work in; None for the target itself.
    """

    def __init__(
        self, path: Path, variables: Mapping[str, object], environment: Identifier | None = None
    ) -> None:
        self.path = path
        self.variables = dict(variables)
        self.environment = environment

    def in_base(self) -> Source:
        """Return the same pipeline on the target itself."""
        return Source(self.path, self.variables)

    @property
    def base_dir(self) -> Path:
        """The folder of the spec."""
        return self.path.resolve().parent

    def read(
        self, target: str | None, variables: Mapping[str, object], run: RunInfo, rows: Rows | None
    ) -> Spec:
        """Read the spec for a target; see :func:`snowpipe_ml.spec.loader.load_spec`."""
        return load_spec(self.path, target=target, variables=variables, run=run, rows=rows)

    def load(
        self,
        target: str | None = None,
        run: RunInfo = NO_RUN,
        rows: Rows | None = None,
        variables: Mapping[str, object] | None = None,
        *,
        whole: bool = False,
    ) -> tuple[Spec, Graph, PlanContext]:
        """Load the spec for a target, and build its graph and the context for planning.

        Args:
            target: the target's name; the default target if None.
            run: the identity of the run.
            rows: runs the queries of ``foreach``; without it, one node represents all of their items.
            variables: values for variables that the pipeline itself was given no value for.
            whole: check also that the files named in the spec exist, which only the steps that read
                them need.

        Raises:
            SpecError: the spec is invalid; holds every problem.
            UsageError: the target or a variable does not exist.
        """
        spec = self.read(target, {**(variables or {}), **self.variables}, run, rows)
        graph, ctx, problems = build_graph(spec, self._context(spec))
        if self.environment is not None and graph is not None and not (spec.problems or problems):
            spec = placed(spec, environment_of(spec, graph, self.environment))
            graph, ctx, problems = build_graph(spec, self._context(spec))
            if graph is not None:
                problems += not_isolated(spec, graph, ctx)
        # A step that could not be loaded is missing from the graph; do not blame the steps that need it.
        problems = [p for p in problems if not any(f"{name!r}" in p.message for name in spec.broken)]
        problems = spec.problems + problems
        if whole and graph is not None:
            problems += findings(spec, ctx, graph)
        if problems or graph is None:
            raise SpecError(sorted(set(problems), key=lambda p: (p.position.line, p.position.column)))
        return spec, graph, ctx

    def _context(self, spec: Spec) -> PlanContext:
        base = self.base_dir
        return PlanContext(
            base_dir=base,
            cache_dir=base / ".snowpipe" / "cache",
            target=spec.target_name,
            scope=spec.scope,
            packages={
                name: PackageList(p.packages, p.artifact_repository)
                for name, p in spec.pipeline.packages.items()
            },
            lock_file=lock_path(self.path.resolve()),
            python=spec.pipeline.python,
            aliases={} if spec.environment is None else spec.environment.aliases,
        )


def _is_secret(path: tuple[str | int, ...]) -> bool:
    """Return whether a value of the spec belongs to a variable with the name of a secret."""
    of_vars = path[0] == "vars" or (path[0] == "targets" and path[2:3] == ("vars",))
    return of_vars and any(is_secret_name(str(part)) for part in path)


def recorded(spec: Spec, graph: Graph, run: RunInfo, variables: Mapping[str, object]) -> dict[str, object]:
    """The details that the state store keeps about the start of a run."""
    text = "\n".join(spec.document.shown_lines(_is_secret))
    writes = {str(r.name) for node in graph.nodes.values() for r in node.writes if r.kind is Kind.TABLE}
    values = json.loads(json.dumps(variables, default=str))
    given = "".join(
        f"\n# given for this run: {name}: {json.dumps(value)}" for name, value in sorted(values.items())
    )
    return {
        "spec": str(spec.document.file),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "text": text + given,
        "writes": sorted(writes),
        "run_date": str(run.date),
        "variables": values,
    }

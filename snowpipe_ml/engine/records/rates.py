"""The credits that a warehouse uses in an hour, and what steps used in earlier runs.

The page says that each size uses twice as many as the one below it:
https://docs.snowflake.com/en/user-guide/cost-understanding-compute

The factors of generation 2 and of Snowpark-optimized warehouses are in Snowflake's service consumption table, which is
part of the contract, and which was not at hand. docs/cost.md says where each of them is from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from snowpipe_ml.engine.plan.graph import Graph
from snowpipe_ml.engine.plan.nodes import Node
from snowpipe_ml.engine.records.state import State
from snowpipe_ml.errors import UsageError
from snowpipe_ml.plugins import Kind, PlanContext, RunsIn
from snowpipe_ml.plugins.connection import current_warehouse
from snowpipe_ml.spec.loader import Spec
from snowpipe_ml.spec.models import Warehouse
from snowpipe_ml.sql import Identifier, Literal, QualifiedName, Sql, sql

_SIZES = (
    "XSMALL",
    "SMALL",
    "MEDIUM",
    "LARGE",
    "XLARGE",
    "2XLARGE",
    "3XLARGE",
    "4XLARGE",
    "5XLARGE",
    "6XLARGE",
)
# Snowflake writes these sizes in both ways.
_OTHER_NAMES = {
    "XXLARGE": "2XLARGE",
    "XXXLARGE": "3XLARGE",
    "X4LARGE": "4XLARGE",
    "X5LARGE": "5XLARGE",
    "X6LARGE": "6XLARGE",
}
_SECOND_GENERATION = 1.35  # on AWS and Google Cloud; 1.25 on Azure
# https://docs.snowflake.com/en/user-guide/warehouses-gen2
_FIRST_GENERATION_ONLY = ("5XLARGE", "6XLARGE")
_OPTIMIZED = {"": 1.5, "MEMORY_1X": 1.0, "MEMORY_16X": 1.5}

_SECONDS = """SELECT STEP, AVG(SECONDS) FROM (
  SELECT STEP, SECONDS FROM {events}
  WHERE PIPELINE = {pipeline} AND TARGET = {target} AND EVENT = 'step_finished' AND STATUS = 'success'
  QUALIFY ROW_NUMBER() OVER (PARTITION BY STEP ORDER BY AT DESC) <= 5) GROUP BY STEP"""


def credits_per_hour(size: str, kind: str, generation: str, constraint: str) -> float | None:
    """Return the credits that a warehouse of one cluster uses in an hour; None if they depend on its work.

    Args:
        size: its size, as Snowflake writes it in any place.
        kind: its type.
        generation: 1, 2 or empty.
        constraint: the memory of a Snowpark-optimized one, or empty.
    """
    name = size.upper().replace("-", "")
    name = _OTHER_NAMES.get(name, name)
    if name not in _SIZES:
        return None
    whole = float(2 ** _SIZES.index(name))
    if kind.upper() == "STANDARD":
        second = generation == "2" and name not in _FIRST_GENERATION_ONLY
        return whole * (_SECOND_GENERATION if second else 1.0)
    if kind.upper() == "SNOWPARK-OPTIMIZED":
        factor = _OPTIMIZED.get(constraint.upper().removesuffix("_X86"))
        return None if factor is None else whole * factor
    return None


def _of_settings(settings: Warehouse) -> float | None:
    # Without a generation, an account chooses it: 2 where it can, and so does a budget.
    generation = "2" if settings.generation is None else str(settings.generation)
    return credits_per_hour(settings.size, settings.type, generation, settings.resource_constraint or "")


@dataclass
class Rates:
    """The credits that the steps of a pipeline use in an hour, by their warehouses.

    Args:
        spec: the spec, with the warehouses that it declares.
        state: the state store, on whose connection other warehouses are asked for.
        ctx: the planning context.
    """

    spec: Spec
    state: State
    ctx: PlanContext
    _shown: dict[str, float | None] = field(default_factory=dict, init=False)

    def of(self, node: Node) -> float:
        """Return the credits that a step uses in an hour, if nothing else uses its warehouse.

        A step that works in the client uses none. Without a warehouse, as the embedded warehouse allows, it counts
        as one that is X-Small.

        Raises:
            UsageError: the credits of its warehouse are not known before they are used.
        """
        if node.step.runs_in(self.ctx) is RunsIn.CLIENT or any(r.kind is Kind.WAREHOUSE for r in node.writes):
            return 0.0
        own = None if node.declared else node.step.settings.warehouse
        name = own or self.spec.target.default_warehouse or current_warehouse(self.state.connection)
        if name is None:
            return 1.0
        rate = self._declared(name)
        if rate is None:
            raise UsageError(
                f"the step {node.name} runs on the warehouse {name}, whose credits per hour do not follow from its size: "
                "its cost cannot be estimated, so it can have no budget; a resource monitor limits such a warehouse"
            )
        return rate

    def _declared(self, name: Identifier) -> float | None:
        for written, settings in self.spec.pipeline.warehouses.items():
            if Identifier.parse(written) == name and settings.managed == "here":
                return _of_settings(settings)
        if not self._shown:
            self._shown = {
                str(row["name"]): credits_per_hour(
                    str(row["size"] or ""),
                    str(row["type"] or ""),
                    str(row.as_dict().get("generation") or ""),
                    str(row.as_dict().get("resource_constraint") or ""),
                )
                for row in self.state.ask(Sql("SHOW WAREHOUSES"))
            }
        return self._shown.get(name.name)


def seconds_of(state: State, pipeline: str, target: str) -> dict[str, float]:
    """Return the mean duration of the last five successes of each step, in seconds."""
    rows = state.ask(
        sql(
            _SECONDS,
            events=QualifiedName((*state.schema.parts, Identifier("EVENTS"))),
            pipeline=Literal(pipeline),
            target=Literal(target),
        )
    )
    return {str(step): float(seconds) for step, seconds in rows if seconds is not None}


@dataclass(frozen=True)
class Estimate:
    """The expected use of a step.

    Attributes:
        seconds: the mean duration of its last successes.
        credits: those that its warehouse uses in this time.
    """

    seconds: float
    credits: float


def estimates(spec: Spec, graph: Graph, ctx: PlanContext, state: State) -> Mapping[str, Estimate]:
    """Return what the steps that have succeeded before are expected to use, without idle time."""
    seconds = seconds_of(state, spec.pipeline.name, spec.target_name)
    rates = Rates(spec, state, ctx)
    found = {}
    for name, node in graph.nodes.items():
        if name in seconds:
            try:
                found[name] = Estimate(seconds[name], seconds[name] * rates.of(node) / 3600)
            except UsageError:  # no estimate
                continue
    return found

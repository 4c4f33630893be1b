"""Warehouses as steps: created if missing; of an existing one, only the settings that the spec names are changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from snowpipe_ml.plugins import Change, Changes, Kind, PlanContext, StepPlan
from snowpipe_ml.plugins.connection import Asks
from snowpipe_ml.spec import models
from snowpipe_ml.sql import Fragment, Identifier, Literal, Sql, join, sql
from snowpipe_ml.steps.declared.step import DeclaredStep


class _Property(NamedTuple):
    """A property of a warehouse.

    Attributes:
        option: its name in CREATE and ALTER WAREHOUSE.
        column: the column of SHOW WAREHOUSES that has its value; None for a parameter of the warehouse, which
            SHOW PARAMETERS lists under the name of the option.
    """

    option: str
    column: str | None


# By setting, in the order of https://docs.snowflake.com/en/sql-reference/sql/create-warehouse
_PROPERTIES = {
    "type": _Property("WAREHOUSE_TYPE", "type"),
    "size": _Property("WAREHOUSE_SIZE", "size"),
    "generation": _Property("GENERATION", "generation"),
    "resource_constraint": _Property("RESOURCE_CONSTRAINT", "resource_constraint"),
    "max_cluster_count": _Property("MAX_CLUSTER_COUNT", "max_cluster_count"),
    "min_cluster_count": _Property("MIN_CLUSTER_COUNT", "min_cluster_count"),
    "scaling_policy": _Property("SCALING_POLICY", "scaling_policy"),
    "auto_suspend": _Property("AUTO_SUSPEND", "auto_suspend"),
    "auto_resume": _Property("AUTO_RESUME", "auto_resume"),
    "resource_monitor": _Property("RESOURCE_MONITOR", "resource_monitor"),
    "comment": _Property("COMMENT", "comment"),
    "enable_query_acceleration": _Property("ENABLE_QUERY_ACCELERATION", "enable_query_acceleration"),
    "query_acceleration_max_scale_factor": _Property(
        "QUERY_ACCELERATION_MAX_SCALE_FACTOR", "query_acceleration_max_scale_factor"
    ),
    "max_concurrency_level": _Property("MAX_CONCURRENCY_LEVEL", None),
    "statement_queued_timeout_in_seconds": _Property("STATEMENT_QUEUED_TIMEOUT_IN_SECONDS", None),
    "statement_timeout_in_seconds": _Property("STATEMENT_TIMEOUT_IN_SECONDS", None),
}


class WarehouseStep(DeclaredStep):
    """A virtual warehouse."""

    type_name = "warehouse"
    kind = Kind.WAREHOUSE
    listed_as = "WAREHOUSES"
    in_schema = False

    model: models.Warehouse

    def statements(self, ctx: PlanContext) -> Iterator[Sql]:
        yield self.create_if_missing()

    def plan(self, ctx: PlanContext) -> StepPlan:
        if self.elsewhere:
            return super().plan(ctx)
        return StepPlan(
            f"create the warehouse {self.object} if it does not exist; otherwise change the settings that differ",
            tuple(self.statements(ctx)),
        )

    def create_if_missing(self) -> Sql:
        """Return the statement that creates the warehouse and leaves an existing one unchanged."""
        given = {name: getattr(self.model, name) for name in _PROPERTIES}
        if self.model.type == "adaptive":  # Snowflake decides its size, and when it suspends
            given = {name: value for name, value in given.items() if name in self.model.model_fields_set}
        # A warehouse that starts is billed for at least a minute.
        suspended = () if self.model.type == "adaptive" else (Sql("INITIALLY_SUSPENDED = TRUE"),)
        options = [
            _assignment(_PROPERTIES[name].option, _written(name, value))
            for name, value in given.items()
            if value is not None
        ]
        return sql(
            "CREATE WAREHOUSE IF NOT EXISTS {name} WITH {options}",
            name=self.object,
            options=join(" ", [*options, *suspended]),
        )

    def differences(self, ctx: PlanContext, target: Asks, shown: Mapping[str, object]) -> Changes:
        """Compare the settings that the spec names with those of the warehouse.

        What the spec does not name is left as it is: another team, an administrator or a tool may have set it.
        """
        named = [name for name in _PROPERTIES if name in self.model.model_fields_set]
        parameters: dict[str, object] = {}
        if any(_PROPERTIES[name].column is None for name in named):
            rows = target.execute(sql("SHOW PARAMETERS IN WAREHOUSE {name}", name=self.object))
            parameters = {str(row["key"]): row["value"] for row in rows}
        told, options = [], []
        for name in named:
            value = getattr(self.model, name)
            option, column = _PROPERTIES[name]
            old = parameters.get(option) if column is None else shown.get(column)
            if value is None or _comparable(old) == _comparable(value):
                continue
            told.append(
                Change(name, str(old).lower() if old not in (None, "") else "unset", str(value).lower())
            )
            options.append(_assignment(option, _written(name, value)))
        if not options:
            return Changes()
        statement = sql("ALTER WAREHOUSE {name} SET {options}", name=self.object, options=join(" ", options))
        return Changes(tuple(told), (statement,))


def _written(name: str, value: object) -> object:
    """Return a setting as the value of its option; the generation must be in quotes."""
    if name == "generation":
        return str(value)
    if name == "resource_constraint" or name == "comment" or not isinstance(value, str):
        return value
    return value.upper()


def _assignment(option: str, value: object) -> Sql:
    written: Fragment = value if isinstance(value, Identifier) else Literal(value)
    return sql("{option} = {value}", option=Sql(option), value=written)


_SIZES = {"2XLARGE": "XXLARGE", "3XLARGE": "XXXLARGE", **{f"{n}XLARGE": f"X{n}LARGE" for n in (4, 5, 6)}}


def _comparable(value: object) -> str:
    """Return a value so that what the spec says and what SHOW prints compare: ``2X-Large`` and ``xxlarge``."""
    text = str(value.name if isinstance(value, Identifier) else value).strip()
    size = text.upper().replace("-", "")
    return _SIZES.get(size, size)

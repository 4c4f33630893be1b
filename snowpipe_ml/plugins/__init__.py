"""The public API for authors of step types.

A step type is a class with a settings model and methods. The settings model is a frozen pydantic
model, from which the JSON Schema and the reference page are generated. The methods declare what the
step reads and writes, describe what it would do, and do it::

    from snowpipe_ml.plugins import Step, StepResult, StepSettings, TableName, register, table
    from snowpipe_ml.sql import sql

    @register("count_rows")
    class CountRows(Step["CountRows.Settings"]):
        '''Count a table's rows.'''

        class Settings(StepSettings):
            table: TableName

        def reads(self, ctx):
            yield table(self.settings.table, "table")

        def run(self, ctx):
            n = ctx.scalar(sql("SELECT COUNT(*) FROM {t}", t=self.settings.table))
            return StepResult(rows=n)

Other packages register their classes under the entry-point group ``snowpipe_ml.steps``.
"""

from snowpipe_ml.errors import Check
from snowpipe_ml.plugins.fields import (
    ColumnKey,
    ColumnName,
    ColumnType,
    FunctionName,
    ObjectName,
    StageLocation,
    TableName,
)
from snowpipe_ml.plugins.identity import Progress, RunInfo
from snowpipe_ml.plugins.intervals import Interval
from snowpipe_ml.plugins.registry import ENTRY_POINT_GROUP, STEP_TYPES, register, step_types
from snowpipe_ml.plugins.resources import (
    ColumnUse,
    Kind,
    PackageList,
    Resource,
    declared,
    function,
    stage,
    table,
)
from snowpipe_ml.plugins.results import Change, Changes, Chart, Finding, Picture, StepPlan, StepResult
from snowpipe_ml.plugins.step import (
    PlanContext,
    Query,
    RunContext,
    RunsIn,
    Step,
    StepSettings,
)
from snowpipe_ml.plugins.target import TARGETS, Server, Target, register_target

__all__ = [
    "ENTRY_POINT_GROUP",
    "STEP_TYPES",
    "TARGETS",
    "Change",
    "Changes",
    "Chart",
    "Check",
    "ColumnKey",
    "ColumnName",
    "ColumnType",
    "ColumnUse",
    "Finding",
    "FunctionName",
    "Interval",
    "Kind",
    "ObjectName",
    "PackageList",
    "Picture",
    "PlanContext",
    "Progress",
    "Query",
    "Resource",
    "RunContext",
    "RunInfo",
    "RunsIn",
    "Server",
    "StageLocation",
    "Step",
    "StepPlan",
    "StepResult",
    "StepSettings",
    "TableName",
    "Target",
    "declared",
    "function",
    "register",
    "register_target",
    "stage",
    "step_types",
    "table",
]

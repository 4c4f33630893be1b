"""Which command prints which output. A command imports its own output only: creating all models takes 20 ms."""

from __future__ import annotations

from pydantic import BaseModel

from snowpipe_ml.ui.outputs.comparison import CompareOutput
from snowpipe_ml.ui.outputs.data import DiffDataOutput
from snowpipe_ml.ui.outputs.events import RunEventOutput
from snowpipe_ml.ui.outputs.history import (
    CancelOutput,
    CostOutput,
    DiffOutput,
    EnvironmentsOutput,
    LineageOutput,
    LogsOutput,
    RunsOutput,
    StatusOutput,
)
from snowpipe_ml.ui.outputs.specs import (
    DoctorOutput,
    ExplainOutput,
    PackagesOutput,
    PlanOutput,
    TestsOutput,
    ValidateOutput,
)

OUTPUTS: dict[str, type[BaseModel]] = {
    "cancel": CancelOutput,
    "compare": CompareOutput,
    "cost": CostOutput,
    "diff": DiffOutput,
    "diff-data": DiffDataOutput,
    "doctor": DoctorOutput,
    "env-list": EnvironmentsOutput,
    "explain": ExplainOutput,
    "lineage": LineageOutput,
    "logs": LogsOutput,
    "packages": PackagesOutput,
    "plan": PlanOutput,
    "run": RunEventOutput,
    "runs": RunsOutput,
    "status": StatusOutput,
    "test": TestsOutput,
    "validate": ValidateOutput,
}
"""Command -> the model of what it prints with ``--json``; of ``run``, of each line."""

"""The built-in step types, one module per family. Importing this package registers them."""

from snowpipe_ml.steps.changes import merge
from snowpipe_ml.steps.data import (
    calendars,
    copy_into,
    dimension,
    expectations,
    extract,
    snapshot,
    split,
    transform,
)
from snowpipe_ml.steps.forecasting import (
    evaluation,
    features,
    forecast,
    future_features,
    leaderboard,
    monitor,
    train,
)
from snowpipe_ml.steps.models import automl, deployment, packaging, scoring
from snowpipe_ml.steps.report import plots

__all__ = [
    "automl",
    "calendars",
    "copy_into",
    "deployment",
    "dimension",
    "evaluation",
    "expectations",
    "extract",
    "features",
    "forecast",
    "future_features",
    "leaderboard",
    "merge",
    "monitor",
    "packaging",
    "plots",
    "scoring",
    "snapshot",
    "split",
    "train",
    "transform",
]

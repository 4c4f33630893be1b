"""The built-in step types, a module a family. Importing this package registers them."""

from snowpipe_ml.steps import (  # noqa: F401
    automl,
    calendars,
    copy_into,
    deployment,
    evaluation,
    expectations,
    extract,
    features,
    forecasting,
    future_features,
    leaderboard,
    packaging,
    plots,
    saved_models,
    scoring,
    snapshot,
    split,
    transform,
)

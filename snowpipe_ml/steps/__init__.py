"""The built-in step types, a module a family. Importing this package registers them."""

from snowpipe_ml.steps import (  # noqa: F401
    calendars,
    copy_into,
    evaluation,
    extract,
    features,
    forecasting,
    snapshot,
    transform,
)

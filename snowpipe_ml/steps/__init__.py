"""The built-in step types, one module per family. A module is imported when one of its types is looked up."""

from snowpipe_ml.plugins import STEP_TYPES

_MODULES = {
    "anomalies": "forecasting.monitor",
    "copy_into": "data.copy_into",
    "deploy_forecaster": "forecasting.deploy",
    "deploy_model": "models.deployment",
    "dimension": "data.dimension",
    "evaluate": "models.scoring",
    "evaluate_forecasts": "forecasting.evaluation",
    "expect": "data.expectations",
    "extract": "data.extract",
    "features": "forecasting.features",
    "flatten_forecasts": "forecasting.evaluation",
    "forecast": "forecasting.forecast",
    "future_features": "forecasting.future_features",
    "holidays": "data.calendars",
    "leaderboard": "forecasting.leaderboard",
    "merge": "changes.merge",
    "monitor": "forecasting.monitor",
    "package_model": "models.packaging",
    "plot": "report.plots",
    "predict": "models.deployment",
    "snapshot": "data.snapshot",
    "split": "data.split",
    "train_automl": "models.automl",
    "train_forecasters": "forecasting.train",
    "transform": "data.transform",
}

STEP_TYPES.announce({name: f"{__name__}.{module}" for name, module in _MODULES.items()})

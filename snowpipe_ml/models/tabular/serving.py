"""The handlers of the functions that a ``deploy_model`` step creates.

``manifest.json`` beside the code names the model's archive. A process loads the model once.
"""

from __future__ import annotations

import importlib
import json
import pickle
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from snowpipe_ml.models.tabular.archive import Manifest, unpack
from snowpipe_ml.models.tabular.frames import as_features
from snowpipe_ml.models.wheels import add_wheels, import_directory


class Model:
    """A loaded model that predicts from features.

    Args:
        folder: the folder of the model's files.
        manifest: the model's manifest.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.features: dict[str, str] = manifest["features"]
        self.regression = manifest["problem_type"] == "regression"
        framework = manifest["framework"]
        if framework == "autogluon":
            from autogluon.tabular import TabularPredictor

            self.model: Any = TabularPredictor.load(str(folder), require_py_version_match=False, verbosity=0)
            self.model.persist()
        elif framework == "python":
            sys.path.insert(0, str(folder))
            module, _, name = manifest["class"].partition(":")
            self.model = getattr(importlib.import_module(module), name)(folder)
        else:
            # An archive is code: everyone who may write to the stage is trusted.
            with (folder / manifest["file"]).open("rb") as file:
                self.model = pickle.load(file)  # noqa: S301

    def predict(self, frame: pd.DataFrame) -> pd.Series:
        """Predict one value per row; the columns are matched by position, in the order of the features."""
        found = pd.Series(list(self.model.predict(as_features(frame, self.features))))
        return found.astype(float) if self.regression else found.map(_class_name)


def _class_name(value: object) -> str:
    """The text of a class label, as Snowflake casts it, so that predictions compare with actual values."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


@cache
def _model() -> Model:
    add_wheels()
    beside = json.loads((import_directory() / "manifest.json").read_text(encoding="utf-8"))
    folder, manifest = unpack(import_directory() / beside["archive"], beside["sha256"])
    return Model(folder, manifest)


def predict(frame: pd.DataFrame) -> pd.Series:
    """The handler of the vectorized function, which takes a batch of rows as a DataFrame."""
    return _model().predict(frame)


# Set the attribute that Snowflake's `vectorized` decorator sets.
predict._sf_vectorized_input = pd.DataFrame  # type: ignore[attr-defined]


def predict_row(features: list[object]) -> object:
    """The handler of the scalar function, which takes the features of one row as an array, in order."""
    return _model().predict(pd.DataFrame([features])).iloc[0]

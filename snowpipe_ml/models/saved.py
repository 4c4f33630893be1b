"""Saved forecasters: files of arrays and JSON, which run no code when they are loaded."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from snowpipe_ml.models.base import Forecaster
from snowpipe_ml.models.ensemble import ENSEMBLES, Ensemble
from snowpipe_ml.models.panel import features_of
from snowpipe_ml.models.registry import make_forecaster

FORMAT = 4

Manifest = dict[str, Any]
"""The JSON values saved with a model."""


def save(forecaster: Forecaster, manifest: Mapping[str, object]) -> bytes:
    """Serialize a forecaster to the bytes of an ``.npz`` file.

    Args:
        forecaster: a fitted forecaster.
        manifest: more facts to save with it, such as the ``model_id``, as JSON values.
    """
    features = [feature.__dict__ for feature in forecaster.features]
    saved = {"format": FORMAT, "settings": forecaster.settings, "features": features, **manifest}
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(saved, sort_keys=True).encode(), np.uint8)
    arrays: dict[str, Any] = {f"state/{key}": value for key, value in forecaster.state().items()}
    np.savez_compressed(buffer, manifest=text, **arrays)
    return buffer.getvalue()


def load(data: bytes) -> tuple[Forecaster, Manifest]:
    """Load a forecaster and its manifest from the bytes of :func:`save`.

    Raises:
        ValueError: the bytes have another format.
    """
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        manifest: Manifest = json.loads(file["manifest"].tobytes())
        if manifest.get("format") != FORMAT:
            raise ValueError(
                f"the saved models have format {manifest.get('format')}, but this code reads format "
                f"{FORMAT}: train them again"
            )
        state = {key.removeprefix("state/"): file[key] for key in file.files if key.startswith("state/")}
    features, settings = features_of(manifest["features"]), manifest["settings"]
    several = settings["type"] in ENSEMBLES
    forecaster = Ensemble(settings, features, {}) if several else make_forecaster(settings, features)
    forecaster.restore(state)
    return forecaster, manifest

"""Make small models of Chronos-Bolt and Chronos-2 with random weights, forecast with them in a pipeline and directly."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from snowpipe_ml import Pipeline

SPEC = """\
name: chronos
version: 1
targets: {local: {type: local, path: warehouse}}
default_target: local
stages: {s: {}}
packages: {p: [numpy, pandas, pytorch, transformers, einops]}
imports: {chronos: {stage: s, wheels: ["WHEEL"]}}
steps:
  events:
    type: transform
    query: >-
      SELECT 'k' || MOD(SEQ4(), 2) AS K, DATEADD(day, FLOOR(SEQ4() / 2), '2023-01-01'::DATE) AS AT,
      10 + MOD(SEQ4(), 2) + MOD(FLOOR(SEQ4() / 2), 7) AS N FROM TABLE(GENERATOR(ROWCOUNT => 140))
    writes: events
  features: {type: features, from: events, partition_by: K, timestamp: AT, value: N, target: N, lags: [], writes: features}
  future: {type: future_features, features: features, horizon: 7, writes: future}
  deploy:
    type: deploy_forecaster
    function: f
    features: features
    model: {type: pretrained, library: chronos, weights: "@s/weights/"}
    lower_bound: null
    max_growth: null
    stage: s
    packages: p
    imports: [chronos]
  train: {type: train_forecasters, function: f, features: features, future: future, writes: forecasts}
"""


def main(folder: Path, wheel: Path) -> None:
    """Print the forecasts of the pipeline and of the library, by model."""
    sys.path.insert(0, str(wheel))
    makers = {"bolt": bolt, "chronos2": chronos2}
    found = {name: forecasts(folder / name, make, wheel) for name, make in makers.items()}
    print(json.dumps(found))


def bolt(folder: Path) -> None:
    """Write a Chronos-Bolt."""
    from chronos.chronos_bolt import ChronosBoltModelForForecasting
    from transformers import T5Config

    levels = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    config = T5Config(
        decoder_start_token_id=0,
        pad_token_id=0,
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_decoder_layers=1,
        num_heads=2,
        vocab_size=2,
    )
    config.chronos_pipeline_class = "ChronosBoltPipeline"
    config.chronos_config = {
        "context_length": 64,
        "prediction_length": 16,
        "input_patch_size": 8,
        "input_patch_stride": 8,
        "quantiles": levels,
        "use_reg_token": True,
    }
    config.architectures = ["ChronosBoltModelForForecasting"]
    ChronosBoltModelForForecasting(config).save_pretrained(folder)


def chronos2(folder: Path) -> None:
    """Write a Chronos-2."""
    from chronos.chronos2 import Chronos2Model
    from chronos.chronos2.config import Chronos2CoreConfig

    levels = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    config = Chronos2CoreConfig(d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, vocab_size=2)
    config.chronos_pipeline_class = "Chronos2Pipeline"
    config.chronos_config = {
        "context_length": 64,
        "output_patch_size": 8,
        "input_patch_size": 8,
        "input_patch_stride": 8,
        "quantiles": levels,
        "use_reg_token": True,
        "use_arcsinh": True,
        "max_output_patches": 4,
        "time_encoding_scale": 64,
    }
    config.architectures = ["Chronos2Model"]
    Chronos2Model(config).save_pretrained(folder)


def forecasts(folder: Path, make: Callable[[Path], None], wheel: Path) -> dict[str, list[float]]:
    """Return the forecasts of a pipeline that has the weights on a stage, and those of the library."""
    from chronos import BaseChronosPipeline

    torch.manual_seed(0)
    weights = folder / "weights"
    make(weights)
    (folder / "spec.yaml").write_text(SPEC.replace("WHEEL", str(wheel)))
    pipeline = Pipeline.from_yaml(folder / "spec.yaml")
    session = pipeline.session()
    session.sql("CREATE STAGE s").collect()
    session.file.put(f"{weights}/*", "@s/weights/", auto_compress=False)
    session.close()
    result = pipeline.run()
    assert result.ok, {name: step.message for name, step in result.steps.items() if step.error}
    session = pipeline.session()
    rows = session.sql("SELECT PREDICTION FROM FORECASTS WHERE PART = 'forecast' ORDER BY K, DATE").collect()
    session.close()
    history = [torch.tensor([10.0 + k + n % 7 for n in range(70)]) for k in (0, 1)]
    pipeline_of = BaseChronosPipeline.from_pretrained(str(weights))
    quantiles, _ = pipeline_of.predict_quantiles(history, 7, quantile_levels=[k / 10 for k in range(1, 10)])
    # Quantiles of random weights cross; the median is that of the ordered ones.
    direct = np.concatenate([np.sort(np.asarray(one).reshape(7, 9))[:, 4] for one in quantiles])
    return {"pipeline": [float(row[0]) for row in rows], "library": direct.tolist()}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

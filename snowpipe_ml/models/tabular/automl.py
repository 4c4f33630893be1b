"""AutoML with AutoGluon's TabularPredictor, trained in a stored procedure or in the client."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snowpipe_ml.models.tabular.archive import Manifest, pack, python_version, versions
from snowpipe_ml.models.tabular.frames import as_features
from snowpipe_ml.models.wheels import add_wheels, import_directory

if TYPE_CHECKING:
    import pandas as pd
    from snowflake.snowpark import Session

Config = dict[str, Any]
"""The settings of a training, as the procedure reads them: JSON values."""


def train(frame: pd.DataFrame, config: Config, folder: Path) -> Manifest:
    """Train on a frame and write the best model to a folder.

    Args:
        frame: the features and the target, under their names.
        config: ``target``, ``problem_type``, ``metric``, ``models``, ``presets``, ``time_limit`` in
            seconds, ``seed``.
        folder: the folder for the model, which must not exist yet.

    Returns:
        The metrics of the best model on AutoGluon's own validation rows, its name, and the leaderboard.
    """
    from autogluon.tabular import TabularPredictor

    with tempfile.TemporaryDirectory() as work:
        predictor = TabularPredictor(
            label=config["target"],
            path=f"{work}/all",
            problem_type=config["problem_type"],
            eval_metric=config["metric"],
            verbosity=0,
            learner_kwargs={"random_state": config["seed"]},
        )
        families: dict[str, dict[str, object]] = {family: {} for family in config["models"]}
        options: dict[str, object] = {} if config["presets"] is None else {"presets": config["presets"]}
        predictor.fit(
            frame,
            hyperparameters=families,
            time_limit=config["time_limit"],
            num_cpus=1,
            num_gpus=0,
            fit_strategy="sequential",
            **options,
        )
        board = predictor.leaderboard(silent=True)
        best = predictor.clone_for_deployment(path=f"{work}/best", return_clone=True)
        metric = str(predictor.eval_metric.name)
        score = float(board.loc[board["model"] == predictor.model_best, "score_val"].iloc[0])
        shutil.move(str(best.path), folder)
    return {
        "metrics": {f"validation_{metric}": float(predictor.eval_metric.convert_score_to_original(score))},
        "model": str(predictor.model_best),
        "leaderboard": [
            {
                "model": str(row.model),
                "metric": metric,
                "score_validation": float(row.score_val),
                "fit_seconds": float(row.fit_time),
                "predict_seconds": float(row.pred_time_val),
                "stack_level": int(row.stack_level),
            }
            for row in board.itertuples()
        ],
    }


def train_and_pack(frame: pd.DataFrame, config: Config, into: Path) -> tuple[Path, Manifest]:
    """Train a model and pack it with its manifest.

    Args:
        frame: the columns of ``config["features"]`` in this order, then the target; matched by position.
        config: the settings of ``train``, with ``target_type``, ``name``, ``features`` (name -> Snowflake
            type) and ``trained_on``.
        into: the folder for the archive.
    """
    columns = {**config["features"], config["target"]: config["target_type"]}
    prepared = as_features(frame, columns)
    labelled = prepared[prepared[config["target"]].notna()]
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "model"
        report = train(labelled, config, folder)
        manifest = {
            "framework": "autogluon",
            "python": python_version(),
            "versions": versions("autogluon"),
            "features": config["features"],
            "target": config["target"],
            "problem_type": config["problem_type"],
            "trained_on": {**config["trained_on"], "rows": len(labelled)},
            **report,
        }
        return pack(folder, manifest, config["name"], into)


def read_rows(session: Session, columns: Sequence[str], table: str) -> pd.DataFrame:
    """Read columns of a table, in this order. The step has already quoted the names."""
    return session.sql(f"SELECT {', '.join(columns)} FROM {table}").to_pandas()


def train_procedure(session: Session) -> str:
    """The handler of the stored procedure of ``train_automl``, which keeps the data in Snowflake.

    Returns:
        The manifest, as JSON.
    """
    add_wheels()
    config = json.loads((import_directory() / "training.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as work:
        frame = read_rows(session, config["columns"], config["table"])
        archive, manifest = train_and_pack(frame, config, Path(work))
        publish(session, archive, manifest, config["into"])
    return json.dumps(manifest)


def publish(session: Session, archive: Path, manifest: Manifest, place: str) -> None:
    """Upload an archive to a stage, then its manifest, so that a manifest never names a missing archive."""
    session.file.put(str(archive), place, auto_compress=False, overwrite=True)
    beside = archive.with_name("manifest.json")
    beside.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    session.file.put(str(beside), place, auto_compress=False, overwrite=True)

"""Saving the trained models of a run on a stage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from snowpipe_ml.plugins import (
    RunContext,
)
from snowpipe_ml.sql import Identifier, QualifiedName, StagePath, sql


def keep_models(
    ctx: RunContext, trained: QualifiedName, key: Identifier, place: StagePath, told: Mapping[str, object]
) -> int:
    """Save the models that the function returned to a stage: one file per partition, and finally a manifest.

    Args:
        ctx: the context of the step.
        trained: the table with the rows that the function returned.
        key: the column that identifies a series.
        place: the parent folder; the models are saved in a folder named after the run's model id.
        told: further entries of the manifest.

    Returns:
        The number of files.
    """
    rows = ctx.execute(
        sql(
            "SELECT {key}, FOLD, ARTIFACT FROM {name} WHERE PART = 'model' ORDER BY {key}, FOLD",
            key=key,
            name=trained,
        )
    )
    pieces: dict[str, bytes] = {}
    for series, _, piece in rows:
        pieces[series] = pieces.get(series, b"") + bytes(piece)
    folder = place.child(f"{ctx.run.model_id}/")
    ctx.execute(sql("REMOVE {folder}", folder=folder))  # files of an interrupted attempt of this run
    contents = {f"models-{number:03}.npz": data for number, data in enumerate(pieces.values())}
    ctx.put_contents(contents, folder)
    files = [
        {"file": name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in contents.items()
    ]
    manifest = {"model_id": ctx.run.model_id, "run_id": ctx.run.id, "files": files, **told}
    text = json.dumps(manifest, indent=1, sort_keys=True).encode()
    ctx.put_contents({"manifest.json": text}, folder)  # after the files that it names
    return len(files)

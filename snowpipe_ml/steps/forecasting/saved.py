"""Saving the trained models of a run on a stage."""

from __future__ import annotations

import hashlib
import io
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
    files = []
    for number, data in enumerate(pieces.values()):
        name = f"models-{number:03}.npz"
        ctx.session.file.put_stream(
            io.BytesIO(data), folder.child(name).text, auto_compress=False, overwrite=True
        )
        files.append({"file": name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)})
    manifest = {"model_id": ctx.run.model_id, "run_id": ctx.run.id, "files": files, **told}
    text = json.dumps(manifest, indent=1, sort_keys=True).encode()
    ctx.session.file.put_stream(
        io.BytesIO(text), folder.child("manifest.json").text, auto_compress=False, overwrite=True
    )
    return len(files)

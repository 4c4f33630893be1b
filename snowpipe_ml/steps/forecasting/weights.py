"""The weights of pretrained models: files of a folder on a stage, which a function imports one by one."""

from __future__ import annotations

from collections.abc import Iterable

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import RunContext
from snowpipe_ml.plugins.forecaster import ForecasterSettings
from snowpipe_ml.sql import StagePath
from snowpipe_ml.steps.declared.imports import staged_files

_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_COMPRESSED = (".gz", ".zip", ".tar", ".bz2", ".zst")


def weight_folders(models: Iterable[ForecasterSettings]) -> list[StagePath]:
    """Return the folders from which the models import files, each once."""
    return list(dict.fromkeys(model.imports_from for model in models if model.imports_from is not None))


def weight_files(ctx: RunContext, models: Iterable[ForecasterSettings]) -> list[StagePath]:
    """Return the files that the models import from stages.

    Raises:
        StepError: a folder has none, or one that is no file of weights; or two folders have a file of the same name,
            as all imports of a function are in one folder.
    """
    found: dict[str, StagePath] = {}
    for folder in weight_folders(models):
        place = folder.child("")
        names = sorted(
            path.removeprefix(place.path)
            for path in staged_files(ctx, place)
            if path.startswith(place.path) and "/" not in path.removeprefix(place.path)
        )
        _check(folder, names)
        for name in names:
            if name in found:
                raise StepError(
                    f"{folder.text} and {found[name].text.removesuffix(name)} both have a file {name}, and a function "
                    "imports all files into one folder: use one of these models, or deploy the other in a separate step"
                )
            found[name] = place.child(name)
    return list(found.values())


def _check(folder: StagePath, names: list[str]) -> None:
    packed = [name for name in names if name.endswith(_COMPRESSED)]
    if packed:
        raise StepError(
            f"{folder.text} has the compressed files {', '.join(packed)}: upload them with AUTO_COMPRESS = FALSE"
        )
    pickled = [name for name in names if name.endswith(_PICKLED)]
    if pickled:
        raise StepError(
            f"{folder.text} has {', '.join(pickled)}: loading such a file can run code. Convert the weights to "
            ".safetensors, and remove the file"
        )
    lacking = [
        what
        for what, there in (
            ("config.json", "config.json" in names),
            ("a file of weights (.safetensors)", any(name.endswith(".safetensors") for name in names)),
        )
        if not there
    ]
    if lacking:
        raise StepError(
            f"{folder.text} lacks {' and '.join(lacking)}; it has: {', '.join(names) or 'no files'}. Upload the files of "
            "the model to it, not into a subfolder"
        )

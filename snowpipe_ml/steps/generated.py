"""Files that the pipeline's own code makes, where the spec says ``sample``."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import PlanContext

SAMPLE = "sample"


def load_attribute(ctx: PlanContext, reference: str) -> Callable[..., Any]:
    """The function that ``folder/module.py:name`` means, from a file of the pipeline.

    Raises:
        StepError: there is no such file or function, or the file cannot be loaded.
    """
    file, _, name = reference.partition(":")
    path = ctx.path(file)
    if not name or not path.is_file():
        raise StepError(f"{reference!r} is no function of a file of the pipeline: write folder/module.py:function")
    spec = importlib.util.spec_from_file_location(f"pipeline_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise StepError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    found = getattr(module, name, None)
    if not callable(found):
        raise StepError(f"{path} has no function {name!r}")
    return found  # type: ignore[no-any-return]


def generate(ctx: PlanContext, reference: str | None, given: str) -> Path:
    """The file or folder that is given, or for ``sample`` the one that the generator writes.

    A generator is called with a path and writes there a file or a folder. What it wrote is used
    again until the code of its module changes.
    """
    if given != SAMPLE:
        return ctx.path(given)
    if reference is None:
        raise StepError("'sample' needs a `generator`: module.py:function of the pipeline")
    write = load_attribute(ctx, reference)
    code = ctx.path(reference.partition(":")[0]).read_bytes()
    digest = hashlib.sha256(code + reference.encode()).hexdigest()[:16]
    target = ctx.cache_dir / "samples" / f"{reference.partition(':')[2]}-{digest}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            write(aside)
            aside.rename(target)
        finally:
            if aside.is_dir():
                shutil.rmtree(aside)
            elif aside.exists():
                aside.unlink()
    return target

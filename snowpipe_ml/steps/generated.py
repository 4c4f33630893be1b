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


def given_version(ctx: PlanContext, reference: str | None, given: str) -> str | None:
    """A text that changes when what :func:`generate` would give does; None if there is nothing yet.

    Of a file it is its content, of a folder the names, sizes and times of its files.
    """
    if given == SAMPLE:
        return None if reference is None else _digest(ctx, reference)
    path = ctx.path(given)
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return "\n".join(file_version(p, str(p.relative_to(path))) for p in sorted(path.rglob("*")) if p.is_file()) or None


def file_version(path: Path, name: str) -> str:
    """A line that changes with a file's size or time; of one that cannot be asked, only its name."""
    try:
        stat = path.stat()
    except OSError:  # it has just been removed, or is a link that leads nowhere
        return name
    return f"{name} {stat.st_size} {stat.st_mtime_ns}"


def _digest(ctx: PlanContext, reference: str) -> str:
    path = ctx.path(reference.partition(":")[0])
    code = path.read_bytes() if path.is_file() else b""
    return hashlib.sha256(code + reference.encode()).hexdigest()[:16]


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
    target = ctx.cache_dir / "samples" / f"{reference.partition(':')[2]}-{_digest(ctx, reference)}"
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

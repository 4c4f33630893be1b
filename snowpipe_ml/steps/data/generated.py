"""Files that the pipeline's own code makes, where the spec says ``sample``."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from snowpipe_ml.errors import StepError
from snowpipe_ml.plugins import Finding, PlanContext
from snowpipe_ml.text.problems import did_you_mean

SAMPLE = "sample"
_NO_GENERATOR = "'sample' needs a `generator`: module.py:function of the pipeline"


def load_attribute(ctx: PlanContext, reference: str) -> Callable[..., Any]:
    """The function that ``folder/module.py:name`` means, from a file of the pipeline.

    Raises:
        StepError: there is no such file or function, or the file cannot be loaded.
    """
    file, _, name = reference.partition(":")
    path = ctx.path(file)
    if not name or not path.is_file():
        raise StepError(_no_function(reference))
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


def generator_finding(ctx: PlanContext, reference: str | None, at: tuple[str | int, ...]) -> Finding | None:
    """The fault of a ``generator``, found without running any of its code; None if nothing is.

    Args:
        ctx: knows where the spec is.
        reference: the setting.
        at: the path of the mapping that has it.
    """
    if reference is None:
        return Finding(_NO_GENERATOR, at)
    file, _, name = reference.partition(":")
    path = ctx.path(file)
    if not name or not path.is_file():
        return Finding(_no_function(reference), (*at, "generator"))
    try:
        tree = ast.parse(ctx.read_text(file), str(path))
    except (StepError, SyntaxError, ValueError) as error:
        return Finding(f"{path} cannot be loaded: {error}", (*at, "generator"))
    names = _bound_names(tree)
    if name in names or "*" in names:
        return None
    return Finding(f"{path} has no function {name!r}", (*at, "generator"), hint=did_you_mean(name, names))


def _bound_names(tree: ast.AST) -> set[str]:
    """Every name that a module binds, wherever it does; ``*`` if it imports names that are not told."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.add(node.name)
            case ast.Name(ctx=ast.Store()):
                found.add(node.id)
            case ast.alias():
                found.add(node.asname or node.name)
    return found


def _no_function(reference: str) -> str:
    return f"{reference!r} is no function of a file of the pipeline: write folder/module.py:function"


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
    return (
        "\n".join(file_version(p, str(p.relative_to(path))) for p in sorted(path.rglob("*")) if p.is_file())
        or None
    )


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
        raise StepError(_NO_GENERATOR)
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
